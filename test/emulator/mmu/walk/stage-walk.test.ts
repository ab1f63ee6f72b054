import { describe, expect, it } from 'vitest';
import {
  FaultKind,
  Permission,
  type StageRegime,
  StageWalk,
  type TableRoot,
  WalkStatus,
} from '../../../../emulator/index.ts';

const { READ, WRITE, EXECUTE, PRIVILEGED_READ, PRIVILEGED_WRITE, PRIVILEGED_EXECUTE } = Permission;

function root(overrides: Partial<TableRoot> = {}): TableRoot {
  return {
    base: 0x8000_0000,
    granuleShift: 12,
    inputBits: 48,
    startLevel: 0,
    ignoreHierarchicalPermissions: false,
    ...overrides,
  };
}

function regime(overrides: Partial<StageRegime> = {}): StageRegime {
  return {
    stage: 1,
    family: 'lpae',
    root0: root(),
    root1: null,
    outputBits: 48,
    accessFlagFaults: true,
    hardwareAccessFlag: false,
    hardwareDirty: false,
    memoryAttributes: [0x44, 0xff, 0x04, 0xf4, 0, 0, 0, 0],
    tag: 0,
    writeExecuteNever: false,
    ...overrides,
  };
}

/** Feeds 64-bit descriptors one after the other and gives the last status. */
function feed(walk: StageWalk, ...descriptors: bigint[]): WalkStatus {
  let status: WalkStatus = walk.status;
  for (const descriptor of descriptors) {
    expect(status).toBe(WalkStatus.READ);
    status = walk.step(Number(descriptor & 0xffff_ffffn), Number(descriptor >> 32n));
  }
  return status;
}

const AF = 1n << 10n;
const AP1 = 1n << 6n;
const AP2 = 1n << 7n;

