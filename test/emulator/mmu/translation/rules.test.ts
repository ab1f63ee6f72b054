import { describe, expect, it } from 'vitest';
import {
  AccessFlag,
  combineAttributes,
  ENTRY,
  FaultClass,
  FaultKind,
  FixedContexts,
  FlightEngine,
  Mmu,
  type MmuOptions,
  PRESETS,
  type TranslationRegime,
  TranslationRequest,
  Walker,
} from '../../../../emulator/index.ts';
import { PAGE_BYTES, ToyTable, toyRegime, WordMemory } from '../toy-tables.ts';

const STAGE1 = 0x10_0000;
const STAGE2 = 0x20_0000;
/** Page of stage 2 that holds the last-level table of stage 1. */
const PAGES_TABLE = STAGE1 / PAGE_BYTES + 2;
const AF = 1n << 10n;
const S2AP_WRITE = 1n << 7n;

/** A nested translation whose tables lie at IPA = PA. */
function nested(change: { stage1?: object; stage2?: object } = {}) {
  const memory = new WordMemory();
  const stage1 = new ToyTable(memory, STAGE1, 1);
  const stage2 = new ToyTable(memory, STAGE2, 2);
  for (let page = 0; page < 512; page++) stage2.mapPage(0, page, page * PAGE_BYTES);
  for (let page = 0; page < 8; page++) stage1.mapPage(0, page, page * PAGE_BYTES);
  const plain = toyRegime(stage1, stage2, 1, 3);
  const regime = {
    ...plain,
    stage1: { ...plain.stage1, ...change.stage1 },
    stage2: { ...plain.stage2, ...change.stage2 },
  } as TranslationRegime;
  const leafOf = (page: number): number => stage1.base + 2 * PAGE_BYTES + 8 * page;
  const stage2Leaf = (page: number): number => stage2.base + 2 * PAGE_BYTES + 8 * page;
  const edit = (pa: number, clear: bigint, set = 0n): void => {
    const old = BigInt(memory.words.get(pa) ?? 0) | (BigInt(memory.words.get(pa + 4) ?? 0) << 32n);
    memory.set(pa, (old & ~clear) | set);
  };
  return { memory, regime, leafOf, stage2Leaf, edit };
}

type Rig = ReturnType<typeof nested>;

/** What each of the three walkers says of an access. */
function all(rig: Rig, iova: number, flags: number, options: MmuOptions = {}): string[] {
  const { memory, regime } = rig;
  const walker = new Walker(memory);
  const access = flags === AccessFlag.WRITE ? 2 : 1;
  const words = new Map(memory.words);
  const restore = (): void => {
    for (const [pa, word] of words) memory.words.set(pa, word);
  };
  const untimed = walker.translate(regime, iova, false, access)
    ? `${walker.outputAddress}`
    : told(
        walker.fault,
        walker.faultStage,
        walker.faultLevel,
        walker.faultClass,
        walker.faultIpa,
        walker.faultOnUpdate,
      );
  restore();
  const request = new TranslationRequest().ask(0, 1, -1, iova, flags, 0);
  new Mmu(options, memory, new FixedContexts(regime)).translate(request);
  const alone = answer(request);
  restore();
  let inFlight = '';
  const engine = new FlightEngine(new Mmu(options, memory, new FixedContexts(regime)));
  engine.onDone = (done) => {
    inFlight = answer(done);
  };
  engine.run({ addresses: Float64Array.of(iova), streamId: 1, flags, outstanding: 1 });
  return [untimed, alone, inFlight];
}

function answer(request: Readonly<TranslationRequest>): string {
  const { fault, faultStage, faultLevel, faultClass, faultIpa, faultOnUpdate } = request;
  if (fault === FaultKind.NONE) return `${request.pa}`;
  return told(fault, faultStage, faultLevel, faultClass, faultIpa, faultOnUpdate);
}

function told(fault: number, stage: number, level: number, kind: number, ipa: number, onUpdate: boolean): string {
  return JSON.stringify({ fault, stage, level, class: kind, ipa, onUpdate });
}

const three = (what: string): string[] => [what, what, what];

