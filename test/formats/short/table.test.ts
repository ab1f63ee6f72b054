import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  checkIoPgtableConfig,
  decode,
  Errno,
  FormatCapability,
  formatCapabilities,
  Gfp,
  type IoPgtableConfig,
  MEDIATEK_SMALL_PAGE,
  Prot,
  Quirk,
  SHORT_LARGE_PAGE,
  SHORT_SECTION,
  SHORT_SMALL_PAGE,
  SHORT_TABLE,
  shortLayout,
  TableMemoryError,
  TeardownQueue,
} from '../../../formats/index.ts';
import { gather, hex, type Rig, rigV7s } from './rig.ts';

const K4 = 0x1000;
const K64 = 0x1_0000;
const M1 = 0x10_0000;
const M16 = 0x100_0000;
const RW = Prot.READ | Prot.WRITE;

function map(rig: Rig, iova: number, pa: number, size: number, count = 1, prot: number = RW): number {
  return rig.table.mapPages(iova, pa, size, count, prot, Gfp.KERNEL);
}

/** Address of the level 1 table, and of the level 2 table behind one of its entries. */
function pgd(rig: Rig): number {
  let found = -1;
  rig.table.visitTables((pa, level) => {
    if (level === 1) found = pa;
  });
  return found;
}

function pageTable(rig: Rig, iova: number): number {
  let found = -1;
  rig.table.visitTables((pa, level, _size, start) => {
    if (level === 2 && start === Math.floor(iova / M1) * M1) found = pa;
  });
  return found;
}

describe('leaves', () => {
  it('writes a page as an accessed, shared, not-global small page', () => {
    const rig = rigV7s();
    map(rig, 0x12_3000, 0x4567_8000, K4);
    expect(decode(SHORT_SMALL_PAGE, rig.word(pageTable(rig, 0x12_3000), 0x23), 0)).toEqual({
      type: 1,
      xn: 0,
      b: 0,
      c: 0,
      af: 1,
      ap1: 1,
      ap2: 0,
      tex: 1,
      s: 1,
      ng: 1,
      base: 0x4567_8000,
    });
  });

  it('says read-only in AP[2], privileged in AP[1], no execution in XN', () => {
    const rig = rigV7s();
    map(rig, 0, 0, K4, 1, Prot.READ | Prot.PRIV | Prot.NOEXEC);
    const page = decode(SHORT_SMALL_PAGE, rig.word(pageTable(rig, 0), 0), 0);
    expect([page.ap1, page.ap2, page.xn]).toEqual([0, 1, 1]);
  });

  it('maps cached, plain and device memory to attributes 7, 4 and 1', () => {
    const rig = rigV7s();
    for (const [index, prot] of [RW | Prot.CACHE, RW, RW | Prot.MMIO, RW | Prot.MMIO | Prot.CACHE].entries()) {
      map(rig, index * M1, index * M1, M1, 1, prot);
    }
    const attribute = (index: number): number => {
      const section = decode(SHORT_SECTION, rig.word(pgd(rig), index), 0);
      return (section.tex % 2) * 4 + section.c * 2 + section.b;
    };
    expect([0, 1, 2, 3].map(attribute)).toEqual([7, 4, 1, 1]);
  });

  it('writes a large page into sixteen equal entries, with TEX and XN in their own places', () => {
    const rig = rigV7s();
    map(rig, 0x3_0000, 0x7_0000, K64, 1, RW | Prot.NOEXEC);
    const table = pageTable(rig, 0);
    const words = Array.from({ length: 16 }, (_, i) => rig.word(table, 0x30 + i));
    expect(new Set(words).size).toBe(1);
    const page = decode(SHORT_LARGE_PAGE, words[0] ?? 0, 0);
    expect([page.type, page.tex, page.xn, page.base]).toEqual([1, 1, 1, 0x7_0000]);
    expect([rig.word(table, 0x2f), rig.word(table, 0x40)]).toEqual([0, 0]);
  });

  it('writes a supersection into sixteen equal entries of level 1', () => {
    const rig = rigV7s();
    map(rig, M16, 2 * M16, M16);
    const words = Array.from({ length: 16 }, (_, i) => rig.word(pgd(rig), 16 + i));
    expect(new Set(words).size).toBe(1);
    expect(shortLayout(words[0] ?? 0, 1, false)?.title).toBe('short descriptor, supersection');
    expect(rig.table.iovaToPhys(M16 + 0x54_3210)).toBe(2 * M16 + 0x54_3210);
  });

  it('marks sections and tables, not pages, with NS', () => {
    const rig = rigV7s({ config: { quirks: Quirk.ARM_NS } });
    map(rig, 0, 0, M1);
    map(rig, M1, 0, K4);
    expect(decode(SHORT_SECTION, rig.word(pgd(rig), 0), 0).ns).toBe(1);
    expect(decode(SHORT_TABLE, rig.word(pgd(rig), 1), 0).ns).toBe(1);
  });

  it('leaves permissions, access flag and XN out with NO_PERMS', () => {
    const rig = rigV7s({ config: { quirks: Quirk.NO_PERMS } });
    map(rig, 0, 0, K4, 1, Prot.READ | Prot.NOEXEC);
    const page = decode(SHORT_SMALL_PAGE, rig.word(pageTable(rig, 0), 0), 0);
    expect([page.af, page.ap1, page.ap2, page.xn]).toEqual([0, 0, 0, 0]);
  });

  it("keeps MediaTek's address bits 34:32 in bits 5, 4 and 9", () => {
    const rig = rigV7s({ config: { quirks: Quirk.ARM_MTK_EXT | Quirk.NO_PERMS, ias: 34, oas: 35 } });
    const pa = 0x6_1234_5000;
    map(rig, 0x3_0000_0000, pa, K4);
    const page = decode(MEDIATEK_SMALL_PAGE, rig.word(pageTable(rig, 0x3_0000_0000), 0), 0);
    expect([page.pa34, page.pa33, page.pa32]).toEqual([1, 1, 0]);
    expect(rig.table.iovaToPhys(0x3_0000_0abc)).toBe(pa + 0xabc);
  });

  it('carries a run of pages over 4 GiB with MediaTek addresses', () => {
    const rig = rigV7s({ config: { quirks: Quirk.ARM_MTK_EXT | Quirk.NO_PERMS, ias: 32, oas: 35 } });
    map(rig, 0, 0x1_ffff_f000, K4, 2);
    expect([rig.table.iovaToPhys(0), rig.table.iovaToPhys(K4)]).toEqual([0x1_ffff_f000, 0x2_0000_0000]);
  });
});

