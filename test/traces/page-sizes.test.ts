import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../formats/index.ts';
import { PageSizes } from '../../traces/index.ts';

const K = 2 ** 10;
const M = 2 ** 20;
const G = 2 ** 30;
const SETS = [
  [4 * K, 2 * M, G],
  [16 * K, 32 * M],
  [64 * K, 512 * M],
  [4 * K, 64 * K, 2 * M, 32 * M, G, 512 * G],
  [4 * K],
];

interface Piece {
  readonly iova: number;
  readonly pa: number;
  readonly pageSize: number;
  readonly count: number;
}

function split(sizes: readonly number[], iova: number, pa: number, size: number): Piece[] {
  const pages = new PageSizes(sizes);
  const pieces: Piece[] = [];
  for (let done = 0; done < size; ) {
    const pageSize = pages.choose(iova + done, pa + done, size - done);
    pieces.push({ iova: iova + done, pa: pa + done, pageSize, count: pages.count });
    if (pages.count === 0) throw new Error('no progress');
    done += pageSize * pages.count;
  }
  return pieces;
}

/** The rule in the wording of Linux's iommu_pgsize, on 64-bit integers. */
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

describe('a range cut into page sizes', () => {
  it('is tiled exactly by pieces that are aligned and of a supported size', () => {
    fc.assert(
      fc.property(range, ({ sizes, iova, pa, together, size }) => {
        const target = together ? iova : pa;
        let at = iova;
        for (const piece of split(sizes, iova, target, size)) {
          expect(piece.iova).toBe(at);
          expect(sizes).toContain(piece.pageSize);
          expect(piece.iova % piece.pageSize).toBe(0);
          expect(piece.pa % piece.pageSize).toBe(0);
          expect(Number.isInteger(piece.count)).toBe(true);
          at += piece.pageSize * piece.count;
        }
        expect(at).toBe(iova + size);
      }),
      { numRuns: 500 },
    );
  });

  it('is cut as the iommu core of Linux cuts it', () => {
    fc.assert(
      fc.property(range, ({ sizes, iova, pa, together, size }) => {
        const target = together ? iova : pa;
        const bitmap = sizes.reduce((sum, pageSize) => sum | BigInt(pageSize), 0n);
        for (const piece of split(sizes, iova, target, size)) {
          const left = BigInt(iova + size - piece.iova);
          expect([BigInt(piece.pageSize), BigInt(piece.count)]).toEqual(
            pgsize(bitmap, BigInt(piece.iova), BigInt(piece.pa), left),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  it('runs up to the next larger size, takes it, and finishes small', () => {
    expect(split([4 * K, 2 * M, G], 2 * M - 8 * K, 6 * M - 8 * K, 4 * M + 12 * K)).toEqual([
      { iova: 2 * M - 8 * K, pa: 6 * M - 8 * K, pageSize: 4 * K, count: 2 },
      { iova: 2 * M, pa: 6 * M, pageSize: 2 * M, count: 2 },
      { iova: 6 * M, pa: 10 * M, pageSize: 4 * K, count: 1 },
    ]);
  });

  it('stays small where iova and pa do not reach a larger boundary together', () => {
    expect(split([4 * K, 2 * M], 0x200000, 0x201000, 4 * M)).toEqual([
      { iova: 0x200000, pa: 0x201000, pageSize: 4 * K, count: 1024 },
    ]);
  });

  it('uses blocks beyond 32 bits', () => {
    expect(split([4 * K, 2 * M, G], 2 ** 47 + G, 2 ** 40, 3 * G)).toEqual([
      { iova: 2 ** 47 + G, pa: 2 ** 40, pageSize: G, count: 3 },
    ]);
    expect(split([4 * K, 512 * G], 2 ** 47, 2 ** 46, 512 * G)).toHaveLength(1);
  });

  it('is refused when an end or an address is not on a page', () => {
    const pages = new PageSizes([4 * K, 2 * M]);
    expect(pages.accepts(0x1000, 0x2000, 0x3000)).toBe(true);
    expect(pages.accepts(0x1800, 0x2000, 0x3000)).toBe(false);
    expect(pages.accepts(0x1000, 0x2001, 0x3000)).toBe(false);
    expect(pages.accepts(0x1000, 0x2000, 0x3008)).toBe(false);
    expect(pages.accepts(2 ** 51 + 0x800, 0, 0x1000)).toBe(false);
  });

  it('needs page sizes that are powers of two', () => {
    expect(() => new PageSizes([])).toThrow(ConfigError);
    expect(() => new PageSizes([4096, 5000])).toThrow(/pageSizes: found 5000/);
  });
});