describe('a stage-1 table in Device memory', () => {
  const device = (protectedTableWalk: boolean): Rig => {
    const rig = nested({ stage2: { protectedTableWalk } });
    for (let page = 0; page < 512; page++) rig.edit(rig.stage2Leaf(page), 0n, 0xfn << 2n);
    rig.edit(rig.stage2Leaf(PAGES_TABLE), 0xfn << 2n);
    return rig;
  };

  it('is refused by a stage 2 with PTW: a permission fault of stage 2, class TABLE, in all three walkers', () => {
    const ipa = STAGE1 + 2 * PAGE_BYTES + 8;
    const fault = told(FaultKind.PERMISSION, 2, 3, FaultClass.TABLE, ipa, false);
    expect(all(device(true), PAGE_BYTES, AccessFlag.READ)).toEqual(three(fault));
  });

  it('is walked without PTW, and by the preset whose model does not look', () => {
    expect(all(device(false), PAGE_BYTES, AccessFlag.READ)).toEqual(three(`${PAGE_BYTES}`));
    expect(all(device(true), PAGE_BYTES, AccessFlag.READ, PRESETS.gem5).slice(1)).toEqual([
      `${PAGE_BYTES}`,
      `${PAGE_BYTES}`,
    ]);
  });

  it('is refused also when an IPA cache or walk cache knows the page, from an access that may read it', () => {
    for (const name of ['mmu-500-agilex7', 'mmu-700', 'ideal'] as const) {
      const { memory, regime } = device(true);
      // Another stream reads the table as data, through the same stage 2.
      const contexts = new FixedContexts(regime);
      contexts.set(2, { ...regime, stage1: null, asid: 0 });
      const mmu = new Mmu(PRESETS[name], memory, contexts);
      const request = new TranslationRequest();
      expect(mmu.translate(request.ask(0, 2, -1, PAGES_TABLE * PAGE_BYTES, AccessFlag.READ, 0))).toBe(true);
      for (const page of [1, 2]) {
        expect(mmu.translate(request.ask(0, 1, -1, page * PAGE_BYTES, AccessFlag.READ, 0))).toBe(false);
        expect([request.fault, request.faultStage, request.faultLevel]).toEqual([FaultKind.PERMISSION, 2, 3]);
      }
    }
  });
});