describe('map', () => {
  it('goes on over the end of a table and returns everything mapped', () => {
    const rig = rigV7s();
    expect(map(rig, 0xf_e000, 0x4000_0000, K4, 4)).toBe(0);
    expect(rig.table.mapped).toBe(4 * K4);
    expect(rig.table.iovaToPhys(0x10_1fff)).toBe(0x4000_3fff);
    expect(rig.events).toEqual(['alloc 0x400', 'alloc 0x400']);
  });

  it('stops at a page that is there and reports what came before', () => {
    const rig = rigV7s();
    map(rig, 3 * K4, 0, K4);
    expect(map(rig, 0, 0x1000_0000, K4, 8)).toBe(-Errno.EEXIST);
    expect(rig.table.mapped).toBe(3 * K4);
    expect(rig.events.at(-1)).toBe('warn leaf-exists');
  });

  it('refuses pages under a section', () => {
    const rig = rigV7s();
    map(rig, 0, 0, M1);
    expect(map(rig, K4, 0, K4)).toBe(-Errno.EEXIST);
    expect(rig.events).toEqual(['warn block-in-the-way']);
  });

  it('replaces a table by a section: clear, flush walks, free, store', () => {
    const rig = rigV7s();
    map(rig, 0, 0, K4);
    rig.events.length = 0;
    expect(map(rig, 0, 0x5000_0000, M1)).toBe(0);
    expect(rig.events).toEqual(['walk 0x0 0x100000 0x1000', 'free 0x400']);
    expect(rig.table.iovaToPhys(K4)).toBe(0x5000_1000);
  });

  it('refuses addresses out of range, and a mapping without access', () => {
    const rig = rigV7s();
    expect(map(rig, 2 ** 32, 0, K4)).toBe(-Errno.ERANGE);
    expect(map(rig, 0, 2 ** 32, K4)).toBe(-Errno.ERANGE);
    expect(map(rig, 0, 0, K4, 1, Prot.CACHE)).toBe(-Errno.EINVAL);
    expect(rig.table.mapped).toBe(0);
    expect(rig.events).toEqual(['warn map-range', 'warn map-range']);
  });

  it('returns EINVAL for no pages', () => {
    expect(map(rigV7s(), 0, 0, K4, 0)).toBe(-Errno.EINVAL);
  });

  it('fails with ENOMEM where no table can be had, and keeps what was mapped before', () => {
    const rig = rigV7s();
    rig.failAllocation(2);
    expect(map(rig, 0xf_f000, 0, K4, 2)).toBe(-Errno.ENOMEM);
    expect(rig.table.mapped).toBe(K4);
  });

  it('refuses a run that would leave its table', () => {
    const rig = rigV7s();
    expect(map(rig, 0xf_8000, 0, K64)).toBe(-Errno.EINVAL);
    expect(map(rig, 0xfff0_0000, 0, M16)).toBe(-Errno.EINVAL);
    expect(rig.table.unmapPages(0xfff0_0000, M16, 1, null)).toBe(0);
    expect(rig.events.filter((event) => event.startsWith('warn'))).toEqual([
      'warn map-page-size',
      'warn map-page-size',
      'warn unmap-page-size',
    ]);
  });

  it('syncs the table entry and the leaf for each page when walks are not coherent', () => {
    const rig = rigV7s({ config: { coherentWalk: false } });
    map(rig, 0, 0, K4, 2);
    const entry = `sync ${hex(pgd(rig))} 0x4`;
    const table = pageTable(rig, 0);
    const mapped = `map ${hex(table)} 0x400`;
    expect(rig.events).toEqual([
      'alloc 0x400',
      mapped,
      entry,
      `sync ${hex(table)} 0x4`,
      entry,
      `sync ${hex(table + 4)} 0x4`,
    ]);
    expect([rig.table.stats.syncs, rig.table.stats.bytesSynced]).toEqual([4, 16]);
  });
});

