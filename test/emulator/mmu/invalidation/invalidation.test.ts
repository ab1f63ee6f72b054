import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AccessFlag,
  ANY,
  FaultKind,
  FixedContexts,
  Mmu,
  Permission,
  PRESETS,
  type PresetName,
  type TranslationRegime,
  TranslationRequest,
  Walker,
} from '../../../../emulator/index.ts';
import { BLOCK_BYTES, PAGE_BYTES, TOY_BLOCKS, ToyTable, toyRegime, WordMemory } from '../toy-tables.ts';

const CORRECT = (Object.keys(PRESETS) as PresetName[]).filter((name) => name !== 'gem5');
const STAGE1_ONLY = 0;
const STAGE1_SIBLING = 1;
const NESTED = 2;
const STAGE2_ONLY = 3;
const STREAMS = 4;
/** Few pages, at the ends and across a contiguous run, so that steps meet. */
const PAGES = [0, 1, 15, 16, 17, 511];

/** A change of the tables, or an access, as numbers that fast-check can shrink. */
interface Step {
  readonly what: number;
  readonly stream: number;
  readonly block: number;
  readonly page: number;
  readonly target: number;
  readonly way: number;
}

const steps = fc.array(
  fc.record({
    what: fc.nat(6),
    stream: fc.nat(STREAMS - 1),
    block: fc.nat(TOY_BLOCKS - 1),
    page: fc.constantFrom(...PAGES),
    target: fc.nat(7),
    way: fc.nat(5),
  }),
  { minLength: 40, maxLength: 60 },
);

/** A machine with four streams: two stage-1 spaces of one VMID, a nested stream and a stage-2 stream. */
class Rig {
  readonly memory = new WordMemory();
  readonly mmu: Mmu;
  readonly request = new TranslationRequest();
  readonly walker: Walker;
  readonly tables: readonly ToyTable[];
  readonly stage2: ToyTable;
  readonly regimes: readonly TranslationRegime[];
  /** What each table's 2 MiB holds. */
  readonly #shape: ('empty' | 'block' | 'pages')[][];
  now = 0;

  constructor(preset: PresetName) {
    const { memory } = this;
    this.tables = [0, 1, 2].map((at) => new ToyTable(memory, 0x10_0000 + at * 0x1_0000, 1, at === 1));
    const nested = new ToyTable(memory, 0x20_0000, 2);
    // The nested stage-1 table lies at IPA = PA, in the first block of its stage 2.
    for (const at of [0, 1, 2]) nested.mapBlock(at, at * BLOCK_BYTES);
    this.stage2 = nested;
    const alone = new ToyTable(memory, 0x30_0000, 2);
    this.tables = [...this.tables, alone];
    const [first, second, third] = this.tables as [ToyTable, ToyTable, ToyTable];
    this.regimes = [
      toyRegime(first, null, 1, 0),
      toyRegime(second, null, 2, 0),
      toyRegime(third, nested, 1, 7),
      toyRegime(null, alone, 0, 8),
    ];
    this.#shape = this.tables.map(() => Array.from({ length: TOY_BLOCKS }, () => 'empty' as const));
    const contexts = new FixedContexts();
    for (const [stream, regime] of this.regimes.entries()) contexts.set(stream, regime);
    this.mmu = new Mmu(PRESETS[preset], memory, contexts);
    this.walker = new Walker(memory);
  }

