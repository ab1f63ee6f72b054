/** The contiguous hint: on whole runs, off before part of one goes. */
import { describe, expect, it } from 'vitest';
import { ConfigError, Gfp, type IoPgtable, Prot, Quirk } from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const HINT = 2 ** 20;
const PA = 2 ** 36;

/** Leaves with the hint, as indexes from the first leaf on. */
function marked(table: IoPgtable): number[] {
  const found: number[] = [];
  let index = 0;
  table.visitLeaves((_iova, _pa, _size, _level, _low, high) => {
    if ((high & HINT) !== 0) found.push(index);
    index++;
  });
  return found;
}

function make(pageSizes: number, contiguous = true, coherentWalk = true): { rig: LpaeRig; table: IoPgtable } {
  const rig = new LpaeRig();
  const table = rig.table({ format: 'ARM_64_LPAE_S1', pageSizes, ias: 48, oas: 48, contiguous, coherentWalk });
  return { rig, table };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe('the contiguous hint', () => {
  const RUNS = [
    { what: '16 pages of 4K', pageSizes: 2 ** 12, size: 2 ** 12, run: 16 },
    { what: '16 blocks of 2M', pageSizes: 2 ** 12 + 2 ** 21, size: 2 ** 21, run: 16 },
    { what: '16 blocks of 1G', pageSizes: 2 ** 12 + 2 ** 21 + 2 ** 30, size: 2 ** 30, run: 16 },
    { what: '128 pages of 16K', pageSizes: 2 ** 14 + 2 ** 25, size: 2 ** 14, run: 128 },
    { what: '32 blocks of 32M', pageSizes: 2 ** 14 + 2 ** 25, size: 2 ** 25, run: 32 },
    { what: '32 pages of 64K', pageSizes: 2 ** 16 + 2 ** 29, size: 2 ** 16, run: 32 },
    { what: '32 blocks of 512M', pageSizes: 2 ** 16 + 2 ** 29, size: 2 ** 29, run: 32 },
  ];
  for (const { what, pageSizes, size, run } of RUNS) {
    it(`marks runs of ${what} that one call writes whole`, () => {
      const { table } = make(pageSizes);
      table.mapPages(size * (run - 3), PA + size * (run - 3), size, 3 + 2 * run + 5, Prot.READ, Gfp.KERNEL);
      expect(marked(table)).toEqual(range(3, 3 + 2 * run));
    });
  }

  it('is not set where memory is not aligned as the run is', () => {
    const { table } = make(2 ** 12);
    table.mapPages(0, PA + 2 ** 12, 2 ** 12, 64, Prot.READ, Gfp.KERNEL);
    expect(marked(table)).toEqual([]);
  });

  it('is not set in a first level too small for a run, also where more is mapped than it has', () => {
    const rig = new LpaeRig();
    const pageSizes = 2 ** 12 + 2 ** 21 + 2 ** 30;
    const table = rig.table({ format: 'ARM_64_LPAE_S1', pageSizes, ias: 32, oas: 48, contiguous: true });
    table.mapPages(0, PA, 2 ** 30, 16, Prot.READ, Gfp.KERNEL);
    expect(table.mapped).toBe(2 ** 34);
    expect(marked(table)).toEqual([]);
  });

  it('is off by default', () => {
    const { table } = make(2 ** 12, false);
    table.mapPages(0, PA, 2 ** 12, 64, Prot.READ, Gfp.KERNEL);
    expect(marked(table)).toEqual([]);
  });

  it('goes from the whole run, and the run from the TLB, before one page of it goes', () => {
    const { rig, table } = make(2 ** 12, true, false);
    table.mapPages(0, PA, 2 ** 12, 64, Prot.READ, Gfp.KERNEL);
    const gather = { start: 2 ** 52, end: 0, pageSize: 0, queued: false };
    expect(table.unmapPages(20 * 2 ** 12, 2 ** 12, 1, gather)).toBe(2 ** 12);
    expect(rig.flushes).toEqual(['walk 0x10000 0x10000', 'page 0x14000 0x1000']);
    expect(marked(table)).toEqual([...range(0, 16), ...range(31, 63)]);
    expect(rig.staleDescriptor()).toBe(null);
  });

  it('goes at both ends of an unmapped range, and stays around it', () => {
    const { table } = make(2 ** 12);
    table.mapPages(0, PA, 2 ** 12, 96, Prot.READ, Gfp.KERNEL);
    expect(table.unmapPages(24 * 2 ** 12, 2 ** 12, 32, null)).toBe(32 * 2 ** 12);
    // Entries 16 to 23 and 56 to 63 remain of broken runs.
    expect(marked(table)).toEqual([...range(0, 16), ...range(32, 64)]);
  });

  it('goes from a run of blocks before one of them is split', () => {
    const { rig, table } = make(2 ** 12 + 2 ** 21);
    table.mapPages(0, PA, 2 ** 21, 16, Prot.READ, Gfp.KERNEL);
    expect(table.unmapPages(2 ** 21, 2 ** 12, 1, null)).toBe(2 ** 12);
    expect(marked(table)).toEqual([]);
    expect(rig.flushes[0]).toBe('walk 0x0 0x2000000');
  });

  it('is refused with hardware dirty tracking and on Mali', () => {
    const rig = new LpaeRig();
    const common = { pageSizes: 2 ** 12, ias: 39, oas: 40, contiguous: true } as const;
    expect(() => rig.table({ format: 'ARM_64_LPAE_S1', quirks: Quirk.ARM_HD, ...common })).toThrow(ConfigError);
    expect(() => rig.table({ format: 'ARM_MALI_LPAE', ...common })).toThrow(ConfigError);
  });
});