describe('the levels of a VMSAv8-64 walk', () => {
  it('takes nine address bits per level with the 4K granule and joins the page with the offset', () => {
    const walk = new StageWalk();
    const iova = 0x7f12_3456_7abc;
    expect(walk.begin(regime(), iova)).toBe(WalkStatus.READ);
    expect(walk.descriptorAddress).toBe(0x8000_0000 + 8 * 0xfe);
    expect(walk.descriptorBytes).toBe(8);
    feed(walk, 0x1_0000_1003n);
    expect(walk.level).toBe(1);
    expect(walk.tableBase).toBe(0x1_0000_1000);
    expect(walk.descriptorAddress).toBe(0x1_0000_1000 + 8 * 0x48);
    feed(walk, 0x1_0000_2003n);
    expect(walk.descriptorAddress).toBe(0x1_0000_2000 + 8 * 0x1a2);
    feed(walk, 0x1_0000_3003n);
    expect(walk.descriptorAddress).toBe(0x1_0000_3000 + 8 * 0x167);
    expect(feed(walk, 0xabcd_1234_5000n | AF | AP1 | (1n << 2n) | 3n)).toBe(WalkStatus.LEAF);
    expect(walk.outputAddress).toBe(0xabcd_1234_5abc);
    expect(walk.pageShift).toBe(12);
    expect(walk.contiguousShift).toBe(12);
    expect(walk.attributeIndex).toBe(1);
    expect(walk.memoryAttribute).toBe(0xff);
  });

  const blocks: [string, Partial<TableRoot>, number, number, number][] = [
    ['4K level 1', {}, 48, 1, 30],
    ['4K level 2', {}, 48, 2, 21],
    ['16K level 2', { granuleShift: 14 }, 48, 2, 25],
    ['64K level 2', { granuleShift: 16, startLevel: 1 }, 48, 2, 29],
    ['64K level 1 with 52-bit addresses', { granuleShift: 16, startLevel: 1, inputBits: 52 }, 52, 1, 42],
  ];
  it.each(blocks)('accepts a block: %s', (_name, rootFields, outputBits, level, shift) => {
    const walk = new StageWalk();
    walk.begin(regime({ root0: root(rootFields), outputBits }), 0x5f_1234_5678);
    while (walk.level < level) walk.step(0x9000_0003, 0);
    expect(feed(walk, (0x1n << 46n) | AF | 1n)).toBe(WalkStatus.LEAF);
    expect(walk.pageShift).toBe(shift);
    expect(walk.outputAddress).toBe(2 ** 46 + (0x5f_1234_5678 % 2 ** shift));
  });

  it.each([
    ['4K level 0', {}, 48, 0],
    ['16K level 1', { granuleShift: 14 }, 48, 1],
    ['64K level 1 with 48-bit addresses', { granuleShift: 16, startLevel: 1 }, 48, 1],
    ['4K level 3', {}, 48, 3],
  ] as const)('treats a block as reserved, a translation fault: %s', (_name, rootFields, outputBits, level) => {
    const walk = new StageWalk();
    walk.begin(regime({ root0: root(rootFields), outputBits }), 0);
    while (walk.level < level) walk.step(0x9000_0003, 0);
    expect(feed(walk, AF | 1n)).toBe(WalkStatus.FAULT);
    expect(walk.fault).toBe(FaultKind.TRANSLATION);
    expect(walk.level).toBe(level);
  });

  it('finds address bits 51:48 of a 64K page and of its tables in descriptor bits 15:12', () => {
    const walk = new StageWalk();
    walk.begin(regime({ root0: root({ granuleShift: 16, startLevel: 1, inputBits: 52 }), outputBits: 52 }), 0x12345);
    feed(walk, 0x2_0000_5003n);
    expect(walk.tableBase).toBe(0x5_0002_0000_0000);
    feed(walk, 0x2_0000_0003n);
    feed(walk, 0xfff_ffff_a003n | 0xf000_0000_0000n | AF);
    expect(walk.outputAddress).toBe(0xa_ffff_ffff_2345);
  });

  it('starts in the table of TTBR1 for the upper half', () => {
    const walk = new StageWalk();
    walk.begin(regime({ root1: root({ base: 0x4000_0000, inputBits: 39, startLevel: 1 }) }), 0x7f_c000_0000, true);
    expect(walk.descriptorAddress).toBe(0x4000_0000 + 8 * 511);
  });

  it('walks up to sixteen stage-2 tables side by side, and no more', () => {
    // Level 1 of the 4K granule takes 9 bits of 39: bits 42:39 choose among 2, 4, 8 or 16 tables.
    for (const [bits, tables] of [
      [40, 2],
      [41, 4],
      [42, 8],
      [43, 16],
    ] as const) {
      const walk = new StageWalk();
      const base = 0x8000_0000;
      const wide = regime({ stage: 2, root0: root({ base, inputBits: bits, startLevel: 1 }) });
      expect(walk.begin(wide, 2 ** bits - 1)).toBe(WalkStatus.READ);
      expect(walk.descriptorAddress).toBe(base + tables * 4096 - 8);
      expect(walk.begin(wide, 2 ** bits)).toBe(WalkStatus.FAULT);
    }
    const walk = new StageWalk();
    const tooWide = regime({ stage: 2, root0: root({ inputBits: 44, startLevel: 1 }) });
    expect(walk.begin(tooWide, 0)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.TRANSLATION, 0]);
  });

  it('indexes concatenated stage-2 tables with the extra bits', () => {
    const walk = new StageWalk();
    walk.begin(regime({ stage: 2, root0: root({ inputBits: 42, startLevel: 1 }) }), 0x3ff_4000_0000);
    expect(walk.descriptorAddress).toBe(0x8000_0000 + 8 * 0xffd);
  });

  it('continues at a walk-cache hit with the permissions that the upper tables left', () => {
    const walk = new StageWalk();
    walk.begin(regime(), 0x20_3000, false, WRITE);
    walk.resume(3, 0x5000, 8);
    expect(walk.descriptorAddress).toBe(0x5000 + 8 * 3);
    expect(feed(walk, AF | AP1 | 3n)).toBe(WalkStatus.FAULT);
    expect(walk.fault).toBe(FaultKind.PERMISSION);
  });
});