describe('unmap', () => {
  it('clears a run of pages and reports each', () => {
    const rig = rigV7s();
    map(rig, 0, 0, K4, 3);
    rig.events.length = 0;
    expect(rig.table.unmapPages(0, K4, 2, gather())).toBe(2 * K4);
    expect(rig.events).toEqual(['page 0x0 0x1000', 'page 0x1000 0x1000']);
    expect([rig.table.iovaToPhys(0), rig.table.iovaToPhys(2 * K4)]).toEqual([0, 2 * K4]);
  });

  it('reports nothing into a queued gather, and everything without a gather', () => {
    const rig = rigV7s();
    map(rig, 0, 0, K4, 2);
    rig.events.length = 0;
    rig.table.unmapPages(0, K4, 1, gather(true));
    expect(rig.events).toEqual([]);
    rig.table.unmapPages(K4, K4, 1, null);
    expect(rig.events).toEqual(['page 0x1000 0x1000']);
  });

  it('stops at a hole with a warning', () => {
    const rig = rigV7s();
    map(rig, 0, 0, K4, 2);
    rig.events.length = 0;
    expect(rig.table.unmapPages(0, K4, 4, gather())).toBe(2 * K4);
    expect(rig.events.at(-1)).toBe('warn unmap-hole');
    expect(rig.table.unmapPages(M1, K4, 1, gather())).toBe(0);
    expect(rig.table.unmapPages(2 ** 32, K4, 1, gather())).toBe(0);
    expect(rig.events.at(-1)).toBe('warn unmap-range');
  });

  it('frees the table that a section-sized unmap covers', () => {
    const rig = rigV7s();
    map(rig, M1, 0, K4, 4);
    rig.events.length = 0;
    expect(rig.table.unmapPages(M1, M1, 1, gather())).toBe(M1);
    expect(rig.events).toEqual(['walk 0x100000 0x100000 0x1000', 'free 0x400']);
    expect(rig.live.size).toBe(1);
  });

  it('splits a large page into pages that keep their addresses', () => {
    const rig = rigV7s();
    map(rig, 0, 0x4_0000, K64, 1, Prot.READ | Prot.NOEXEC);
    rig.events.length = 0;
    expect(rig.table.unmapPages(5 * K4, K4, 1, gather())).toBe(K4);
    expect(rig.events).toEqual(['walk 0x5000 0x10000 0x10000', 'page 0x5000 0x1000']);
    const table = pageTable(rig, 0);
    const page = decode(SHORT_SMALL_PAGE, rig.word(table, 6), 0);
    expect([page.type, page.xn, page.tex, page.ap2, page.base]).toEqual([1, 1, 1, 1, 0x4_6000]);
    expect(rig.word(table, 5)).toBe(0);
  });

  it('splits a supersection into sections that keep their addresses', () => {
    const rig = rigV7s();
    map(rig, 0, M16, M16);
    expect(rig.table.unmapPages(2 * M1, M1, 1, gather())).toBe(M1);
    expect(rig.table.iovaToPhys(2 * M1)).toBe(0);
    expect(rig.table.iovaToPhys(3 * M1 + 5)).toBe(M16 + 3 * M1 + 5);
  });
});