describe('a hardware update of a stage-1 descriptor', () => {
  const managed = { stage1: { hardwareAccessFlag: true, hardwareDirty: true } };

  it('is refused where stage 2 maps the table read-only, and leaves the descriptor alone', () => {
    const rig = nested(managed);
    rig.edit(rig.leafOf(1), AF);
    rig.edit(rig.stage2Leaf(PAGES_TABLE), S2AP_WRITE);
    const before = rig.memory.words.get(rig.leafOf(1));
    const fault = told(FaultKind.PERMISSION, 2, 3, FaultClass.TABLE, rig.leafOf(1), true);
    expect(all(rig, PAGE_BYTES, AccessFlag.READ)).toEqual(three(fault));
    expect(rig.memory.words.get(rig.leafOf(1))).toBe(before);
    // With the flag set there is nothing to write.
    rig.edit(rig.leafOf(1), 0n, AF);
    expect(all(rig, PAGE_BYTES, AccessFlag.READ)).toEqual(three(`${PAGE_BYTES}`));
  });

  it('is refused behind a walk-cache entry, too, with the address before stage 2', () => {
    for (const preset of ['mmu-600-agilex5', 'mmu-500-agilex7', 'mmu-700'] as const) {
      const rig = nested(managed);
      rig.edit(rig.leafOf(1), AF);
      rig.edit(rig.stage2Leaf(PAGES_TABLE), S2AP_WRITE);
      const mmu = new Mmu(PRESETS[preset], rig.memory, new FixedContexts(rig.regime));
      const request = new TranslationRequest();
      expect(mmu.translate(request.ask(0, 1, -1, 2 * PAGE_BYTES, AccessFlag.READ, 0))).toBe(true);
      expect(mmu.translate(request.ask(0, 1, -1, PAGE_BYTES, AccessFlag.READ, 0))).toBe(false);
      expect(answer(request)).toBe(told(FaultKind.PERMISSION, 2, 3, FaultClass.TABLE, rig.leafOf(1), true));
    }
  });

  it('marks a page dirty on a write that a TLB entry of a read may not serve', () => {
    for (const preset of ['mmu-600-agilex5', 'mmu-500-agilex7', 'qemu'] as const) {
      const rig = nested(managed);
      // DBM, and read only so far.
      rig.edit(rig.leafOf(1), 0n, (1n << 51n) | (1n << 7n));
      const mmu = new Mmu(PRESETS[preset], rig.memory, new FixedContexts(rig.regime));
      const request = new TranslationRequest();
      const readOnly = (): boolean => ((rig.memory.words.get(rig.leafOf(1)) ?? 0) & 0x80) !== 0;
      expect(mmu.translate(request.ask(0, 1, -1, PAGE_BYTES, AccessFlag.READ, 0))).toBe(true);
      expect(readOnly()).toBe(true);
      expect(mmu.translate(request.ask(0, 1, -1, PAGE_BYTES, AccessFlag.WRITE, 0))).toBe(true);
      expect(readOnly()).toBe(false);
      mmu.translate(request.ask(0, 1, -1, PAGE_BYTES, AccessFlag.WRITE, 0));
      expect(request.descriptorReads).toBe(0);
    }
  });

  it('ends in an external abort where the descriptor changes at every look, as registers may', () => {
    const rig = nested(managed);
    rig.edit(rig.leafOf(1), AF);
    const { memory } = rig;
    const never = memory.replace.bind(memory);
    let tries = 0;
    memory.replace = (pa, ...rest) => {
      tries++;
      return pa === rig.leafOf(1) ? false : never(pa, ...rest);
    };
    expect(all(rig, PAGE_BYTES, AccessFlag.READ)).toEqual(
      three(told(FaultKind.EXTERNAL_ABORT, 1, 3, FaultClass.INPUT, 0, false)),
    );
    expect(tries).toBeLessThan(100);
    // The same for a descriptor of stage 2.
    const second = nested({ stage2: { hardwareAccessFlag: true } });
    second.edit(second.stage2Leaf(1), AF);
    second.memory.replace = () => false;
    expect(all(second, PAGE_BYTES, AccessFlag.READ)).toEqual(
      three(told(FaultKind.EXTERNAL_ABORT, 2, 3, FaultClass.INPUT, PAGE_BYTES, false)),
    );
  });
});

describe('memory types of both stages together', () => {
  const memory = (byte: number, shareability = 0): number =>
    (byte << ENTRY.MEMORY_SHIFT) | (shareability << ENTRY.SHAREABILITY_SHIFT);
  const combined = (one: number, two: number): [number, number] => {
    const both = combineAttributes(one, two);
    return [(both >>> ENTRY.MEMORY_SHIFT) & 0xff, (both >>> ENTRY.SHAREABILITY_SHIFT) & 3];
  };

  it.each([
    ['Device wins, and the stricter Device', 0x0c, 0x04, 0x04],
    ['Device wins over Normal', 0xff, 0x08, 0x08],
    ['Device of stage 1 stays', 0x00, 0xff, 0x00],
    ['non-cacheable wins', 0xff, 0x44, 0x44],
    ['write-through wins over write-back, with the hints of stage 1', 0xed, 0xbb, 0xa9],
    ['write-through of stage 1 stays', 0xbb, 0xff, 0xbb],
    ['transient write-back becomes transient write-through', 0x77, 0xbb, 0x33],
    ['inner and outer combine each by itself', 0xf4, 0x4f, 0x44],
  ])('%s', (_what, one, two, both) => {
    expect(combined(memory(one), memory(two))[0]).toBe(both);
  });

  it('outer shareable wins over inner, and that over none; Device and non-cacheable memory is outer shareable', () => {
    expect(combined(memory(0xff, 0), memory(0xff, 3))[1]).toBe(3);
    expect(combined(memory(0xff, 3), memory(0xff, 2))[1]).toBe(2);
    expect(combined(memory(0xff, 0), memory(0xff, 0))[1]).toBe(0);
    expect(combined(memory(0x04, 0), memory(0xff, 3))[1]).toBe(2);
    expect(combined(memory(0x44, 0), memory(0x44, 0))[1]).toBe(2);
  });
});
