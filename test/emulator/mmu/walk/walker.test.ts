import { describe, expect, it } from 'vitest';
import {
  FaultClass,
  FaultKind,
  LeafEnumerator,
  Permission,
  type StageRegime,
  type TableRoot,
  type TranslationRegime,
  Walker,
  type WalkMemory,
} from '../../../../emulator/index.ts';

/** Words of memory by address; what was never written is a bus error. */
class SparseWords implements WalkMemory {
  low = 0;
  high = 0;
  /** Called before a replace, as another master that gets in between. */
  interfere: (() => void) | null = null;
  readonly words = new Map<number, number>();

  set(pa: number, descriptor: bigint): void {
    this.words.set(pa, Number(descriptor & 0xffff_ffffn));
    this.words.set(pa + 4, Number(descriptor >> 32n));
  }

  get(pa: number): bigint {
    return BigInt(this.words.get(pa) ?? 0) | (BigInt(this.words.get(pa + 4) ?? 0) << 32n);
  }

  /** Makes a page readable, as zeros. */
  page(pa: number): void {
    for (let at = pa; at < pa + 4096; at += 4) if (!this.words.has(at)) this.words.set(at, 0);
  }

  read(pa: number, bytes: number): boolean {
    const low = this.words.get(pa);
    if (low === undefined) return false;
    this.low = low;
    this.high = bytes === 8 ? (this.words.get(pa + 4) ?? 0) : 0;
    return true;
  }

  replace(pa: number, bytes: number, low: number, high: number, newLow: number, newHigh: number): boolean {
    this.interfere?.();
    this.interfere = null;
    if (this.words.get(pa) !== low >>> 0) return false;
    if (bytes === 8 && this.words.get(pa + 4) !== high >>> 0) return false;
    this.words.set(pa, newLow);
    if (bytes === 8) this.words.set(pa + 4, newHigh);
    return true;
  }
}

function root(base: number, overrides: Partial<TableRoot> = {}): TableRoot {
  return { base, granuleShift: 12, inputBits: 39, startLevel: 1, ignoreHierarchicalPermissions: false, ...overrides };
}

function stage(number: 1 | 2, base: number, overrides: Partial<StageRegime> = {}): StageRegime {
  return {
    stage: number,
    family: 'lpae',
    root0: root(base),
    root1: null,
    outputBits: 48,
    accessFlagFaults: true,
    hardwareAccessFlag: false,
    hardwareDirty: false,
    memoryAttributes: [],
    tag: 0,
    writeExecuteNever: false,
    ...overrides,
  };
}

const regime = (stage1: StageRegime | null, stage2: StageRegime | null): TranslationRegime => ({
  stage1,
  stage2,
  asid: 0,
  vmid: 0,
});

const AF = 1n << 10n;
const RW = 1n << 6n;
const S2RW = 3n << 6n;
const DBM = 1n << 51n;
const READ_ONLY = 1n << 7n;

/** IPA 0 to 4 GiB to PA 64 GiB and up: four 1 GiB blocks of stage 2 at 0x100000. */
function identityStage2(memory: SparseWords, attributes: bigint = S2RW | (15n << 2n)): void {
  memory.page(0x10_0000);
  for (let i = 0; i < 4; i++) {
    memory.set(0x10_0000 + 8 * i, BigInt(0x10_0000_0000 + i * 2 ** 30) | attributes | AF | 1n);
  }
}
const physical = (ipa: number): number => ipa + 0x10_0000_0000;