describe('faults name kind and level', () => {
  it('an address beyond the input size is a translation fault at level 0', () => {
    const walk = new StageWalk();
    expect(walk.begin(regime({ root0: root({ inputBits: 39, startLevel: 1 }) }), 2 ** 39)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.TRANSLATION, 0]);
  });

  it('a half whose walks are disabled is a translation fault at level 0', () => {
    const walk = new StageWalk();
    expect(walk.begin(regime(), 0, true)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.TRANSLATION, 0]);
  });

  it('a table base beyond the output size is an address size fault at level 0', () => {
    const walk = new StageWalk();
    expect(walk.begin(regime({ root0: root({ base: 2 ** 40 }), outputBits: 40 }), 0)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.ADDRESS_SIZE, 0]);
  });

  it('a next table or a page beyond the output size is an address size fault at its level', () => {
    const walk = new StageWalk();
    walk.begin(regime({ outputBits: 40 }), 0);
    feed(walk, 0x9000_0003n);
    expect(feed(walk, 0x100_0000_0003n)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.ADDRESS_SIZE, 1]);
    walk.begin(regime({ outputBits: 40 }), 0);
    expect(feed(walk, 0x9000_0003n, 0x9000_0003n, 0x9000_0003n, 0x100_0000_0003n)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.ADDRESS_SIZE, 3]);
  });

  it('with 48-bit output the bits 15:12 of a 64K descriptor are an address that is too large', () => {
    const walk = new StageWalk();
    walk.begin(regime({ root0: root({ granuleShift: 16, startLevel: 1 }) }), 0);
    expect(feed(walk, 0x9000_1003n)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.ADDRESS_SIZE, 1]);
  });

  it('an access flag of 0 faults unless faults are off', () => {
    const walk = new StageWalk();
    walk.begin(regime(), 0);
    expect(feed(walk, 3n, 3n, 3n, 3n)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.ACCESS_FLAG, 3]);
    walk.begin(regime({ accessFlagFaults: false }), 0);
    expect(feed(walk, 3n, 3n, 3n, 3n)).toBe(WalkStatus.LEAF);
    expect(walk.accessFlag).toBe(false);
  });

  it('the access flag comes before the permission', () => {
    const walk = new StageWalk();
    walk.begin(regime(), 0, false, WRITE);
    feed(walk, 3n, 3n, 3n, AP2 | 3n);
    expect(walk.fault).toBe(FaultKind.ACCESS_FLAG);
  });
});

describe('permissions of stage 1', () => {
  const PXN = 1n << 53n;
  const UXN = 1n << 54n;
  const cases: [string, bigint, number][] = [
    ['AP 00', 0n, PRIVILEGED_READ | PRIVILEGED_WRITE | EXECUTE | PRIVILEGED_EXECUTE],
    ['AP 01, so privileged code cannot run it', AP1, READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE | EXECUTE],
    ['AP 10', AP2, PRIVILEGED_READ | EXECUTE | PRIVILEGED_EXECUTE],
    ['AP 11', AP2 | AP1, READ | PRIVILEGED_READ | EXECUTE | PRIVILEGED_EXECUTE],
    ['AP 11 UXN', AP2 | AP1 | UXN, READ | PRIVILEGED_READ | PRIVILEGED_EXECUTE],
    ['AP 11 PXN', AP2 | AP1 | PXN, READ | PRIVILEGED_READ | EXECUTE],
    ['AP 01 UXN PXN', AP1 | PXN | UXN, READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE],
  ];
  it.each(cases)('%s', (_name, bits, permissions) => {
    const walk = new StageWalk();
    walk.begin(regime(), 0);
    feed(walk, 3n, 3n, 3n, bits | AF | 3n);
    expect(walk.permissions).toBe(permissions);
  });

  const all = AP1 | AF | 3n;
  it.each([
    ['PXNTable', 1n << 59n, READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE | EXECUTE],
    ['XNTable', 1n << 60n, READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE],
    ['APTable[0]', 1n << 61n, PRIVILEGED_READ | PRIVILEGED_WRITE | EXECUTE | PRIVILEGED_EXECUTE],
    ['APTable[1]', 1n << 62n, READ | PRIVILEGED_READ | EXECUTE | PRIVILEGED_EXECUTE],
  ] as const)('%s at any level restricts, unless HPD ignores it', (_name, bit, permissions) => {
    const walk = new StageWalk();
    for (const at of [0, 1, 2]) {
      const tables = [3n, 3n, 3n].map((table, level) => (level === at ? table | bit : table));
      walk.begin(regime(), 0);
      feed(walk, ...tables, all);
      expect(walk.permissions).toBe(permissions);
      walk.begin(regime({ root0: root({ ignoreHierarchicalPermissions: true }) }), 0);
      feed(walk, ...tables, all);
      expect(walk.permissions).toBe(READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE | EXECUTE);
    }
  });

  it('NSTable makes the output non-secure even with HPD', () => {
    const walk = new StageWalk();
    walk.begin(regime({ root0: root({ ignoreHierarchicalPermissions: true }) }), 0);
    feed(walk, 3n | (1n << 63n), 3n, 3n, all);
    expect(walk.nonSecure).toBe(true);
  });

  it('WXN takes execution from what can be written', () => {
    const walk = new StageWalk();
    walk.begin(regime({ writeExecuteNever: true }), 0);
    feed(walk, 3n, 3n, 3n, all);
    expect(walk.permissions).toBe(READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE);
  });

  it('without an unprivileged level AP[1] and PXN mean nothing', () => {
    const walk = new StageWalk();
    walk.begin(regime({ singlePrivilege: true }), 0);
    feed(walk, 3n, 3n, 3n, AP2 | AF | 3n | PXN);
    expect(walk.permissions).toBe(READ | PRIVILEGED_READ | EXECUTE | PRIVILEGED_EXECUTE);
  });

  it('AArch32 executes only what it can read, and XN holds for both levels', () => {
    const walk = new StageWalk();
    walk.begin(regime({ aarch32: true }), 0);
    feed(walk, 3n, 3n, 3n, AF | 3n);
    expect(walk.permissions).toBe(PRIVILEGED_READ | PRIVILEGED_WRITE | PRIVILEGED_EXECUTE);
    walk.begin(regime({ aarch32: true }), 0);
    feed(walk, 3n, 3n, 3n, all | UXN);
    expect(walk.permissions).toBe(READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE);
  });
});

