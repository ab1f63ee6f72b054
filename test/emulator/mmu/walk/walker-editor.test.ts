import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FaultKind,
  LeafEnumerator,
  Permission,
  PhysicalMemory,
  type TranslationRegime,
  Walker,
  type WalkMemory,
} from '../../../../emulator/index.ts';
import {
  allocIoPgtable,
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  type Machine,
  Prot,
  Quirk,
} from '../../../../formats/index.ts';
import { type BareFormat, bareRegime } from '../../../../traces/index.ts';

/*
 * Tables are built by the editor and read by the walker, which share nothing but the descriptor layouts: every address is then as
 * a model of plain spans says, every other address faults.
 */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Memory as a device sees it, and the machine of the editor on it. */
class Bench implements WalkMemory {
  low = 0;
  high = 0;
  readonly memory = new PhysicalMemory({ banks: [{ base: 0x8000_0000, size: 256 * MiB, node: 0 }] });
  #next = 0x8000_0000;

  read(pa: number, bytes: number): boolean {
    if (!this.memory.contains(pa, bytes)) return false;
    this.low = this.memory.read32(pa);
    this.high = bytes === 8 ? this.memory.read32(pa + 4) : 0;
    return true;
  }

  replace(pa: number, bytes: number, low: number, high: number, newLow: number, newHigh: number): boolean {
    if (!this.read(pa, bytes) || this.low !== low >>> 0 || this.high !== high >>> 0) return false;
    this.memory.write32(pa, newLow);
    if (bytes === 8) this.memory.write32(pa + 4, newHigh);
    return true;
  }