describe('one stage', () => {
  it('without any stage passes the address through', () => {
    const walker = new Walker(new SparseWords());
    expect(walker.translate(regime(null, null), 0xdead_beef)).toBe(true);
    expect([walker.outputAddress, walker.permissions]).toEqual([0xdead_beef, Permission.ALL]);
    expect(walker.descriptorReads).toBe(0);
  });

  it('reads one descriptor per level', () => {
    const memory = new SparseWords();
    memory.set(0x1000, 0x2003n);
    memory.set(0x2000, 0x3003n);
    memory.set(0x3008, 0xabcd_e000n | AF | RW | 3n);
    const walker = new Walker(memory);
    expect(walker.translate(regime(stage(1, 0x1000), null), 0x1234, false, Permission.READ)).toBe(true);
    expect([walker.outputAddress, walker.descriptorReads, walker.pageShift]).toEqual([0xabcd_e234, 3, 12]);
  });

  it('an error of the bus is an external abort at the level of the descriptor', () => {
    const memory = new SparseWords();
    memory.set(0x1000, 0x2003n);
    const walker = new Walker(memory);
    expect(walker.translate(regime(stage(1, 0x1000), null), 0)).toBe(false);
    expect([walker.fault, walker.faultStage, walker.faultLevel]).toEqual([FaultKind.EXTERNAL_ABORT, 1, 2]);
  });

  it('hardware writes the access flag and the dirty state back', () => {
    const memory = new SparseWords();
    memory.set(0x1000, 0x4000_0000n | DBM | READ_ONLY | RW | 1n);
    const walker = new Walker(memory);
    const managed = regime(stage(1, 0x1000, { hardwareAccessFlag: true, hardwareDirty: true }), null);
    expect(walker.translate(managed, 0, false, Permission.READ)).toBe(true);
    expect(memory.get(0x1000)).toBe(0x4000_0000n | DBM | READ_ONLY | RW | AF | 1n);
    expect(walker.writableClean).toBe(true);
    expect(walker.translate(managed, 0, false, Permission.WRITE)).toBe(true);
    expect(memory.get(0x1000)).toBe(0x4000_0000n | DBM | RW | AF | 1n);
    expect(walker.writableClean).toBe(false);
  });

  it('a descriptor that software cleared before the update is read again', () => {
    const memory = new SparseWords();
    memory.set(0x1000, 0x4000_0000n | RW | 1n);
    memory.interfere = () => memory.set(0x1000, 0n);
    const walker = new Walker(memory);
    expect(walker.translate(regime(stage(1, 0x1000, { hardwareAccessFlag: true }), null), 0)).toBe(false);
    expect(walker.fault).toBe(FaultKind.TRANSLATION);
    expect(memory.get(0x1000)).toBe(0n);
  });
});

describe('two stages', () => {
  function nested(memory: SparseWords, stage2: Partial<StageRegime> = {}): TranslationRegime {
    identityStage2(memory);
    memory.page(physical(0x5000));
    memory.set(physical(0x5000), 0x6003n);
    memory.page(physical(0x6000));
    memory.set(physical(0x6000), 0x7003n);
    memory.page(physical(0x7000));
    memory.set(physical(0x7000), 0x9000_0000n | AF | RW | 3n);
    return regime(stage(1, 0x5000), stage(2, 0x10_0000, stage2));
  }

  it('every table and the output go through stage 2', () => {
    const memory = new SparseWords();
    const walker = new Walker(memory);
    expect(walker.translate(nested(memory), 0xabc, false, Permission.WRITE)).toBe(true);
    expect(walker.outputAddress).toBe(physical(0x9000_0abc));
    expect(walker.intermediateAddress).toBe(0x9000_0abc);
    // Three stage-1 descriptors behind a stage-2 block each, and the block of the output.
    expect(walker.descriptorReads).toBe(3 + 4);
    expect(walker.pageShift).toBe(12);
  });

  it('an output that stage 2 does not map is a stage-2 fault of class INPUT with the IPA', () => {
    const memory = new SparseWords();
    const both = nested(memory);
    memory.set(physical(0x7000), 0x80_0000_0000n | AF | RW | 3n);
    const walker = new Walker(memory);
    expect(walker.translate(both, 0xabc)).toBe(false);
    expect([walker.fault, walker.faultStage, walker.faultLevel]).toEqual([FaultKind.TRANSLATION, 2, 0]);
    expect([walker.faultClass, walker.faultIpa]).toEqual([FaultClass.INPUT, 0x80_0000_0abc]);
  });

  it('a table that stage 2 does not map is a stage-2 fault of class TABLE', () => {
    const memory = new SparseWords();
    const both = nested(memory);
    memory.set(physical(0x6000), 0x1_0000_0003n);
    memory.set(0x10_0020, 0n);
    const walker = new Walker(memory);
    expect(walker.translate(both, 0)).toBe(false);
    expect([walker.fault, walker.faultStage, walker.faultLevel]).toEqual([FaultKind.TRANSLATION, 2, 1]);
    expect([walker.faultClass, walker.faultIpa]).toEqual([FaultClass.TABLE, 0x1_0000_0000]);
  });

  it('stage 2 withholds what it does not grant, and says that it was stage 2', () => {
    const memory = new SparseWords();
    const both = nested(memory);
    identityStage2(memory, (1n << 6n) | (15n << 2n));
    const walker = new Walker(memory);
    expect(walker.translate(both, 0, false, Permission.READ)).toBe(true);
    expect(walker.permissions & Permission.WRITE).toBe(0);
    expect(walker.translate(both, 0, false, Permission.WRITE)).toBe(false);
    expect([walker.fault, walker.faultStage, walker.faultClass]).toEqual([FaultKind.PERMISSION, 2, FaultClass.INPUT]);
  });

  it('tables that stage 2 lets nobody read are a permission fault of class TABLE', () => {
    const memory = new SparseWords();
    const both = nested(memory);
    identityStage2(memory, 2n << 6n);
    const walker = new Walker(memory);
    expect(walker.translate(both, 0, false, Permission.WRITE)).toBe(false);
    expect([walker.fault, walker.faultStage, walker.faultClass]).toEqual([FaultKind.PERMISSION, 2, FaultClass.TABLE]);
  });

  it('with PTW a table in device memory is refused, and without it is read', () => {
    const memory = new SparseWords();
    const both = nested(memory, { protectedTableWalk: true });
    identityStage2(memory, S2RW | (1n << 2n));
    const walker = new Walker(memory);
    expect(walker.translate(both, 0)).toBe(false);
    expect([walker.fault, walker.faultStage, walker.faultClass]).toEqual([FaultKind.PERMISSION, 2, FaultClass.TABLE]);
    expect(walker.translate(regime(both.stage1, stage(2, 0x10_0000)), 0)).toBe(true);
  });

  it('stage 1 may set an access flag only where stage 2 lets it write', () => {
    const memory = new SparseWords();
    const both = nested(memory);
    identityStage2(memory, (1n << 6n) | (15n << 2n));
    memory.set(physical(0x7000), 0x9000_0000n | RW | 3n);
    const walker = new Walker(memory);
    const managed = regime(stage(1, 0x5000, { hardwareAccessFlag: true }), both.stage2);
    expect(walker.translate(managed, 0, false, Permission.READ)).toBe(false);
    expect([walker.fault, walker.faultStage, walker.faultClass]).toEqual([FaultKind.PERMISSION, 2, FaultClass.TABLE]);
    expect(memory.get(physical(0x7000))).toBe(0x9000_0000n | RW | 3n);
  });
});

