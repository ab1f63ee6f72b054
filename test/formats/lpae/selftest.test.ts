/** The matrix of Linux's own io-pgtable self-test: page-size sets, input sizes and both stages. */
import { describe, expect, it } from 'vitest';
import { Errno, Gfp, type IoPgtable, Prot } from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const GIB = 2 ** 30;
const PROT = Prot.READ | Prot.WRITE | Prot.NOEXEC | Prot.CACHE;
const SIZE_SETS = [
  { name: '4K|2M|1G', sizes: [2 ** 12, 2 ** 21, 2 ** 30] },
  { name: '16K|32M', sizes: [2 ** 14, 2 ** 25] },
  { name: '64K|512M', sizes: [2 ** 16, 2 ** 29] },
] as const;

/** Runs over every combination; each size is mapped at a GiB of its own. */
function matrix(check: (table: IoPgtable, sizes: readonly number[], rig: LpaeRig) => void): void {
  for (const format of ['ARM_64_LPAE_S1', 'ARM_64_LPAE_S2'] as const) {
    for (const { name, sizes } of SIZE_SETS) {
      for (const ias of [32, 36, 40, 42, 44, 48]) {
        it(`${format}, ${name}, ias ${ias}`, () => {
          const rig = new LpaeRig();
          const pageSizes = sizes.reduce((sum: number, size) => sum + size, 0);
          const table = rig.table({ format, pageSizes, ias, oas: 48 });
          check(table, sizes, rig);
          table.free();
          expect(rig.live.size).toBe(0);
        });
      }
    }
  }
}

function mapEach(table: IoPgtable, sizes: readonly number[]): void {
  for (const [i, size] of sizes.entries()) {
    expect(table.mapPages(i * GIB, i * GIB, size, 1, PROT, Gfp.KERNEL)).toBe(0);
  }
}

describe('an empty table translates nothing', () => {
  matrix((table) => {
    for (const iova of [42, GIB + 42, 2 * GIB + 42]) expect(table.iovaToPhys(iova)).toBe(0);
  });
});

describe('each page size can be mapped, and nothing over it', () => {
  matrix((table, sizes, rig) => {
    mapEach(table, sizes);
    for (const [i, size] of sizes.entries()) {
      const iova = i * GIB;
      expect(table.mapPages(iova, iova + size, size, 1, PROT, Gfp.KERNEL)).toBe(-Errno.EEXIST);
      expect(table.iovaToPhys(iova + 42)).toBe(iova + 42);
    }
    expect(rig.warnings.length).toBe(sizes.length);
  });
});

describe('a page in the middle of a block can be unmapped and mapped elsewhere', () => {
  matrix((table, sizes) => {
    mapEach(table, sizes);
    const page = sizes[0] ?? 0;
    const iova = GIB + page;
    expect(table.unmapPages(iova, page, 1, null)).toBe(page);
    expect(table.iovaToPhys(iova + 42)).toBe(0);
    expect(table.mapPages(iova, page, page, 1, PROT, Gfp.KERNEL)).toBe(0);
    expect(table.iovaToPhys(iova + 42)).toBe(page + 42);
    expect(table.iovaToPhys(iova + page + 42)).toBe(iova + page + 42);
  });
});

describe('each page size can be unmapped and mapped again', () => {
  matrix((table, sizes) => {
    mapEach(table, sizes);
    for (const [i, size] of sizes.entries()) {
      const iova = i * GIB;
      expect(table.unmapPages(iova, size, 1, null)).toBe(size);
      expect(table.iovaToPhys(iova + 42)).toBe(0);
      expect(table.mapPages(iova, iova, size, 1, PROT, Gfp.KERNEL)).toBe(0);
      expect(table.iovaToPhys(iova + 42)).toBe(iova + 42);
    }
  });
});