  run(step: Step): void {
    const { stream, block, page, target } = step;
    const table = this.tables[stream] as ToyTable;
    const shape = this.#shape[stream] as string[];
    const start = block * BLOCK_BYTES;
    const pa = 0x4000_0000 + target * BLOCK_BYTES + page * PAGE_BYTES;
    // IPAs of the nested stream have to be in what its stage 2 maps.
    const output = stream === NESTED ? (target % TOY_BLOCKS) * BLOCK_BYTES + page * PAGE_BYTES : pa;
    switch (step.what) {
      case 0:
        if (shape[block] !== 'block') return;
        table.clear(block);
        shape[block] = 'empty';
        this.#invalidate(step, start, start + BLOCK_BYTES, true);
        return;
      case 1:
        if (shape[block] !== 'pages') return;
        // A table goes: walk-cache entries too.
        table.clear(block);
        shape[block] = 'empty';
        this.#invalidate(step, start, start + BLOCK_BYTES, false);
        return;
      case 2:
        if (shape[block] !== 'empty') return;
        table.mapBlock(block, output - page * PAGE_BYTES);
        shape[block] = 'block';
        return;
      case 3: {
        if (shape[block] === 'block') return;
        this.#breakPage(step, table, start);
        table.mapPage(block, page, output);
        shape[block] = 'pages';
        return;
      }
      case 4: {
        // Sixteen pages as one contiguous run.
        if (shape[block] !== 'empty') return;
        for (let at = 0; at < 16; at++) table.mapPage(block, at, output - page * PAGE_BYTES + at * PAGE_BYTES, true);
        shape[block] = 'pages';
        return;
      }
      case 5:
        if (shape[block] === 'pages') this.#breakPage(step, table, start);
        return;
      default:
        this.access(stream, start + page * PAGE_BYTES + target * 8, step.way);
    }
  }

  /** Unmaps a page, with the whole run around it if it may be one. */
  #breakPage(step: Step, table: ToyTable, start: number): void {
    const first = step.page < 16 ? 0 : step.page;
    const last = step.page < 16 ? 15 : step.page;
    for (let at = first; at <= last; at++) table.unmapPage(step.block, at);
    this.#invalidate(step, start + first * PAGE_BYTES, start + (last + 1) * PAGE_BYTES, true);
  }

  #invalidate({ stream, way }: Step, start: number, end: number, leafOnly: boolean): void {
    const { invalidation } = this.mmu;
    const { asid, vmid } = this.regimes[stream] as TranslationRegime;
    if (stream === STAGE2_ONLY) {
      if (way === 0) invalidation.byVmid(vmid, true);
      else if (way === 1) invalidation.all();
      else if (way === 2) for (let at = start; at < end; at += PAGE_BYTES) invalidation.byIpa(at, vmid, leafOnly);
      else invalidation.byIpaRange(start, end, vmid, leafOnly);
      return;
    }
    switch (way) {
      case 0:
        invalidation.byVmid(vmid, false);
        return;
      case 1:
        invalidation.all();
        return;
      case 2:
        for (let at = start; at < end; at += PAGE_BYTES) invalidation.byAddress(at, asid, vmid, leafOnly);
        return;
      case 3:
        for (let at = start; at < end; at += PAGE_BYTES) invalidation.byAddress(at, ANY, vmid, leafOnly);
        return;
      case 4:
        // Global pages survive an invalidation by ASID.
        if (stream === STAGE1_SIBLING) invalidation.byRange(start, end, asid, vmid, leafOnly);
        else invalidation.byAsid(asid, vmid);
        return;
      default:
        invalidation.byRange(start, end, asid, vmid, leafOnly);
    }
  }

  /** Accesses every page that steps deal with. */
  probe(stream: number, way: number): void {
    for (let block = 0; block < TOY_BLOCKS; block++) {
      for (const page of PAGES) this.access(stream, block * BLOCK_BYTES + page * PAGE_BYTES, way);
    }
  }

  /** Pages that are said to be in no cache, and are in one. */
  wronglyClean(): string[] {
    const { stale, caches } = this.mmu;
    const wrong: string[] = [];
    for (const { asid, vmid } of this.regimes) {
      for (let block = 0; block < TOY_BLOCKS; block++) {
        for (const page of PAGES) {
          const iova = block * BLOCK_BYTES + page * PAGE_BYTES;
          if (!caches.clean.holds(iova, iova + PAGE_BYTES, asid, vmid, false)) continue;
          if (stale.holds(asid, vmid, iova)) wrong.push(`${vmid}.${asid} ${iova}`);
        }
      }
    }
    return wrong;
  }

  access(stream: number, iova: number, way: number): void {
    const { mmu, walker, request } = this;
    const flags = way % 2 === 0 ? AccessFlag.READ : AccessFlag.WRITE;
    const needed = way % 2 === 0 ? Permission.READ : Permission.WRITE;
    const done = mmu.translate(request.ask(0, stream, -1, iova, flags, this.now));
    this.now = request.completion + 1;
    const right = walker.translate(this.regimes[stream] as TranslationRegime, iova, false, needed);
    // Hundreds of thousands of answers: only one that differs is worth an assertion.
    const same =
      done === right &&
      request.fault === walker.fault &&
      (done
        ? request.pa === walker.outputAddress && request.permissions === walker.permissions
        : request.faultStage === walker.faultStage && request.faultLevel === walker.faultLevel);
    if (same) return;
    const ours = done
      ? { pa: request.pa, permissions: request.permissions, fault: request.fault }
      : { fault: request.fault, stage: request.faultStage, level: request.faultLevel };
    const theirs = right
      ? { pa: walker.outputAddress, permissions: walker.permissions, fault: FaultKind.NONE }
      : { fault: walker.fault, stage: walker.faultStage, level: walker.faultLevel };
    expect({ stream, iova, done, ...ours }).toEqual({ stream, iova, done: right, ...theirs });
  }
}

