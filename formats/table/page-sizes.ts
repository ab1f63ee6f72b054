import { sizesOf } from '../bits/index.ts';
import { ConfigError } from '../config/index.ts';

/**
 * Cuts a mapping into runs of equal pages, as the kernel's IOMMU core does before it calls the page-table code (Linux 6.12
 * `iommu_pgsize` in drivers/iommu/iommu.c): the largest page that the alignment of both addresses and the length allow, and
 * as many of them as bring the mapping to the place where a larger page becomes possible.
 *
 *     while (left > 0) {
 *       cut.choose(iova, pa, left);                       // cut.pageSize, cut.count
 *       ...
 *       iova += bytes; pa += bytes; left -= bytes;        // what was really done, at most pageSize * count
 *     }
 *
 * For an unmap the two addresses are the same: the iova.
 */
export class PageCutter {
  /** Bytes of each page of the run. */
  pageSize = 0;
  /** Pages in the run. */
  count = 0;
  /** Smallest page, which every address and length must be a multiple of. */
  readonly smallest: number;
  /** Page sizes in bytes, largest first. */
  readonly #sizes: readonly number[];

  /**
   * @param pageSizes the sum of the page sizes of the table in bytes (Linux `pgsize_bitmap`).
   * @throws ConfigError when there is none.
   */
  constructor(pageSizes: number) {
    const sizes = sizesOf(pageSizes);
    const smallest = sizes[0];
    if (smallest === undefined) throw new ConfigError('pageSizes', pageSizes, 'at least one page size');
    this.smallest = smallest;
    this.#sizes = sizes.reverse();
  }

  /** Whether both addresses and the length, in bytes, are multiples of the smallest page. The kernel refuses others with EINVAL. */
  aligned(iova: number, pa: number, size: number): boolean {
    const unit = this.smallest;
    return isMultiple(iova, unit) && isMultiple(pa, unit) && isMultiple(size, unit);
  }

  /** Sets `pageSize` and `count` for the start of `[iova, iova + size)`. All three must be aligned, and `size` larger than 0. */
  choose(iova: number, pa: number, size: number): void {
    const sizes = this.#sizes;
    const last = sizes.length - 1;
    let i = 0;
    while (i < last) {
      const candidate = sizes[i] as number;
      if (candidate <= size && isMultiple(iova, candidate) && isMultiple(pa, candidate)) break;
      i++;
    }
    const pageSize = sizes[i] as number;
    let bytes = size;
    if (i > 0) {
      const larger = sizes[i - 1] as number;
      // A larger page is worth waiting for only where both addresses reach its alignment together, and one fits behind it.
      if (size > larger) {
        const offset = iova - Math.floor(iova / larger) * larger;
        if (offset === pa - Math.floor(pa / larger) * larger) {
          const before = larger - offset;
          if (before + larger <= size) bytes = before;
        }
      }
    }
    this.pageSize = pageSize;
    this.count = Math.floor(bytes / pageSize);
  }
}

function isMultiple(value: number, unit: number): boolean {
  return Math.floor(value / unit) * unit === value;
}