  machine(): Machine {
    return {
      memory: this.memory,
      dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
      pages: {
        // A fresh page every time: a walk that follows a freed table would find something.
        alloc: (_cookie, size) => {
          const aligned = 2 ** Math.ceil(Math.log2(Math.max(size, 4096)));
          const pa = Math.ceil(this.#next / aligned) * aligned;
          this.#next = pa + aligned;
          return pa;
        },
        free: (_cookie, pa, size) => {
          for (let at = pa; at < pa + size; at += 4) this.memory.write32(at, 0xaaaa_aaaa);
        },
      },
      warn: () => {},
    };
  }
}

/** One kind of table under test. */
interface Kind {
  readonly name: string;
  readonly config: IoPgtableConfig;
  readonly bare: BareFormat;
  /** Leaf sizes, smallest first. */
  readonly sizes: readonly number[];
}

const GRANULES: readonly (readonly [name: string, sizes: readonly number[]])[] = [
  ['4K', [4 * KiB, 2 * MiB, GiB]],
  ['16K', [16 * KiB, 32 * MiB]],
  ['64K', [64 * KiB, 512 * MiB]],
];

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

function lpaeKinds(): Kind[] {
  const kinds: Kind[] = [];
  const add = (name: string, bare: BareFormat, sizes: readonly number[], rest: Omit<IoPgtableConfig, 'pageSizes'>) =>
    kinds.push({ name, bare, sizes, config: { pageSizes: sum(sizes), ...rest } });
  for (const [granule, sizes] of GRANULES) {
    for (const [ias, oas] of [
      [48, 48],
      [39, 40],
      [36, 44],
    ] as const) {
      const s1 = { format: 'ARM_64_LPAE_S1', ias, oas } as const;
      add(`stage 1 ${granule} ${ias}/${oas}`, 'arm-64-lpae-s1', sizes, s1);
      add(`stage 1 ${granule} ${ias}/${oas} TTBR1`, 'arm-64-lpae-s1', sizes, { ...s1, quirks: Quirk.ARM_TTBR1 });
      add(`stage 2 ${granule} ${ias}/${oas}`, 'arm-64-lpae-s2', sizes, { ...s1, format: 'ARM_64_LPAE_S2' });
    }
    add(`stage 1 ${granule} NS, dirty tracking`, 'arm-64-lpae-s1', sizes, {
      format: 'ARM_64_LPAE_S1',
      ias: 48,
      oas: 48,
      quirks: Quirk.ARM_NS + Quirk.ARM_HD,
    });
    add(`stage 1 ${granule} contiguous`, 'arm-64-lpae-s1', sizes, {
      format: 'ARM_64_LPAE_S1',
      ias: 48,
      oas: 48,
      contiguous: true,
    });
    add(`stage 1 ${granule} non-coherent`, 'arm-64-lpae-s1', sizes, {
      format: 'ARM_64_LPAE_S1',
      ias: 48,
      oas: 48,
      coherentWalk: false,
    });
  }
  const wide = [64 * KiB, 512 * MiB, 4096 * GiB];
  add('stage 1 64K 52/52', 'arm-64-lpae-s1', wide, { format: 'ARM_64_LPAE_S1', ias: 52, oas: 52 });
  add('stage 2 64K 48/52', 'arm-64-lpae-s2', wide, { format: 'ARM_64_LPAE_S2', ias: 48, oas: 52 });
  const [, small] = GRANULES[0] as readonly [string, readonly number[]];
  add('32-bit stage 1', 'arm-32-lpae-s1', small, { format: 'ARM_32_LPAE_S1', ias: 32, oas: 40 });
  add('32-bit stage 2', 'arm-32-lpae-s2', small, { format: 'ARM_32_LPAE_S2', ias: 32, oas: 40 });
  add('Mali', 'arm-mali-lpae', small, { format: 'ARM_MALI_LPAE', ias: 48, oas: 40 });
  add('Mali 33', 'arm-mali-lpae', small, { format: 'ARM_MALI_LPAE', ias: 33, oas: 40 });
  const short = [4 * KiB, 64 * KiB, MiB, 16 * MiB];
  add('short descriptors', 'arm-v7s', short, { format: 'ARM_V7S', ias: 32, oas: 32 });
  add('short descriptors NS', 'arm-v7s', short, { format: 'ARM_V7S', ias: 32, oas: 32, quirks: Quirk.ARM_NS });
  add('MediaTek', 'arm-v7s', short, {
    format: 'ARM_V7S',
    ias: 32,
    oas: 35,
    quirks: Quirk.ARM_MTK_EXT + Quirk.NO_PERMS,
  });
  return kinds;
}

/** The registers of a table, encoded as the CPU would hold them, and decoded again by the walker's side. */
function regimeOf(kind: Kind, table: IoPgtable): TranslationRegime {
  const { registers, config } = table;
  const base = { format: kind.bare, ttb1: null, tcr: 0n, mair: 0n } as const;
  const upper = (config.quirks & Quirk.ARM_TTBR1) !== 0;
  switch (registers.kind) {
    case 'stage-1': {
      const { ips, tg, tsz, sh, orgn, irgn } = registers.tcr;
      const mair = BigInt(registers.mairLow) | (BigInt(registers.mairHigh) << 32n);
      if (kind.bare === 'arm-32-lpae-s1') {
        return bareRegime({ ...base, ttb0: BigInt(registers.ttbr), tcr: BigInt(32 - config.ias), mair });
      }
      const half =
        BigInt(tsz) | (BigInt(irgn) << 8n) | (BigInt(orgn) << 10n) | (BigInt(sh) << 12n) | (BigInt(tg) << 14n);
      const wide = config.oas === 52 ? BigInt(Math.floor(registers.ttbr / 2 ** 48)) << 2n : 0n;
      const ttb = BigInt(registers.ttbr % 2 ** 48) | wide;
      if (upper) {
        // EPD0, and the fields of the upper half sixteen bits up.
        return bareRegime({
          ...base,
          ttb0: 0n,
          ttb1: ttb,
          tcr: (1n << 7n) | (half << 16n) | (BigInt(ips) << 32n),
          mair,
        });
      }
      return bareRegime({ ...base, ttb0: ttb, tcr: half | (BigInt(ips) << 32n), mair });
    }
    case 'stage-2': {
      const { ps, tg, tsz, sl } = registers.vtcr;
      const wide = config.oas === 52 ? BigInt(Math.floor(registers.vttbr / 2 ** 48)) << 2n : 0n;
      const ttb0 = BigInt(registers.vttbr % 2 ** 48) | wide;
      const t0sz = kind.bare === 'arm-32-lpae-s2' ? (32 - config.ias) & 15 : tsz;
      return bareRegime({
        ...base,
        ttb0,
        tcr: BigInt(t0sz) | (BigInt(sl) << 6n) | (BigInt(tg) << 14n) | (BigInt(ps) << 16n),
      });
    }
    case 'mali':
      return bareRegime({ ...base, ttb0: BigInt(registers.transtab), mair: BigInt(registers.memattr) });
    default: {
      const regime = bareRegime({ ...base, ttb0: BigInt(registers.ttbr), mair: BigInt(registers.prrr) });
      const stage1 = regime.stage1;
      if (stage1 === null || (config.quirks & Quirk.ARM_MTK_EXT) === 0) return regime;
      return { ...regime, stage1: { ...stage1, mediatekAddresses: true } };
    }
  }
}

/** What is mapped, as spans. */
interface Span {
  readonly iova: number;
  readonly pa: number;
  readonly size: number;
  /** Size of the leaves that it is made of. */
  readonly leaf: number;
  readonly prot: number;
}

/** The data rights that the walker must find for a protection. */
function dataRights(kind: Kind, prot: number): number {
  if (((kind.config.quirks ?? 0) & Quirk.NO_PERMS) !== 0) return Permission.ALL;
  const stage1 = kind.bare.endsWith('s1') || kind.bare === 'arm-v7s';
  const reads = stage1 || (prot & Prot.READ) !== 0;
  const writes = (prot & Prot.WRITE) !== 0;
  const privileged = (reads ? Permission.PRIVILEGED_READ : 0) | (writes ? Permission.PRIVILEGED_WRITE : 0);
  if (stage1 && (prot & Prot.PRIV) !== 0) return privileged;
  return privileged | (reads ? Permission.READ : 0) | (writes ? Permission.WRITE : 0);
}

const DATA = Permission.READ | Permission.WRITE | Permission.PRIVILEGED_READ | Permission.PRIVILEGED_WRITE;

interface Op {
  readonly map: boolean;
  readonly region: number;
  readonly slot: number;
  readonly size: number;
  readonly count: number;
  readonly pa: number;
  readonly prot: number;
  /** Of an unmap: which span, and how much of it. */
  readonly pick: number;
  readonly part: number;
}

const operation: fc.Arbitrary<Op> = fc.record({
  map: fc.integer({ min: 0, max: 3 }).map((dice) => dice > 0),
  region: fc.nat(3),
  slot: fc.nat(40),
  size: fc.nat(3),
  count: fc.integer({ min: 1, max: 34 }),
  pa: fc.double({ min: 0, max: 0.999, noNaN: true }),
  prot: fc.integer({ min: 1, max: 63 }).map((prot) => ((prot & 3) === 0 ? prot | Prot.READ : prot)),
  pick: fc.nat(1000),
  part: fc.nat(3),
});

/** Does random operations with the editor and the model. */
function build(kind: Kind, table: IoPgtable, ops: readonly Op[]): Span[] {
  const { ias, oas } = table.config;
  let spans: Span[] = [];
  for (const op of ops) {
    if (op.map) {
      const size = kind.sizes[op.size % kind.sizes.length] as number;
      // Regions: the start, the middle, across the middle, and the very end of the input space.
      const span = Math.min(size * 48, 2 ** ias);
      const from = [0, 2 ** (ias - 1), 2 ** (ias - 1) - span / 2, 2 ** ias - span][op.region] as number;
      const iova = Math.floor(from / size) * size + (op.slot % Math.max(1, span / size)) * size;
      const bytes = Math.min(op.count * size, 2 ** ias - iova);
      if (bytes <= 0 || spans.some((other) => iova < other.iova + other.size && other.iova < iova + bytes)) continue;
      // io-pgtable takes 52-bit output with the 64K granule only, and checks the first address alone.
      const limit = 2 ** (oas === 52 && kind.sizes[0] !== 64 * KiB ? 48 : oas) - bytes;
      if (limit < 0) continue;
      const pa = Math.floor((op.pa * limit) / size) * size;
      for (let done = 0; done < bytes; done += table.mapped) {
        const result = table.mapPages(iova + done, pa + done, size, (bytes - done) / size, op.prot, Gfp.KERNEL);
        expect(result).toBe(0);
        expect(table.mapped).toBeGreaterThan(0);
      }
      for (let done = 0; done < bytes; done += size) {
        spans.push({ iova: iova + done, pa: pa + done, size, leaf: size, prot: op.prot });
      }
    } else if (spans.length > 0) {
      const victim = spans[op.pick % spans.length] as Span;
      // Whole, or (where blocks can be split) a part of it.
      const splits = kind.bare !== 'arm-v7s' && victim.leaf > (kind.sizes[0] as number) && op.part > 0;
      const size = splits ? (kind.sizes[kind.sizes.indexOf(victim.leaf) - 1] as number) : victim.leaf;
      const bytes = splits ? size : victim.size;
      const offset = splits ? (op.pick % (victim.size / size)) * size : 0;
      expect(table.unmapPages(victim.iova + offset, size, bytes / size, null)).toBe(bytes);
      spans = spans.filter((span) => span !== victim);
      // A block that was split lives on as leaves of the next size; the blocks beside it stay blocks.
      const block = offset - (offset % victim.leaf);
      const rest = [
        [0, block, victim.leaf],
        [block, offset, size],
        [offset + bytes, splits ? block + victim.leaf : victim.size, size],
        [block + victim.leaf, victim.size, victim.leaf],
      ] as const;
      for (const [from, to, leaf] of splits ? rest : []) {
        if (from < to) {
          spans.push({ iova: victim.iova + from, pa: victim.pa + from, size: to - from, leaf, prot: victim.prot });
        }
      }
    }
  }
  return spans;
}

/** Walks everything that is mapped and what is beside it; what is wrong, in words. */
function problems(kind: Kind, bench: Bench, table: IoPgtable, spans: readonly Span[]): string[] {
  const found: string[] = [];
  const regime = regimeOf(kind, table);
  const upper = regime.stage1 !== null && regime.stage1.root1 !== null;
  const walker = new Walker(bench);
  const mapped = (iova: number): Span | undefined => spans.find((s) => iova >= s.iova && iova < s.iova + s.size);
  const say = (what: string, iova: number): void => {
    found.push(`${what} at 0x${iova.toString(16)}`);
  };

  for (const { iova, pa, size, prot } of spans) {
    for (const offset of [0, Math.floor(size / 3), size - 1]) {
      const translated = walker.translate(regime, iova + offset, upper);
      if (!translated || walker.outputAddress !== pa + offset) say('not translated as mapped', iova + offset);
    }
    const rights = dataRights(kind, prot);
    if ((walker.permissions & DATA) !== (rights & DATA)) say('other rights', iova);
    const execute = walker.permissions & (Permission.EXECUTE | Permission.PRIVILEGED_EXECUTE);
    if ((prot & Prot.NOEXEC) !== 0 && rights !== Permission.ALL && execute !== 0) say('executable', iova);
    for (const access of [Permission.READ, Permission.WRITE]) {
      const allowed = (rights & access) !== 0;
      if (walker.translate(regime, iova, upper, access) !== allowed) say(`access ${access} judged wrongly`, iova);
      else if (!allowed && walker.fault !== FaultKind.PERMISSION) say('not a permission fault', iova);
    }
    for (const outside of [iova - 1, iova + size]) {
      if (mapped(outside) !== undefined) continue;
      if (walker.translate(regime, outside, upper)) say('translated although not mapped', outside);
      else if (walker.fault !== FaultKind.TRANSLATION) say('not a translation fault', outside);
    }
  }

  let bytes = 0;
  const enumerator = new LeafEnumerator(bench);
  enumerator.forEachLeaf(regime, upper, {
    leaf(iova, pa, shift, walk) {
      bytes += 2 ** shift;
      const span = mapped(iova);
      if (span === undefined || pa !== span.pa + iova - span.iova) say('a leaf that is not mapped', iova);
      // A contiguous run must translate as one piece.
      const run = 2 ** walk.contiguousShift;
      const first = iova - (iova % run);
      for (const at of [first, first + run - 2 ** shift]) {
        const translated = walker.translate(regime, at, upper);
        if (!translated || walker.outputAddress !== pa - iova + at) say('a contiguous run with other things in it', at);
      }
    },
  });
  const total = spans.reduce((sum, span) => sum + span.size, 0);
  if (bytes !== total) found.push(`leaves of ${bytes} bytes where ${total} are mapped`);
  if (enumerator.unreadableTables + enumerator.repeatedTables > 0) found.push('a broken tree');
  return found;
}

describe('the walker reads what the editor wrote', () => {
  it.each(lpaeKinds().map((kind) => [kind.name, kind] as const))('%s', (_name, kind) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 8 }), (ops) => {
        const bench = new Bench();
        const table = allocIoPgtable(kind.config, bench.machine(), null);
        const spans = build(kind, table, ops);
        expect(problems(kind, bench, table, spans)).toEqual([]);
      }),
      { numRuns: 15, seed: 4 },
    );
  });
});