describe('permissions of stage 2', () => {
  it.each([
    ['S2AP 00', 0n, 0],
    ['S2AP 01', AP1, READ | PRIVILEGED_READ],
    ['S2AP 10', AP2, WRITE | PRIVILEGED_WRITE],
    ['S2AP 11', AP1 | AP2, READ | WRITE | PRIVILEGED_READ | PRIVILEGED_WRITE],
  ] as const)('%s', (_name, bits, data) => {
    const walk = new StageWalk();
    const stage2 = regime({ stage: 2, memoryAttributes: [] });
    walk.begin(stage2, 0);
    feed(walk, 3n, 3n, 3n, bits | AF | (0b0101n << 2n) | 3n);
    expect(walk.permissions).toBe(data | EXECUTE | PRIVILEGED_EXECUTE);
    expect(walk.attributeIndex).toBe(5);
    walk.begin(stage2, 0);
    feed(walk, 3n, 3n, 3n, bits | AF | (3n << 53n) | 3n);
    expect(walk.permissions).toBe(data);
  });

  it.each([
    [0n, EXECUTE | PRIVILEGED_EXECUTE],
    [1n, EXECUTE],
    [2n, 0],
    [3n, PRIVILEGED_EXECUTE],
  ] as const)('with FEAT_XNX XN = %s tells the levels apart', (never, execute) => {
    const walk = new StageWalk();
    walk.begin(regime({ stage: 2, executeByPrivilege: true }), 0);
    feed(walk, 3n, 3n, 3n, AF | (never << 53n) | 3n);
    expect(walk.permissions).toBe(execute);
  });

  it('has no hierarchical bits: they are ignored in its tables', () => {
    const walk = new StageWalk();
    walk.begin(regime({ stage: 2 }), 0);
    feed(walk, 3n | (0x1fn << 59n), 3n, 3n, AF | AP1 | AP2 | 3n);
    expect(walk.permissions & (READ | WRITE)).toBe(READ | WRITE);
    expect(walk.hierarchical).toBe(0);
  });
});

