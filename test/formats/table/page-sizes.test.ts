import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageCutter } from '../../../formats/index.ts';

const K4 = 0x1000;
const M2 = 0x20_0000;
const G1 = 0x4000_0000;

const SETS = [[K4, M2, G1], [2 ** 14, 2 ** 25], [2 ** 16, 2 ** 29], [K4, 2 ** 16, M2, 2 ** 25, G1, 2 ** 39], [K4]];

/** What Linux's iommu_pgsize decides, stated on 64-bit integers. */
function pgsize(bitmap: bigint, iova: bigint, pa: bigint, length: bigint): readonly [bigint, bigint] {
  const fls = (value: bigint): number => value.toString(2).length - 1;
  const ffs = (value: bigint): number => fls(value & -value);
  const upTo = (bit: number): bigint => (1n << BigInt(bit + 1)) - 1n;
  const merged = iova | pa;
  let sizes = bitmap & upTo(fls(length));
  if (merged !== 0n) sizes &= upTo(ffs(merged));
  const bit = fls(sizes);
  const larger = bitmap & ~upTo(bit);
  let span = length;
  if (larger !== 0n) {
    const next = 1n << BigInt(ffs(larger));
    if (((iova ^ pa) & (next - 1n)) === 0n) {
      const offset = next - (merged & (next - 1n));
      if (offset + next <= length) span = offset;
    }
  }
  return [1n << BigInt(bit), span >> BigInt(bit)];
}

const range = fc.constantFrom(...SETS).chain((sizes) => {
  const unit = sizes[0] ?? 0;
  // Addresses near every boundary, and far beyond 32 bits.
  const address = fc
    .tuple(
      fc.integer({ min: 0, max: 2 ** 19 }),
      fc.constantFrom(0, ...sizes, 2 ** 32, 2 ** 47),
      fc.integer({ min: 0, max: 7 }),
    )
    .map(([pages, big, times]) => Math.min(pages * unit + big * times, 2 ** 51));
  return fc.record({
    sizes: fc.constant(sizes),
    iova: address,
    pa: address,
    together: fc.boolean(),
    size: fc
      .tuple(fc.integer({ min: 1, max: 600 }), fc.constantFrom(0, ...sizes), fc.integer({ min: 0, max: 3 }))
      .map(([pages, big, times]) => pages * unit + big * times),
  });
});

/** The runs of a whole mapping as [pageSize, count] pairs. */
function cut(cutter: PageCutter, iova: number, pa: number, size: number): [number, number][] {
  const runs: [number, number][] = [];
  let done = 0;
  while (done < size) {
    cutter.choose(iova + done, pa + done, size - done);
    runs.push([cutter.pageSize, cutter.count]);
    done += cutter.pageSize * cutter.count;
  }
  expect(done).toBe(size);
  return runs;
}

describe('PageCutter', () => {
  const cutter = new PageCutter(K4 + M2 + G1);

  it('takes the largest page that alignment and length allow', () => {
    expect(cut(cutter, M2, M2, M2)).toEqual([[M2, 1]]);
    expect(cut(cutter, M2, M2 + K4, M2)).toEqual([[K4, 512]]);
    expect(cut(cutter, G1, 2 * G1, 3 * G1)).toEqual([[G1, 3]]);
    expect(cut(cutter, 0, 0, 2 ** 48)).toEqual([[G1, 2 ** 18]]);
  });

  it('climbs to a larger page and down again where both addresses meet its alignment', () => {
    expect(cut(cutter, M2 - K4, 9 * M2 - K4, K4 + M2 + K4)).toEqual([
      [K4, 1],
      [M2, 1],
      [K4, 1],
    ]);
    expect(cut(cutter, G1 - M2 - K4, 4 * G1 - M2 - K4, K4 + M2 + G1 + M2 + K4)).toEqual([
      [K4, 1],
      [M2, 1],
      [G1, 1],
      [M2, 1],
      [K4, 1],
    ]);
  });

  it('does not stop for a larger page that would not fit behind the boundary', () => {
    expect(cut(cutter, M2 - K4, M2 - K4, M2)).toEqual([[K4, 512]]);
  });

  it('does not stop for a larger page that the physical address never aligns to', () => {
    expect(cut(cutter, M2 - K4, 0, K4 + M2)).toEqual([[K4, 513]]);
  });

  it('covers any aligned mapping exactly, each page aligned in both address spaces', () => {
    const page = fc.integer({ min: 0, max: 2 ** 24 });
    fc.assert(
      fc.property(page, page, fc.integer({ min: 1, max: 2 ** 20 }), (iova, pa, pages) => {
        let at = 0;
        for (const [size, count] of cut(cutter, iova * K4, pa * K4, pages * K4)) {
          expect((iova * K4 + at) % size).toBe(0);
          expect((pa * K4 + at) % size).toBe(0);
          at += size * count;
        }
      }),
    );
  });

  it('cuts every range as the iommu core of Linux does, with every set of page sizes, beyond 32 bits too', () => {
    fc.assert(
      fc.property(range, ({ sizes, iova, pa, together, size }) => {
        const target = together ? iova : pa;
        const bitmap = sizes.reduce((sum, pageSize) => sum + pageSize, 0);
        let done = 0;
        for (const [pageSize, count] of cut(new PageCutter(bitmap), iova, target, size)) {
          expect([BigInt(pageSize), BigInt(count)]).toEqual(
            pgsize(BigInt(bitmap), BigInt(iova + done), BigInt(target + done), BigInt(size - done)),
          );
          done += pageSize * count;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('knows what the kernel refuses as misaligned', () => {
    expect(cutter.aligned(K4, 0, K4)).toBe(true);
    expect(cutter.aligned(K4 + 1, 0, K4)).toBe(false);
    expect(cutter.aligned(0, 0x800, K4)).toBe(false);
    expect(cutter.aligned(0, 0, 0x1800)).toBe(false);
    expect(new PageCutter(0x1_0000).aligned(K4, 0, 0x1_0000)).toBe(false);
  });

  it('cannot be made without a page size', () => {
    expect(() => new PageCutter(0)).toThrow(/pageSizes/);
  });
});