describe('every leaf of a tree', () => {
  function leaves(memory: SparseWords, of: TranslationRegime): [number, number, number][] {
    const found: [number, number, number][] = [];
    new LeafEnumerator(memory).forEachLeaf(of, false, {
      leaf: (iova, pa, shift) => found.push([iova, pa, shift]),
    });
    return found;
  }

  it('comes in address order with its size, also with the access flag clear', () => {
    const memory = new SparseWords();
    memory.page(0x1000);
    memory.set(0x1000, 0x2003n);
    memory.set(0x1008, 0x8000_0000n | AF | RW | 1n);
    memory.page(0x2000);
    memory.set(0x2008, 0x20_0000n | RW | 1n);
    expect(leaves(memory, regime(stage(1, 0x1000, { hardwareAccessFlag: true }), null))).toEqual([
      [0x20_0000, 0x20_0000, 21],
      [0x4000_0000, 0x8000_0000, 30],
    ]);
    expect(memory.get(0x2008)).toBe(0x20_0000n | RW | 1n);
  });

  it('is cut along the pages of stage 2', () => {
    const memory = new SparseWords();
    identityStage2(memory);
    memory.page(physical(0x5000));
    memory.set(physical(0x5008), 0x4000_0000n | AF | RW | 1n);
    memory.page(0x20_0000);
    memory.set(0x10_0008, 0x20_0003n);
    memory.set(0x20_0008, 0x7000_0000n | AF | S2RW | 1n);
    memory.set(0x20_0010, 0x6000_0000n | AF | S2RW | 1n);
    expect(leaves(memory, regime(stage(1, 0x5000), stage(2, 0x10_0000)))).toEqual([
      [0x4020_0000, 0x7000_0000, 21],
      [0x4040_0000, 0x6000_0000, 21],
    ]);
  });

  it('ends on a tree that points into itself, and says so', () => {
    const memory = new SparseWords();
    memory.page(0x1000);
    for (let entry = 0; entry < 512; entry++) memory.set(0x1000 + 8 * entry, 0x1003n);
    const enumerator = new LeafEnumerator(memory);
    let found = 0;
    enumerator.forEachLeaf(regime(stage(1, 0x1000), null), false, { leaf: () => found++ });
    expect(enumerator.repeatedTables).toBeGreaterThan(0);
    expect(found).toBeLessThan(20 * 512);
  });

  it('counts tables that cannot be read', () => {
    const memory = new SparseWords();
    memory.page(0x1000);
    memory.set(0x1000, 0x9_9000_0003n);
    const enumerator = new LeafEnumerator(memory);
    enumerator.forEachLeaf(regime(stage(1, 0x1000), null), false, { leaf: () => expect.unreachable() });
    expect(enumerator.unreadableTables).toBe(1);
  });

  it('a supersection in its sixteen entries is one leaf', () => {
    const memory = new SparseWords();
    for (let at = 0x4000; at < 0x8000; at += 4) memory.words.set(at, 0);
    for (let entry = 16; entry < 32; entry++) memory.words.set(0x4000 + 4 * entry, 0x3104_0c02);
    const short = stage(1, 0x4000, {
      family: 'short',
      root0: root(0x4000, { inputBits: 32, startLevel: 1 }),
      outputBits: 40,
    });
    expect(leaves(memory, regime(short, null))).toEqual([[0x100_0000, 0x3100_0000, 24]]);
  });
});