describe('part of a section, in place (Linux up to 6.12)', () => {
  it('loses the address of what stays: the known fault', () => {
    const rig = rigV7s();
    map(rig, M1, 0x4000_0000, M1);
    expect(rig.table.unmapPages(M1 + K4, K4, 1, gather())).toBe(K4);
    expect(rig.table.iovaToPhys(M1 + K4)).toBe(0);
    expect(rig.table.iovaToPhys(M1 + 2 * K4)).toBe(2 * K4);
    expect(rig.table.stats.blockSplits).toBe(1);
  });

  it('keeps the attributes of what stays', () => {
    const rig = rigV7s();
    map(rig, 0, 0, M1, 1, Prot.READ | Prot.CACHE | Prot.PRIV | Prot.NOEXEC);
    rig.table.unmapPages(0, K64, 1, gather());
    const page = decode(SHORT_LARGE_PAGE, rig.word(pageTable(rig, 0), 16), 0);
    expect([page.ap1, page.ap2, page.xn, page.c, page.b, page.tex]).toEqual([0, 1, 1, 1, 1, 1]);
  });

  it('does nothing more than split a supersection whose first section is not the one meant', () => {
    const rig = rigV7s();
    map(rig, 0, M16, M16);
    expect(rig.table.unmapPages(3 * M1, K4, 1, gather())).toBe(0);
    expect(rig.table.iovaToPhys(3 * M1)).toBe(M16 + 3 * M1);
    expect(rig.live.size).toBe(1);
    expect(rig.table.unmapPages(3 * M1, K4, 1, gather())).toBe(K4);
  });

  it('unmaps nothing where no table can be had', () => {
    const rig = rigV7s();
    map(rig, 0, 0, M1);
    rig.failAllocation(1);
    expect(rig.table.unmapPages(0, K4, 1, gather())).toBe(0);
    expect(rig.table.iovaToPhys(K4)).toBe(K4);
  });
});

describe("part of a section, split: 'refuse' (Linux 6.13 and later)", () => {
  it.each([
    ['section', M1, K4],
    ['supersection', M16, M1],
    ['supersection', M16, K4],
    ['large page', K64, K4],
  ])('leaves a %s of %i bytes alone when %i bytes are to go', (_kind, size, part) => {
    const rig = rigV7s({ config: { split: 'refuse' } });
    map(rig, 0, 0x4000_0000, size);
    rig.events.length = 0;
    expect(rig.table.unmapPages(part, part, 1, gather())).toBe(0);
    expect(rig.events).toEqual(['warn split-refused']);
    expect(rig.table.iovaToPhys(part)).toBe(0x4000_0000 + part);
    expect(rig.table.unmapPages(0, size, 1, gather())).toBe(size);
  });
});

