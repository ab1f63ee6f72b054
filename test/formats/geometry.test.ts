/** How an input address is cut into indexes. */
import { describe, expect, it } from 'vitest';
import { levelIndex, lpaeGeometry } from '../../formats/index.ts';

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

  it('concatenates up to 16 stage-2 tables to save level 0, and no more', () => {
    const stage2 = { concatenate: true, fourLevels: false };
    expect(lpaeGeometry({ ias: 40, granuleShift: 12, ...stage2 })).toMatchObject({ startLevel: 1, pgdSize: 2 * 4096 });
    expect(lpaeGeometry({ ias: 43, granuleShift: 12, ...stage2 })).toMatchObject({ startLevel: 1, pgdSize: 16 * 4096 });
    expect(lpaeGeometry({ ias: 44, granuleShift: 12, ...stage2 })).toMatchObject({ startLevel: 0, pgdSize: 32 * 8 });
    expect(lpaeGeometry({ ias: 48, granuleShift: 14, ...stage2 })).toMatchObject({ startLevel: 1, pgdSize: 2 * 16384 });
  });

  it('always walks four levels on Mali, with a pgd of one entry where the input size needs none', () => {
    const mali = { concatenate: false, fourLevels: true };
    expect(lpaeGeometry({ ias: 32, granuleShift: 12, ...mali })).toMatchObject({ startLevel: 0, pgdSize: 8 });
    expect(lpaeGeometry({ ias: 48, granuleShift: 12, ...mali })).toMatchObject({ startLevel: 0, pgdSize: 4096 });
  });

  it('cuts an address into indexes, from 52 bits down', () => {
    const four = lpaeGeometry({ ias: 48, granuleShift: 12, ...plain });
    const iova = ((0x1a5 * 512 + 0x033) * 512 + 0x1fe) * 2 ** 21 + 0x123 * 4096 + 0xabc;
    expect([0, 1, 2, 3].map((level) => levelIndex(four, iova, level))).toEqual([0x1a5, 0x33, 0x1fe, 0x123]);
    const large = lpaeGeometry({ ias: 52, granuleShift: 16, ...plain });
    expect(levelIndex(large, 2 ** 52 - 1, 1)).toBe(1023);
  });
});
