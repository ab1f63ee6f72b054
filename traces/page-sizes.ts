import { ConfigError } from '../formats/index.ts';

const TWO_TO_32 = 2 ** 32;

/**
 * Cuts a range into runs of pages as Linux's iommu core does (6.12 `drivers/iommu/iommu.c`, `iommu_pgsize`): the largest supported
 * size that the alignment of iova and pa and the length allow, in a run that ends where the next larger size could begin.
 *
 *     while (size > 0) {
 *       const pageSize = pages.choose(iova, pa, size);
 *       const done = table.mapPages(iova, pa, pageSize, pages.count, prot);
 *       ...
 *     }
 *
 * An unmap passes the iova as pa too.
 */
export class PageSizes {
  /** The supported sizes in bytes, ascending powers of two. */
  readonly sizes: readonly number[];
  /** The smallest of them: what every range must be aligned to. */
  readonly smallest: number;
  /** Pages in the run that the last {@link choose} found. */
  count = 0;
  readonly #sizes: Float64Array;

  /** @param sizes supported page sizes in bytes: powers of two, up to 2^48. @throws ConfigError */
  constructor(sizes: readonly number[]) {
    const sorted = [...sizes].sort((a, b) => a - b);
    const smallest = sorted[0];
    if (smallest === undefined) throw new ConfigError('pageSizes', sizes, 'at least one page size');
    for (const size of sorted) {
      if (!(size >= 1 && size <= 2 ** 48 && Number.isInteger(Math.log2(size)))) {
        throw new ConfigError('pageSizes', size, 'powers of two up to 2^48');
      }
    }
    this.sizes = sorted;
    this.smallest = smallest;
    this.#sizes = Float64Array.from(sorted);
  }

  /** Whether the core would accept the range at all; if not, it fails with EINVAL and touches no table. */
  accepts(iova: number, pa: number, size: number): boolean {
    return isAligned(iova, this.smallest) && isAligned(pa, this.smallest) && isAligned(size, this.smallest);
  }

  /**
   * Page size in bytes for the start of a range that {@link accepts} accepted; the length of the run is left in {@link count}.
   * `size` must be positive.
   */
  choose(iova: number, pa: number, size: number): number {
    const sizes = this.#sizes;
    let at = sizes.length - 1;
    while (at > 0) {
      const candidate = sizes[at] as number;
      if (candidate <= size && isAligned(iova, candidate) && isAligned(pa, candidate)) break;
      at--;
    }
    const pageSize = sizes[at] as number;
    let span = size;
    if (at + 1 < sizes.length) {
      const larger = sizes[at + 1] as number;
      const offset = offsetIn(iova, larger);
      // Stop where the larger size could take over, if iova and pa reach its boundary together and one page of it fits behind.
      if (offset === offsetIn(pa, larger)) {
        const toBoundary = larger - offset;
        if (toBoundary + larger <= size) span = toBoundary;
      }
    }
    this.count = Math.floor(span / pageSize);
    return pageSize;
  }
}

/** Bytes from the last multiple of `pageSize` (a power of two) to `address`; a whole address never meets a 32-bit operator. */
function offsetIn(address: number, pageSize: number): number {
  const low = address >>> 0;
  if (pageSize <= TWO_TO_32) return (low & (pageSize - 1)) >>> 0;
  const high = Math.floor(address / TWO_TO_32);
  return ((high & (pageSize / TWO_TO_32 - 1)) >>> 0) * TWO_TO_32 + low;
}

function isAligned(address: number, pageSize: number): boolean {
  return offsetIn(address, pageSize) === 0;
}
