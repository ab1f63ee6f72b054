import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lockRegion } from '../../../../devices/index.ts';

const K = 2 ** 10;

describe('the region that is locked around an edit', () => {
  it.each([
    [0, 4 * K, 0, 32 * K, 28 * K],
    [60 * K, 4 * K, 32 * K, 32 * K, 28 * K],
    [32 * K, 32 * K, 32 * K, 32 * K, 0],
    [28 * K, 8 * K, 0, 64 * K, 56 * K],
    [2 ** 40 - 4 * K, 8 * K, 0, 2 ** 41, 2 ** 41 - 8 * K],
    [0, 2 ** 48, 0, 2 ** 48, 0],
  ])('of %d, %d bytes starts at %d and has %d bytes, %d of them for nothing', (iova, bytes, start, size, excess) => {
    expect(lockRegion(iova, bytes)).toMatchObject({ start, size, excess });
  });

  it('is encoded as its start with log2 of the size less one in the low bits', () => {
    expect(lockRegion(0x1_2345_8000, 4 * K)).toMatchObject({ low: 0x2345_8000 + 14, high: 1 });
    expect(lockRegion(0xffff_0000_0000, 2 ** 32)).toMatchObject({ low: 31, high: 0xffff });
  });

  it('is a power of two from 32 KiB on, aligned to itself, holds the edit, and no smaller one does', () => {
    const page = fc.integer({ min: 0, max: 2 ** 36 - 1 });
    fc.assert(
      fc.property(page, fc.integer({ min: 1, max: 2 ** 30 }), (first, pages) => {
        const iova = first * 4 * K;
        const size = Math.min(pages * 4 * K, 2 ** 48 - iova);
        const region = lockRegion(iova, size);
        expect(Number.isInteger(Math.log2(region.size))).toBe(true);
        expect(region.start % region.size).toBe(0);
        expect(region.start).toBeLessThanOrEqual(iova);
        expect(region.start + region.size).toBeGreaterThanOrEqual(iova + size);
        const half = region.size / 2;
        if (half >= 32 * K) expect(Math.floor(iova / half)).not.toBe(Math.floor((iova + size - 1) / half));
      }),
    );
  });
});