describe('after correct invalidation the MMU gives what the tables say', () => {
  it.each(CORRECT)('%s', (preset) => {
    fc.assert(
      fc.property(steps, (list) => {
        const rig = new Rig(preset);
        for (const step of list) {
          // Caches are full of what the step changes, and whatever stays behind is seen.
          rig.probe(step.stream, step.way);
          rig.run(step);
          expect(rig.wronglyClean()).toEqual([]);
          rig.probe(step.stream, step.way + 1);
          expect(rig.wronglyClean()).toEqual([]);
        }
      }),
      // The caches of `ideal` have 65,536 entries, which every sweep goes through.
      { numRuns: preset === 'ideal' ? 6 : 40, seed: 4 },
    );
  });

  it('also when the stage 2 under a stage 1 changes', () => {
    for (const preset of CORRECT) {
      const rig = new Rig(preset);
      const table = rig.tables[NESTED] as ToyTable;
      table.mapBlock(1, BLOCK_BYTES);
      rig.access(NESTED, BLOCK_BYTES + 0x5000, 0);
      rig.stage2.clear(1);
      rig.mmu.invalidation.byIpa(BLOCK_BYTES, 7, true);
      rig.mmu.invalidation.byVmid(7, false);
      rig.access(NESTED, BLOCK_BYTES + 0x5000, 0);
      rig.stage2.mapBlock(1, 16 * BLOCK_BYTES);
      rig.access(NESTED, BLOCK_BYTES + 0x5000, 0);
      expect(rig.request.pa).toBe(16 * BLOCK_BYTES + 0x5000);
    }
  });
});