describe('access flag and dirty state by hardware', () => {
  const DBM = 1n << 51n;
  const managed = { hardwareAccessFlag: true, hardwareDirty: true };

  it('sets the access flag', () => {
    const walk = new StageWalk();
    walk.begin(regime(managed), 0, false, READ);
    expect(feed(walk, 3n, 3n, 3n, 0xffff_f000n | AP1 | 3n)).toBe(WalkStatus.UPDATE);
    expect([walk.updatedHigh, walk.updatedLow]).toEqual([0, 0xffff_f443]);
    expect(walk.updated()).toBe(WalkStatus.LEAF);
  });

  it('makes a clean page with DBM dirty at the first write, and only then', () => {
    const walk = new StageWalk();
    const clean = DBM | AP2 | AP1 | AF | 3n;
    walk.begin(regime(managed), 0, false, READ);
    expect(feed(walk, 3n, 3n, 3n, clean)).toBe(WalkStatus.LEAF);
    expect(walk.writableClean).toBe(true);
    expect(walk.permissions & WRITE).toBe(WRITE);
    walk.begin(regime(managed), 0, false, WRITE);
    expect(feed(walk, 3n, 3n, 3n, clean)).toBe(WalkStatus.UPDATE);
    expect(walk.updatedLow).toBe(0x443);
    expect(walk.updatedHigh).toBe(Number(DBM >> 32n));
    expect(walk.writableClean).toBe(false);
  });

  it('at stage 2 it sets S2AP[1] instead', () => {
    const walk = new StageWalk();
    walk.begin(regime({ stage: 2, ...managed }), 0, false, WRITE);
    expect(feed(walk, 3n, 3n, 3n, DBM | AP1 | 3n)).toBe(WalkStatus.UPDATE);
    expect(walk.updatedLow).toBe(0x4c3);
  });

  it('a table that forbids writing wins over DBM, and nothing is updated', () => {
    const walk = new StageWalk();
    walk.begin(regime(managed), 0, false, WRITE);
    expect(feed(walk, 3n | (1n << 62n), 3n, 3n, DBM | AP2 | AP1 | 3n)).toBe(WalkStatus.FAULT);
    expect(walk.fault).toBe(FaultKind.PERMISSION);
  });

  it('without HD a read-only page with DBM stays read-only', () => {
    const walk = new StageWalk();
    walk.begin(regime(), 0, false, WRITE);
    expect(feed(walk, 3n, 3n, 3n, DBM | AP2 | AP1 | AF | 3n)).toBe(WalkStatus.FAULT);
  });

  it('a step with what another master wrote meanwhile decides anew', () => {
    const walk = new StageWalk();
    walk.begin(regime(managed), 0, false, WRITE);
    expect(feed(walk, 3n, 3n, 3n, DBM | AP2 | AP1 | 3n)).toBe(WalkStatus.UPDATE);
    expect(walk.step(0, 0)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.TRANSLATION, 3]);
  });
});

describe('the contiguous hint', () => {
  const CONTIGUOUS = 1n << 52n;
  it.each([
    ['4K level 3: 16 pages', {}, 3, 16],
    ['4K level 2: 16 blocks', {}, 2, 25],
    ['4K level 1: 16 blocks', {}, 1, 34],
    ['16K level 3: 128 pages', { granuleShift: 14 }, 3, 21],
    ['16K level 2: 32 blocks', { granuleShift: 14 }, 2, 30],
    ['64K level 3: 32 pages', { granuleShift: 16, startLevel: 1 }, 3, 21],
    ['64K level 2: 32 blocks', { granuleShift: 16, startLevel: 1 }, 2, 34],
  ] as const)('%s', (_name, rootFields, level, shift) => {
    const walk = new StageWalk();
    walk.begin(regime({ root0: root(rootFields) }), 0);
    while (walk.level < level) walk.step(0x9000_0003, 0);
    feed(walk, CONTIGUOUS | AF | (level === 3 ? 3n : 1n));
    expect(walk.contiguousShift).toBe(shift);
  });
});

