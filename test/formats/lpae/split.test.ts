/** The three ways to unmap part of a block. */
import { describe, expect, it } from 'vitest';
import {
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  Prot,
  type SplitPolicy,
  WarningCode,
} from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const BLOCK = 2 ** 21;
const GIB = 2 ** 30;
const IOVA = 4 * GIB;
const PA = 8 * GIB;

function mapped(
  split: SplitPolicy,
  more: Partial<IoPgtableConfig> = {},
  size = BLOCK,
): { rig: LpaeRig; table: IoPgtable } {
  const rig = new LpaeRig();
  const pageSizes = PAGE + BLOCK + GIB;
  const table = rig.table({ format: 'ARM_64_LPAE_S1', pageSizes, ias: 48, oas: 48, split, ...more });
  expect(table.mapPages(IOVA, PA, size, 1, Prot.READ | Prot.NOEXEC, Gfp.KERNEL)).toBe(0);
  rig.flushes.length = 0;
  return { rig, table };
}

/** Leaves as [iova, pa, size], and their attribute bits, which must all be alike. */
function leaves(table: IoPgtable): { extents: number[][]; attributes: Set<string> } {
  const extents: number[][] = [];
  const attributes = new Set<string>();
  table.visitLeaves((iova, pa, size, _level, low, high) => {
    extents.push([iova, pa, size]);
    attributes.add(`${(high >>> 16).toString(16)} ${(low & 0xffc).toString(16)}`);
  });
  return { extents, attributes };
}

describe("split: 'in-place'", () => {
  it('leaves the other 511 pages with the attributes of the block, and reports only the page', () => {
    const { rig, table } = mapped('in-place');
    const before = leaves(table).attributes;
    expect(table.unmapPages(IOVA + 5 * PAGE, PAGE, 1, null)).toBe(PAGE);
    const { extents, attributes } = leaves(table);
    expect(extents.length).toBe(511);
    expect(attributes).toEqual(before);
    expect(extents.every(([iova = 0, pa]) => iova !== IOVA + 5 * PAGE && pa === PA + iova - IOVA)).toBe(true);
    expect(rig.flushes).toEqual([`page 0x${(IOVA + 5 * PAGE).toString(16)} 0x1000`]);
    expect(table.stats.blockSplits).toBe(1);
  });

  it('syncs each of the 511 descriptors of the new table on its own, and the entry that points to it', () => {
    const { table } = mapped('in-place', { coherentWalk: false });
    const before = table.stats.syncs;
    table.unmapPages(IOVA, PAGE, 1, null);
    expect(table.stats.syncs - before).toBe(512);
  });

  it('splits a 1 GiB block twice for a page', () => {
    const { table } = mapped('in-place', {}, GIB);
    expect(table.unmapPages(IOVA + BLOCK, PAGE, 2, null)).toBe(2 * PAGE);
    expect(leaves(table).extents.length).toBe(511 + 510);
    expect(table.stats.blockSplits).toBe(2);
  });
});

describe("split: 'refuse'", () => {
  it('unmaps nothing, warns, and allocates nothing', () => {
    const { rig, table } = mapped('refuse');
    const before = table.liveTables;
    expect(table.unmapPages(IOVA + 5 * PAGE, PAGE, 3, null)).toBe(0);
    expect(rig.warnings).toEqual([WarningCode.SPLIT_REFUSED]);
    expect(leaves(table).extents).toEqual([[IOVA, PA, BLOCK]]);
    expect([table.liveTables, rig.flushes]).toEqual([before, []]);
  });

  it('still unmaps a whole block', () => {
    const { rig, table } = mapped('refuse');
    expect(table.unmapPages(IOVA, BLOCK, 1, null)).toBe(BLOCK);
    expect(rig.warnings).toEqual([]);
  });
});

describe("split: 'unmap-and-remap'", () => {
  it('has the whole block flushed, and maps head and tail again with its attributes', () => {
    const { rig, table } = mapped('unmap-and-remap');
    const before = leaves(table).attributes;
    expect(table.unmapPages(IOVA + 5 * PAGE, PAGE, 3, null)).toBe(3 * PAGE);
    expect(rig.flushes).toEqual([`walk 0x${IOVA.toString(16)} 0x200000`]);
    const { extents, attributes } = leaves(table);
    expect(extents.length).toBe(509);
    expect(attributes).toEqual(before);
    expect(table.iovaToPhys(IOVA + 4 * PAGE)).toBe(PA + 4 * PAGE);
    expect(table.iovaToPhys(IOVA + 7 * PAGE)).toBe(0);
    expect(table.iovaToPhys(IOVA + 8 * PAGE)).toBe(PA + 8 * PAGE);
  });

  it('is flushed as the one block it was: a leaf of its size', () => {
    const { rig, table } = mapped('unmap-and-remap');
    const granules: number[] = [];
    rig.flushWalk = (_iova, _size, granule = 0) => {
      granules.push(granule);
    };
    table.unmapPages(IOVA + 5 * PAGE, PAGE, 3, null);
    expect(granules).toEqual([BLOCK]);
  });

  it('leaves what the last map mapped as it was', () => {
    const { rig, table } = mapped('unmap-and-remap');
    expect(table.mapped).toBe(BLOCK);
    table.unmapPages(IOVA + 5 * PAGE, PAGE, 3, null);
    expect(table.mapped).toBe(BLOCK);
    // Nor when it cannot be done.
    table.mapPages(IOVA + BLOCK, PA, BLOCK, 1, Prot.READ, Gfp.KERNEL);
    rig.failAfter = 1;
    expect(table.unmapPages(IOVA + BLOCK, PAGE, 1, null)).toBe(0);
    expect(table.mapped).toBe(BLOCK);
  });

  it('breaks before it makes: no descriptor goes from one valid value to another', () => {
    const { rig, table } = mapped('unmap-and-remap', { coherentWalk: false });
    let entry = 0;
    table.visitLeaves((...leaf) => {
      entry = leaf[6];
    });
    const seen: boolean[] = [];
    const flushWalk = rig.flushWalk.bind(rig);
    rig.flushWalk = (iova, size) => {
      seen.push(rig.memory.words[rig.memory.index(entry)] === 0);
      flushWalk(iova, size);
    };
    table.unmapPages(IOVA, PAGE, 1, null);
    expect(seen).toEqual([true]);
    expect(rig.staleDescriptor()).toBe(null);
  });

  it('uses the largest pages that fit for what stays of a 1 GiB block', () => {
    const { table } = mapped('unmap-and-remap', {}, GIB);
    expect(table.unmapPages(IOVA + BLOCK + PAGE, PAGE, 1, null)).toBe(PAGE);
    expect(leaves(table).extents.length).toBe(511 + 511);
  });

  it('unmaps up to the end of the block in one call', () => {
    const { table } = mapped('unmap-and-remap');
    expect(table.unmapPages(IOVA + BLOCK / 2, PAGE, 1000, null)).toBe(BLOCK / 2);
  });

  it('puts the block back when there is no memory for tables', () => {
    const { rig, table } = mapped('unmap-and-remap', { coherentWalk: false }, GIB);
    const before = leaves(table);
    const tables = table.liveTables;
    for (const failing of [1, 2]) {
      rig.failAfter = failing;
      expect(table.unmapPages(IOVA + BLOCK + PAGE, PAGE, 1, null)).toBe(0);
      expect(leaves(table)).toEqual(before);
      expect(rig.staleDescriptor()).toBe(null);
      expect([table.liveTables, rig.live.size]).toEqual([tables, tables]);
    }
  });
});
