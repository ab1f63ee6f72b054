/** The shape of tables, and the leaves that each granule has. */
import { describe, expect, it } from 'vitest';
import { leafSizes, lpaeGeometry } from '../../../formats/index.ts';

const plain = { concatenate: false, fourLevels: false };

describe('the geometry of LPAE tables', () => {
  it('needs 4 levels for 48 bits with 4K, 4 with 16K and 3 with 64K', () => {
    for (const [granuleShift, startLevel, pgdSize] of [
      [12, 0, 4096],
      [14, 0, 16],
      [16, 1, 512],
    ] as const) {
      expect(lpaeGeometry({ ias: 48, granuleShift, ...plain })).toMatchObject({ startLevel, pgdSize });
    }
  });

  it('covers 52 bits with 64K in 3 levels', () => {
    expect(lpaeGeometry({ ias: 52, granuleShift: 16, ...plain })).toMatchObject({
      startLevel: 1,
      pgdBits: 10,
      pgdSize: 8192,
    });
  });

  it('sizes the pgd from the input size: 32 bytes for 32 bits with 4K', () => {
    expect(lpaeGeometry({ ias: 32, granuleShift: 12, ...plain })).toMatchObject({
      startLevel: 1,
      pgdBits: 2,
      pgdSize: 32,
    });
  });

  it('starts one level further down where first-level tables are joined', () => {
    const stage2 = { concatenate: true, fourLevels: false };
    expect(lpaeGeometry({ ias: 40, granuleShift: 12, ...stage2 })).toMatchObject({ startLevel: 1, pgdSize: 2 * 4096 });
    expect(lpaeGeometry({ ias: 43, granuleShift: 12, ...stage2 })).toMatchObject({ startLevel: 1, pgdSize: 16 * 4096 });
    expect(lpaeGeometry({ ias: 48, granuleShift: 14, ...stage2 })).toMatchObject({ startLevel: 1, pgdSize: 2 * 16384 });
  });

  it('always walks four levels on Mali, with a pgd of one entry where the input size needs none', () => {
    const mali = { concatenate: false, fourLevels: true };
    expect(lpaeGeometry({ ias: 32, granuleShift: 12, ...mali })).toMatchObject({ startLevel: 0, pgdSize: 8 });
    expect(lpaeGeometry({ ias: 48, granuleShift: 12, ...mali })).toMatchObject({ startLevel: 0, pgdSize: 4096 });
  });
});

describe('the leaf sizes of a granule', () => {
  it('are those of its levels, with the block of 4 TiB only where the output has more than 48 bits', () => {
    expect([12, 14, 16].map((shift) => leafSizes(shift, 48))).toEqual([0x4020_1000, 0x200_4000, 0x2001_0000]);
    expect([12, 14, 16].map((shift) => leafSizes(shift, 52))).toEqual([0x4020_1000, 0x200_4000, 0x400_2001_0000]);
    expect(leafSizes(13, 48)).toBe(0);
  });
});
