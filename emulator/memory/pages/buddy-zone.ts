/**
 * The buddy system of one zone: blocks of 1 to 1024 pages in free lists by order, split in halves on demand, merged with their
 * buddy when freed (Knuth, The Art of Computer Programming 1, 2.5). All bookkeeping is in typed arrays indexed by page: largest blocks
 * that were never handed out are not in a list but beyond a rising mark, up to which the arrays reach, so an idle terabyte costs nothing.
 */

/** log2 of the page size in bytes. */
export const PAGE_SHIFT = 12;
/** Bytes in a page of the system allocator. */
export const PAGE_SIZE = 2 ** PAGE_SHIFT;
/** Largest order, 4 MiB with 4 KiB pages (Linux MAX_PAGE_ORDER). */
export const MAX_ORDER = 10;

/** State of a page that begins no block. */
const INSIDE = 0;
const FREE = 0x40;
const ALLOCATED = 0x80;
const ORDER_MASK = 0x3f;
const NONE = -1;
/** Pages that the bookkeeping grows by at least. */
const LEAST_GROWTH = 16 * 2 ** MAX_ORDER;

export class BuddyZone {
  /** Physical address of page 0. */
  readonly base: number;
  readonly pageCount: number;
  readonly node: number;
  /** Wholly below 4 GiB. */
  readonly dma32: boolean;
  /** Splits that the last `take` made. */
  lastSplits = 0;

  /** {@link FREE} or {@link ALLOCATED} with the order, on the first page of a block; {@link INSIDE} elsewhere. */
  #state: Uint8Array;
  #next: Int32Array;
  #previous: Int32Array;
  /** First free block of each order. */
  readonly #head: Int32Array = new Int32Array(MAX_ORDER + 1).fill(NONE);
  /** Free blocks of each order, those beyond the mark included. */
  readonly #count: Int32Array = new Int32Array(MAX_ORDER + 1);
  /** Pages from here to `#freshEnd` were never handed out: free blocks of the largest order. */
  #fresh: number;
  readonly #freshEnd: number;
  #freePages = 0;

  /** Offset of page 0 from natural alignment to the largest block, in pages: buddies are buddies by address. */
  readonly #skew: number;

  constructor(base: number, pageCount: number, node: number, dma32: boolean) {
    this.base = base;
    this.pageCount = pageCount;
    this.node = node;
    this.dma32 = dma32;
    const largest = 2 ** MAX_ORDER;
    this.#skew = (base / PAGE_SIZE) % largest;
    this.#fresh = Math.min((largest - this.#skew) % largest, pageCount);
    this.#freshEnd = this.#fresh + Math.floor((pageCount - this.#fresh) / largest) * largest;
    this.#count[MAX_ORDER] = (this.#freshEnd - this.#fresh) / largest;
    this.#freePages = this.#freshEnd - this.#fresh;
    // Where the end is ragged its blocks are in lists from the start.
    const listed = this.#freshEnd < pageCount ? pageCount : this.#fresh;
    this.#state = new Uint8Array(listed);
    this.#next = new Int32Array(listed);
    this.#previous = new Int32Array(listed);
    this.#seed(this.#freshEnd, pageCount);
    this.#seed(0, this.#fresh);
  }

  get freePages(): number {
    return this.#freePages;
  }

  /** Free blocks of one order. */
  freeBlocks(order: number): number {
    return this.#count[order] as number;
  }