describe('two stages that the editor wrote', () => {
  const pairs = GRANULES.flatMap(([one, sizes1]) =>
    GRANULES.map(([two, sizes2]) => [one, two, sizes1, sizes2] as const),
  );

  it.each(pairs)('stage 1 with %s over stage 2 with %s', (_one, _two, sizes1, sizes2) => {
    const kind1: Kind = {
      name: 'stage 1',
      bare: 'arm-64-lpae-s1',
      sizes: sizes1,
      config: { format: 'ARM_64_LPAE_S1', pageSizes: sum(sizes1), ias: 48, oas: 40 },
    };
    const kind2: Kind = {
      name: 'stage 2',
      bare: 'arm-64-lpae-s2',
      sizes: sizes2,
      config: { format: 'ARM_64_LPAE_S2', pageSizes: sum(sizes2), ias: 40, oas: 44 },
    };
    const bench = new Bench();
    const machine = bench.machine();
    const table1 = allocIoPgtable(kind1.config, machine, null);
    const table2 = allocIoPgtable(kind2.config, machine, null);
    const map = (table: IoPgtable, iova: number, pa: number, size: number, count: number, prot: number): void => {
      for (let done = 0; done < size * count; done += table.mapped) {
        expect(table.mapPages(iova + done, pa + done, size, count - done / size, prot, Gfp.KERNEL)).toBe(0);
      }
    };
    const page1 = sizes1[0] as number;
    const page2 = sizes2[0] as number;
    const block2 = sizes2[1] as number;
    const pages = 64;
    // Tables of stage 1 are where they are; the data lies at 64 GiB for stage 1 and at 8 TiB in memory, with a hole every 256 KiB.
    map(table2, 0x8000_0000, 0x8000_0000, block2, Math.ceil((32 * MiB) / block2), Prot.READ);
    map(table1, GiB, 64 * GiB, page1, pages, Prot.READ | Prot.WRITE);
    const hole = 256 * KiB;
    for (let ipa = 0; ipa < pages * page1; ipa += page2) {
      if (ipa % hole !== 0) map(table2, 64 * GiB + ipa, 8192 * GiB + ipa, page2, 1, Prot.READ | Prot.WRITE);
    }
    const nested: TranslationRegime = {
      stage1: regimeOf(kind1, table1).stage1,
      stage2: regimeOf(kind2, table2).stage2,
      asid: 0,
      vmid: 0,
    };
    const walker = new Walker(bench);
    const wrong: string[] = [];
    const step = Math.min(page1, page2);
    for (let offset = 0; offset < pages * page1; offset += step) {
      const inHole = offset % hole < page2;
      const translated = walker.translate(nested, GiB + offset + 5, false, Permission.WRITE);
      if (translated === inHole) wrong.push(`0x${offset.toString(16)} ${translated ? 'translates' : 'faults'}`);
      if (translated && walker.outputAddress !== 8192 * GiB + offset + 5)
        wrong.push(`0x${offset.toString(16)} elsewhere`);
      if (translated && walker.pageShift !== Math.log2(step)) wrong.push(`0x${offset.toString(16)} of another size`);
      if (!translated && (walker.faultStage !== 2 || walker.faultIpa !== 64 * GiB + offset + 5)) {
        wrong.push(`0x${offset.toString(16)} with another fault`);
      }
    }
    expect(wrong).toEqual([]);
    let bytes = 0;
    new LeafEnumerator(bench).forEachLeaf(nested, false, {
      leaf(iova, pa, shift) {
        if (pa - iova !== 8191 * GiB) wrong.push(`leaf 0x${iova.toString(16)} elsewhere`);
        bytes += 2 ** shift;
      },
    });
    expect(wrong).toEqual([]);
    expect(bytes).toBe(pages * page1 - Math.ceil((pages * page1) / hole) * page2);
  });
});