describe('Mali LPAE', () => {
  const mali = regime({ family: 'mali', accessFlagFaults: false, memoryAttributes: [] });

  it('has leaves of type 1 at level 3, and read and write bits of their own', () => {
    const walk = new StageWalk();
    walk.begin(mali, 0x1234, false, READ);
    expect(feed(walk, 0x9000_0003n, 0x9000_0003n, 0x9000_0003n, 0xab_0000_0041n | (1n << 54n))).toBe(WalkStatus.LEAF);
    expect(walk.outputAddress).toBe(0xab_0000_0234);
    expect(walk.permissions).toBe(READ | PRIVILEGED_READ);
  });

  it('has blocks at levels 1 and 2', () => {
    const walk = new StageWalk();
    walk.begin(mali, 0x1234);
    expect(feed(walk, 0x9000_0003n, 0x9000_0003n, 0xab_0000_00c1n)).toBe(WalkStatus.LEAF);
    expect(walk.pageShift).toBe(21);
  });

  it.each([0n, 2n, 3n])('type %s at level 3 is a translation fault', (type) => {
    const walk = new StageWalk();
    walk.begin(mali, 0);
    expect(feed(walk, 0x9000_0003n, 0x9000_0003n, 0x9000_0003n, 0xc0n | type)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.TRANSLATION, 3]);
  });

  it('walks four levels even when the input is smaller than one entry of the first', () => {
    const walk = new StageWalk();
    walk.begin(regime({ family: 'mali', root0: root({ inputBits: 33 }) }), 0x1_0000_0000);
    expect([walk.level, walk.descriptorAddress]).toEqual([0, 0x8000_0000]);
  });
});

describe('short descriptors', () => {
  const short = regime({
    family: 'short',
    root0: root({ inputBits: 32, startLevel: 1 }),
    outputBits: 40,
    accessFlagFaults: true,
  });

  it('indexes 4096 words at level 1 and 256 at level 2', () => {
    const walk = new StageWalk();
    walk.begin(short, 0xfed4_5678);
    expect([walk.level, walk.descriptorBytes, walk.descriptorAddress]).toEqual([1, 4, 0x8000_0000 + 4 * 0xfed]);
    walk.step(0x8765_4401, 0);
    expect([walk.level, walk.descriptorAddress]).toEqual([2, 0x8765_4400 + 4 * 0x45]);
    // Small page, AF, AP[1], S, nG.
    expect(walk.step(0xabcd_e000 | 0xc00 | 0x30 | 2, 0)).toBe(WalkStatus.LEAF);
    expect(walk.outputAddress).toBe(0xabcd_e678);
    expect([walk.pageShift, walk.shareability, walk.notGlobal]).toEqual([12, 2, true]);
    expect(walk.permissions & (READ | WRITE)).toBe(READ | WRITE);
  });

  it('reads large pages, sections and supersections', () => {
    const walk = new StageWalk();
    walk.begin(short, 0xfed4_5678);
    walk.step(0x8765_4401, 0);
    expect(walk.step(0xabcd_0000 | 0x30 | 1, 0)).toBe(WalkStatus.LEAF);
    expect([walk.outputAddress, walk.pageShift]).toEqual([0xabcd_5678, 16]);
    walk.begin(short, 0xfed4_5678);
    expect(walk.step(0x1230_0c02, 0)).toBe(WalkStatus.LEAF);
    expect([walk.outputAddress, walk.pageShift]).toEqual([0x1234_5678, 20]);
    walk.begin(short, 0xfed4_5678);
    // Base 0x12, address bits 35:32 = 9, bits 39:36 = 0xa.
    expect(walk.step(0x1200_0c02 | (1 << 18) | (9 << 20) | (0xa << 5), 0)).toBe(WalkStatus.LEAF);
    expect([walk.outputAddress, walk.pageShift]).toEqual([0xa9_12d4_5678, 24]);
  });

  it('takes AP[0] for the access flag', () => {
    const walk = new StageWalk();
    walk.begin(short, 0);
    expect(walk.step(0x0802, 0)).toBe(WalkStatus.FAULT);
    expect([walk.fault, walk.level]).toEqual([FaultKind.ACCESS_FLAG, 1]);
  });

  it('MediaTek puts address bits 34:32 into bits 5, 4 and 9', () => {
    const walk = new StageWalk();
    walk.begin({ ...short, mediatekAddresses: true, outputBits: 35, accessFlagFaults: false }, 0x5000);
    walk.step(0x4000_0001, 0);
    expect(walk.step(0x1234_5002 | (1 << 9) | (1 << 5), 0)).toBe(WalkStatus.LEAF);
    expect(walk.outputAddress).toBe(0x5_1234_5000);
  });
});