describe("part of a section, split: 'unmap-and-remap'", () => {
  it.each([
    ['section', M1, K4],
    ['section', M1, K64],
    ['supersection', M16, M1],
    ['supersection', M16, K4],
    ['large page', K64, K4],
  ])('takes a %s of %i bytes out and keeps the addresses of what stays of it', (_kind, size, part) => {
    const entriesAtFlush: number[] = [];
    const rig = rigV7s({
      config: { split: 'unmap-and-remap' },
      onFlush: (at) => {
        const entry = at.word(pgd(at), 0);
        entriesAtFlush.push((entry & 3) === 1 ? at.word(pageTable(at, 0), 0) : entry);
      },
    });
    map(rig, 0, 0x4000_0000, size);
    const at = size - 2 * part;
    expect(rig.table.unmapPages(at, part, 1, gather())).toBe(part);
    expect(rig.table.iovaToPhys(at)).toBe(0);
    expect(rig.table.iovaToPhys(at - K4 + 3)).toBe(0x4000_0000 + at - K4 + 3);
    expect(rig.table.iovaToPhys(at + part)).toBe(0x4000_0000 + at + part);
    // Break before make: the leaf is out of the table when the TLB drops it.
    expect(entriesAtFlush[0]).toBe(0);
  });

  it('reports no page of the section: the whole of it has been invalidated', () => {
    const rig = rigV7s({ config: { split: 'unmap-and-remap' } });
    map(rig, M1, 0x4000_0000, M1);
    rig.events.length = 0;
    rig.table.unmapPages(M1 + K4, K4, 1, gather());
    expect(rig.events).toEqual(['alloc 0x400', 'walk 0x100000 0x100000 0x100000']);
  });
});

describe('races', () => {
  it('uses the table that another CPU installed first, and frees its own', () => {
    const rig = rigV7s({ interleave: (at) => map(at, K4, 0x7000, K4) });
    expect(map(rig, 0, 0x4000_0000, K4)).toBe(0);
    expect(rig.table.mapped).toBe(K4);
    expect([rig.table.iovaToPhys(0), rig.table.iovaToPhys(K4)]).toEqual([0x4000_0000, 0x7000]);
    expect([rig.live.size, rig.table.stats.racesLost]).toEqual([2, 1]);
  });

  it('goes on in the table of a split that won', () => {
    const rig = rigV7s({
      config: { split: 'in-place' },
      interleave: (at) => at.table.unmapPages(5 * K4, K4, 1, gather()),
    });
    map(rig, 0, 0, M1);
    expect(rig.table.unmapPages(K4, K4, 1, gather())).toBe(K4);
    expect([rig.table.iovaToPhys(K4), rig.table.iovaToPhys(5 * K4), rig.table.iovaToPhys(6 * K4)]).toEqual([
      0,
      0,
      6 * K4,
    ]);
    expect(rig.live.size).toBe(2);
  });

  it('syncs an entry that another CPU has stored and not synced yet, before the page below it', () => {
    let seen: number[] = [];
    const rig = rigV7s({
      config: { coherentWalk: false },
      interleaveAt: 'before-sync',
      interleave: (at) => {
        const before = at.deviceWord(pgd(at), 0);
        expect(map(at, K4, 0x7000, K4)).toBe(0);
        seen = [before, at.deviceWord(pgd(at), 0), at.deviceWord(pageTable(at, 0), 1)];
      },
    });
    expect(map(rig, 0, 0x4000_0000, K4)).toBe(0);
    expect(seen).toEqual([0, rig.word(pgd(rig), 0), rig.word(pageTable(rig, 0), 1)]);
    expect(seen[1]).not.toBe(0);
  });

  it('unmaps nothing when the section went away meanwhile', () => {
    const rig = rigV7s({ interleave: (at) => at.table.unmapPages(0, M1, 1, gather()) });
    map(rig, 0, 0, M1);
    expect(rig.table.unmapPages(K4, K4, 1, gather())).toBe(0);
    expect(rig.live.size).toBe(1);
  });
});