describe('an invalidation', () => {
  const warm = (preset: PresetName = 'mmu-600-agilex5'): Rig => {
    const rig = new Rig(preset);
    for (const stream of [STAGE1_ONLY, STAGE1_SIBLING]) {
      const table = rig.tables[stream] as ToyTable;
      for (let page = 0; page < 8; page++) table.mapPage(0, page, 0x4000_0000 + page * PAGE_BYTES);
      table.mapBlock(1, 0x5000_0000);
      for (let page = 0; page < 8; page++) rig.access(stream, page * PAGE_BYTES, 0);
      rig.access(stream, BLOCK_BYTES, 0);
    }
    return rig;
  };
  const hits = (rig: Rig, stream: number, iova: number): boolean => {
    rig.access(stream, iova, 0);
    return rig.request.descriptorReads === 0;
  };

  it('by address drops that page of that ASID and nothing else', () => {
    const rig = warm();
    rig.mmu.invalidation.byAddress(3 * PAGE_BYTES, 1, 0, true);
    expect(rig.mmu.invalidation.dropped).toBeGreaterThan(0);
    expect(hits(rig, STAGE1_ONLY, 2 * PAGE_BYTES)).toBe(true);
    expect(hits(rig, STAGE1_ONLY, 3 * PAGE_BYTES)).toBe(false);
  });

  it('by address finds a block from any of its pages', () => {
    const rig = warm();
    rig.mmu.invalidation.byAddress(BLOCK_BYTES + 100 * PAGE_BYTES, 1, 0, true);
    expect(hits(rig, STAGE1_ONLY, BLOCK_BYTES)).toBe(false);
  });

  it('by address drops global pages of every ASID', () => {
    const rig = warm();
    rig.mmu.invalidation.byAddress(3 * PAGE_BYTES, 1, 0, true);
    expect(hits(rig, STAGE1_SIBLING, 3 * PAGE_BYTES)).toBe(false);
  });

  it('by ASID spares global pages and other ASIDs', () => {
    const rig = warm();
    rig.mmu.invalidation.byAsid(2, 0);
    expect(hits(rig, STAGE1_SIBLING, 3 * PAGE_BYTES)).toBe(true);
    rig.mmu.invalidation.byAsid(1, 0);
    expect(hits(rig, STAGE1_ONLY, 3 * PAGE_BYTES)).toBe(false);
  });

  it('of leaves keeps the walk-cache entries of tables, so that one read is enough', () => {
    const rig = warm();
    rig.mmu.invalidation.byAddress(3 * PAGE_BYTES, 1, 0, true);
    rig.access(STAGE1_ONLY, 3 * PAGE_BYTES, 0);
    expect(rig.request.descriptorReads).toBe(1);
    rig.mmu.invalidation.byAddress(3 * PAGE_BYTES, 1, 0, false);
    rig.access(STAGE1_ONLY, 3 * PAGE_BYTES, 0);
    expect(rig.request.descriptorReads).toBe(3);
  });

  it('by VMID of stage 1 alone keeps stage-2 translations, that of both stages drops them', () => {
    const rig = new Rig('mmu-500-agilex7');
    const table = rig.tables[NESTED] as ToyTable;
    table.mapBlock(1, BLOCK_BYTES);
    rig.access(NESTED, BLOCK_BYTES, 0);
    const { ipa } = rig.mmu.caches;
    const held = ipa?.valid ?? 0;
    expect(held).toBeGreaterThan(0);
    rig.mmu.invalidation.byVmid(7, false);
    expect(ipa?.valid).toBe(held);
    // The stage-1 table is read again, and its addresses come from the IPA cache.
    const lookups = ipa?.lookups ?? 0;
    const misses = ipa?.misses ?? 0;
    rig.access(NESTED, BLOCK_BYTES, 0);
    expect(ipa?.lookups).toBeGreaterThan(lookups);
    expect(ipa?.misses).toBe(misses);
    rig.mmu.invalidation.byVmid(7, true);
    expect(ipa?.valid).toBe(0);
  });

  it('of a stream fetches its configuration anew', () => {
    const rig = warm();
    rig.mmu.invalidation.streams(STAGE1_ONLY, STAGE1_ONLY);
    rig.mmu.resetCounters();
    rig.access(STAGE1_ONLY, 0, 0);
    expect(rig.mmu.counters().configurationCache.misses).toBe(1);
    rig.access(STAGE1_SIBLING, 0, 0);
    expect(rig.mmu.counters().configurationCache.misses).toBe(1);
  });

  it('costs cycles, more by ASID than by address, and nothing where the preset says so', () => {
    const { invalidation } = warm().mmu;
    const byAddress = invalidation.byAddress(0, 1, 0, true);
    expect(byAddress).toBeGreaterThan(0);
    expect(invalidation.byAsid(1, 0)).toBeGreaterThanOrEqual(byAddress);
    expect(invalidation.sync(1000, 1900)).toBeGreaterThanOrEqual(900);
    expect(invalidation.commands).toBe(2);
    const free = new Rig('gem5').mmu.invalidation;
    expect(free.byAddress(0, 1, 0, true) + free.sync(0, 500)).toBe(0);
  });
});