  /** First page of a block of `2^order` pages, or -1 when there is none. The block most recently freed goes first. */
  take(order: number): number {
    this.lastSplits = 0;
    for (let from = order; from <= MAX_ORDER; from++) {
      if ((this.#count[from] as number) === 0) continue;
      const page = this.#pop(from);
      this.lastSplits = from - order;
      // The upper halves go back, largest first: allocation stays at the lowest address of what it splits.
      for (let half = from - 1; half >= order; half--) this.#push(page + 2 ** half, half);
      this.#state[page] = ALLOCATED | order;
      this.#freePages -= 2 ** order;
      return page;
    }
    return NONE;
  }

  /** Gives a block back and merges it as far as its buddies are free; the number of merges. */
  give(page: number, order: number): number {
    this.#freePages += 2 ** order;
    this.#state[page] = INSIDE;
    let block = page;
    let at = order;
    for (; at < MAX_ORDER; at++) {
      const buddy = ((block + this.#skew) ^ (1 << at)) - this.#skew;
      if (buddy < 0 || buddy + 2 ** at > this.pageCount || (this.#state[buddy] as number) !== (FREE | at)) break;
      this.#unlink(buddy, at);
      if (buddy < block) block = buddy;
    }
    this.#push(block, at);
    return at - order;
  }

  /** Order of the block handed out at `page`, or -1 when no such block begins there. */
  allocatedOrder(page: number): number {
    if (page >= this.#state.length) return NONE;
    const state = this.#state[page] as number;
    return (state & ALLOCATED) !== 0 ? state & ORDER_MASK : NONE;
  }

  /** True when `page` is in a free block. */
  isFree(page: number): boolean {
    if (page >= this.#fresh && page < this.#freshEnd) return true;
    for (let order = 0; order <= MAX_ORDER; order++) {
      const first = page - ((page + this.#skew) % 2 ** order);
      if (first >= 0 && (this.#state[first] as number) === (FREE | order)) return true;
    }
    return false;
  }

  /**
   * Why an allocation of `order` would fail: towards 0 for lack of memory, towards 1 for fragmentation, -1 when it would not fail
   * (Linux `fragmentation_index`, mm/vmstat.c, there in thousandths).
   */
  fragmentationIndex(order: number): number {
    let blocks = 0;
    for (let at = 0; at <= MAX_ORDER; at++) {
      if (at >= order && (this.#count[at] as number) > 0) return -1;
      blocks += this.#count[at] as number;
    }
    return blocks === 0 ? 0 : 1 - (1 + this.#freePages / 2 ** order) / blocks;
  }

  /** Share of free memory in blocks too small for `order`, 0 to 1 (Linux `unusable_free_index`). */
  unusableShare(order: number): number {
    if (this.#freePages === 0) return 1;
    let usable = 0;
    for (let at = order; at <= MAX_ORDER; at++) usable += (this.#count[at] as number) * 2 ** at;
    return (this.#freePages - usable) / this.#freePages;
  }

  /** Cuts `[start, end)` at a ragged edge of the zone into the largest aligned blocks. */
  #seed(start: number, end: number): void {
    for (let page = start; page < end; ) {
      let order = MAX_ORDER;
      while ((page + this.#skew) % 2 ** order !== 0 || page + 2 ** order > end) order--;
      this.#push(page, order);
      this.#freePages += 2 ** order;
      page += 2 ** order;
    }
  }

  #push(page: number, order: number): void {
    const head = this.#head[order] as number;
    this.#state[page] = FREE | order;
    this.#next[page] = head;
    this.#previous[page] = NONE;
    if (head !== NONE) this.#previous[head] = page;
    this.#head[order] = page;
    this.#count[order] = (this.#count[order] as number) + 1;
  }

  #pop(order: number): number {
    const page = this.#head[order] as number;
    if (page !== NONE) {
      this.#unlink(page, order);
      return page;
    }
    // Only the largest order can have a count without a list: blocks beyond the mark.
    const fresh = this.#fresh;
    this.#fresh += 2 ** MAX_ORDER;
    if (this.#fresh > this.#state.length) this.#grow();
    this.#count[MAX_ORDER] = (this.#count[MAX_ORDER] as number) - 1;
    return fresh;
  }

  /** The bookkeeping reaches up to the mark again. */
  #grow(): void {
    const { length } = this.#state;
    const pages = Math.min(this.#freshEnd, length + Math.max(length, LEAST_GROWTH));
    const [state, next, previous] = [this.#state, this.#next, this.#previous];
    this.#state = new Uint8Array(pages);
    this.#next = new Int32Array(pages);
    this.#previous = new Int32Array(pages);
    this.#state.set(state);
    this.#next.set(next);
    this.#previous.set(previous);
  }

  #unlink(page: number, order: number): void {
    const next = this.#next[page] as number;
    const previous = this.#previous[page] as number;
    if (previous === NONE) this.#head[order] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#state[page] = INSIDE;
    this.#count[order] = (this.#count[order] as number) - 1;
  }
}