describe('tables', () => {
  it('are 16 KiB at level 1 and 1 KiB at level 2, the latter from the slab allocator where there is one', () => {
    const rig = rigV7s({ slabs: true });
    expect([...rig.live.values()]).toEqual([0x4000]);
    map(rig, 0, 0, K4);
    expect(rig.events).toEqual(['slab 0x400']);
    expect([rig.table.stats.tableBytes, rig.table.stats.peakTables]).toEqual([0x4400, 2]);
  });

  it('are of no use above 4 GiB, unless MediaTek descriptors can hold their address', () => {
    expect(() => rigV7s({ base: 2 ** 32 })).toThrow(TableMemoryError);
    const quirks = Quirk.NO_PERMS | Quirk.ARM_MTK_EXT | Quirk.ARM_MTK_TTBR_EXT;
    const rig = rigV7s({ base: 2 ** 32, config: { quirks, ias: 32, oas: 35 } });
    expect(rig.table.registers).toMatchObject({ kind: 'short', ttbr: 1 });
    expect(map(rig, 0, 0x4000_0000, K4)).toBe(0);
    expect(rig.table.iovaToPhys(0)).toBe(0x4000_0000);
  });

  it.each(['fails', 'bounces'] as const)('go back when mapping them for the device %s', (dma) => {
    const rig = rigV7s({ dma, config: { coherentWalk: false } });
    expect(map(rig, 0, 0, K4)).toBe(-Errno.ENOMEM);
    expect(rig.live.size).toBe(1);
    expect(rig.events.includes('log')).toBe(dma === 'bounces');
  });

  it('are freed in steps: the TLB is flushed once, first, and editing is over', () => {
    const rig = rigV7s();
    for (let i = 0; i < 5; i++) map(rig, i * M1, 0, K4);
    rig.events.length = 0;
    expect(rig.table.teardown(2)).toBe(false);
    expect(rig.events).toEqual(['all', 'free 0x4000', 'free 0x400']);
    expect(rig.table.liveTables).toBe(4);
    expect(map(rig, 0, 0, K4)).toBe(-Errno.ERANGE);
    expect(rig.table.unmapPages(0, K4, 1, null)).toBe(0);
    expect(rig.table.iovaToPhys(0)).toBe(0);
    expect([rig.table.teardown(2), rig.table.teardown(2)]).toEqual([false, true]);
    expect([rig.table.liveTables, rig.live.size]).toEqual([0, 0]);
    rig.table.free();
    expect(rig.events.filter((event) => event === 'all')).toHaveLength(1);
  });

  it('show their leaves in address order, sixteen-fold ones once', () => {
    const rig = rigV7s();
    map(rig, M16, M16, M16);
    map(rig, M1, 0x4000_0000, M1);
    map(rig, K64, 0x7_0000, K64);
    map(rig, 0, 0x9000, K4);
    const leaves: number[][] = [];
    rig.table.visitLeaves((iova, pa, size, level) => leaves.push([iova, pa, size, level]));
    expect(leaves).toEqual([
      [0, 0x9000, K4, 2],
      [K64, 0x7_0000, K64, 2],
      [M1, 0x4000_0000, M1, 1],
      [M16, M16, M16, 1],
    ]);
  });
});