describe('a clean range', () => {
  const clean = (rig: Rig, pages: number): boolean => rig.mmu.caches.clean.holds(0, pages * PAGE_BYTES, 1, 0, false);
  const mapped = (): Rig => {
    const rig = new Rig('mmu-600-agilex5');
    const table = rig.tables[STAGE1_ONLY] as ToyTable;
    for (let page = 0; page < 8; page++) table.mapPage(0, page, 0x4000_0000 + page * PAGE_BYTES);
    return rig;
  };

  it('grows with invalidations of neighbours, and ends with the next fill', () => {
    const rig = mapped();
    rig.access(STAGE1_ONLY, PAGE_BYTES, 0);
    rig.mmu.invalidation.byAddress(0, 1, 0, true);
    expect([clean(rig, 1), clean(rig, 2)]).toEqual([true, false]);
    rig.mmu.invalidation.byRange(PAGE_BYTES, 3 * PAGE_BYTES, 1, 0, true);
    expect([clean(rig, 3), clean(rig, 4)]).toEqual([true, false]);
    rig.access(STAGE1_ONLY, 5 * PAGE_BYTES, 0);
    expect(clean(rig, 1)).toBe(false);
  });

  it('is not said of an MMU that misses entries', () => {
    const rig = new Rig('gem5');
    rig.mmu.invalidation.byAddress(0, 1, 0, true);
    expect(clean(rig, 1)).toBe(false);
  });
});

describe('stale marks', () => {
  const rigWithMark = () => {
    const rig = new Rig('mmu-600-agilex5');
    const table = rig.tables[STAGE1_ONLY] as ToyTable;
    table.mapPage(0, 1, 0x4000_1000);
    rig.access(STAGE1_ONLY, PAGE_BYTES, 0);
    return rig;
  };

  it('tell which translation was served by a leaf that is gone, until it is invalidated', () => {
    const rig = rigWithMark();
    const dropped: number[] = [];
    rig.mmu.stale.watch(
      () => {},
      (mark) => dropped.push(mark),
    );
    const marked = rig.mmu.stale.mark(1, 0, 0, 2 * PAGE_BYTES, 42);
    expect(marked).toBeGreaterThanOrEqual(2);
    rig.mmu.translate(rig.request.ask(0, STAGE1_ONLY, -1, PAGE_BYTES, 0, 0));
    expect(rig.request.staleMark).toBe(42);
    expect(rig.mmu.stale.holds(1, 0, PAGE_BYTES)).toBe(true);
    rig.mmu.invalidation.byAddress(PAGE_BYTES, 1, 0, true);
    expect(dropped).toEqual(new Array(marked).fill(42));
    expect(rig.mmu.stale.holds(1, 0, PAGE_BYTES)).toBe(false);
    expect(rig.mmu.stale.count).toBe(0);
    rig.mmu.translate(rig.request.ask(0, STAGE1_ONLY, -1, PAGE_BYTES, 0, 0));
    expect(rig.request.staleMark).toBe(0);
  });

  it('reach a micro-TLB that is filled from a marked main TLB entry', () => {
    const rig = rigWithMark();
    rig.mmu.stale.mark(1, 0, 0, 2 * PAGE_BYTES, 7);
    const { microTlb } = rig.mmu.caches.tbus[0] as { microTlb: { dropAll(): number } };
    microTlb.dropAll();
    rig.mmu.translate(rig.request.ask(0, STAGE1_ONLY, -1, PAGE_BYTES, 0, 0));
    rig.mmu.translate(rig.request.ask(0, STAGE1_ONLY, -1, PAGE_BYTES, 0, 0));
    expect(rig.request.hit).toBe(1);
    expect(rig.request.staleMark).toBe(7);
  });

  it('find walk-cache entries that lead into a table page', () => {
    const rig = rigWithMark();
    const table = rig.tables[STAGE1_ONLY] as ToyTable;
    expect(rig.mmu.stale.markTable(table.base + 2 * PAGE_BYTES, PAGE_BYTES, 5)).toBe(1);
    expect(rig.mmu.stale.markTable(0x9000_0000, PAGE_BYTES, 6)).toBe(0);
    table.mapPage(0, 9, 0x4000_9000);
    rig.mmu.translate(rig.request.ask(0, STAGE1_ONLY, -1, 9 * PAGE_BYTES, 0, 0));
    expect(rig.request.staleMark).toBe(5);
  });
});
