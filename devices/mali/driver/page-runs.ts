/**
 * How the Mali drivers cut a range into calls of io-pgtable (`get_pgsize` of panthor and panfrost): 2 MiB pages where the address
 * allows, else 4 KiB pages up to where it does.
 */

const SMALL = 2 ** 12;
const LARGE = 2 ** 21;
/** What one table of 2 MiB entries covers: io-pgtable maps within one table. */
const TABLE_SPAN = 2 ** 30;

/** Sizes that the drivers ask io-pgtable for, as a bitmap. */
export const MALI_PAGE_SIZES = SMALL + LARGE;

/** One call's worth of pages; reused. */
export class PageRun {
  pageSize = SMALL;
  count = 0;

  /** Bytes of the run. */
  get size(): number {
    return this.pageSize * this.count;
  }

  /**
   * The first run of `[address, address + size)`.
   * @param address for an unmap the IOVA; for a map {@link alignmentOf} the IOVA and the physical address
   */
  first(address: number, size: number): this {
    const toLarge = distance(address, LARGE);
    if (toLarge !== 0 || size < LARGE) {
      this.pageSize = SMALL;
      this.count = Math.floor((toLarge === 0 ? size : Math.min(toLarge, size)) / SMALL);
    } else {
      this.pageSize = LARGE;
      this.count = Math.floor(Math.min(distance(address, TABLE_SPAN) || TABLE_SPAN, size) / LARGE);
    }
    return this;
  }
}

/**
 * An address as aligned as both are together: the drivers `or` the two. Where they are misaligned to each other that makes runs shorter
 * than they need be, since the sum's distance to 2 MiB is neither's. Only the bits that {@link PageRun.first} looks at.
 */
export function alignmentOf(iova: number, pa: number): number {
  return ((iova | pa) & (TABLE_SPAN - 1)) >>> 0;
}

/** Bytes from `address` up to the next multiple of `size`; 0 at one. */
function distance(address: number, size: number): number {
  const past = address % size;
  return past === 0 ? 0 : size - past;
}