describe('configuration', () => {
  const refused = (change: Partial<IoPgtableConfig>): string | undefined =>
    checkIoPgtableConfig({ format: 'ARM_V7S', pageSizes: 0x1111000, ias: 32, oas: 32, ...change }).refusal?.field;

  it('takes up to 32 bits, and 34 in and 35 out with MediaTek addresses', () => {
    const quirks = Quirk.NO_PERMS | Quirk.ARM_MTK_EXT;
    expect([refused({}), refused({ ias: 33 }), refused({ oas: 33 })]).toEqual([undefined, 'ias', 'oas']);
    expect([refused({ quirks, ias: 34, oas: 35 }), refused({ quirks, ias: 35 }), refused({ quirks, oas: 36 })]).toEqual(
      [undefined, 'ias', 'oas'],
    );
  });

  it('refuses quirks of other formats, and MediaTek addresses where permissions would be', () => {
    expect(refused({ quirks: Quirk.ARM_HD })).toBe('quirks');
    expect(refused({ quirks: Quirk.ARM_MTK_EXT })).toBe('quirks');
    expect(refused({ quirks: Quirk.ARM_MTK_TTBR_EXT })).toBe('quirks');
    expect(refused({ contiguous: true })).toBe('contiguous');
  });

  it('has no custom allocator capability, so that hooks are refused', () => {
    expect(formatCapabilities('ARM_V7S') & FormatCapability.CUSTOM_ALLOCATOR).toBe(0);
    const allocator = { alloc: () => 0, free: () => {} };
    expect(() => rigV7s({ config: { allocator } })).toThrow(ConfigError);
    expect(refused({ allocator })).toBe('allocator');
  });

  it('keeps the page sizes that the format has', () => {
    const { config } = checkIoPgtableConfig({ format: 'ARM_V7S', pageSizes: 0x4020_3000, ias: 32, oas: 32 });
    expect(config.pageSizes).toBe(K4);
  });

  it('derives the registers: walks shareable and write-back when coherent, plain otherwise', () => {
    expect(rigV7s().table.registers).toEqual({
      kind: 'short',
      ttbr: 0x8000_006a,
      tcr: 0,
      prrr: 0x800b_8204,
      nmrr: 0x4000_4000,
    });
    expect(rigV7s({ config: { coherentWalk: false } }).table.registers).toMatchObject({ ttbr: 0x8000_0002 });
  });

  it('knows no dirty state', () => {
    expect(rigV7s().table.readAndClearDirty(0, K4, 0, { record: () => {} })).toBe(-Errno.EINVAL);
  });
});

describe("the kernel's self-test", () => {
  const SIZES = [K4, K64, M1, M16];

  it('finds nothing in an empty table', () => {
    const { table } = rigV7s({ config: { quirks: Quirk.ARM_NS } });
    expect([42, 2 ** 30 + 42, 2 ** 31 + 42].map((iova) => table.iovaToPhys(iova))).toEqual([0, 0, 0]);
  });

  it('keeps distinct mappings of each size, refuses overlaps, and unmaps and maps again in part and in full', () => {
    const rig = rigV7s({ config: { quirks: Quirk.ARM_NS } });
    const { table } = rig;
    for (const [i, size] of SIZES.entries()) {
      const iova = i * M16;
      expect(map(rig, iova, iova, size, 1, RW | Prot.NOEXEC | Prot.CACHE)).toBe(0);
      expect(map(rig, iova, iova + size, size, 1, Prot.READ | Prot.NOEXEC)).toBe(-Errno.EEXIST);
      expect(table.iovaToPhys(iova + 42)).toBe(iova + 42);
    }
    for (let i = 1; i < SIZES.length; i++) {
      const iova = i * M16 + K4;
      expect(table.unmapPages(iova, K4, 1, null)).toBe(K4);
      expect(map(rig, iova, K4, K4, 1, Prot.READ)).toBe(0);
      expect(table.iovaToPhys(iova + 42)).toBe(K4 + 42);
    }
    for (const [i, size] of SIZES.entries()) {
      const iova = i * M16;
      expect(table.unmapPages(iova, size, 1, null)).toBe(size);
      expect(table.iovaToPhys(iova + 42)).toBe(0);
      expect(map(rig, iova, iova, size, 1, Prot.WRITE)).toBe(0);
      expect(table.iovaToPhys(iova + 42)).toBe(iova + 42);
    }
    table.free();
    expect(rig.live.size).toBe(0);
  });
});

describe('teardown by a shared queue', () => {
  it('gives the first level back at once and the others by steps', () => {
    const rig = rigV7s();
    for (const iova of [0, 0x100000, 0x200000]) rig.table.mapPages(iova, 0x1000, 0x1000, 1, Prot.READ, Gfp.KERNEL);
    const queue = new TeardownQueue();
    rig.table.teardownInto(queue);
    rig.table.teardownInto(queue);
    expect([rig.table.liveTables, queue.pending, rig.live.size]).toEqual([3, 3, 3]);
    expect(queue.step(2)).toBe(2);
    expect(queue.step(9)).toBe(1);
    expect([rig.table.liveTables, rig.live.size]).toEqual([0, 0]);
  });
});
