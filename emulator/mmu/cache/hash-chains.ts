import type { PageSizes } from './page-sizes.ts';
import { maskHigh, maskLow } from './tag.ts';

/** Fully associative caches above this many entries are found through hash chains instead of a scan. */
const SCAN_LIMIT = 8;
/** So many buckets at least, so that a miss mostly meets an empty one. */
const LEAST_BUCKETS = 1024;

/** Whether a cache of this shape is found through hash chains. */
export function isHashed(entries: number, sets: number): boolean {
  return sets === 1 && entries > SCAN_LIMIT;
}

/** Finds the entries of a large fully associative cache: those of the same bucket are chained through the last word of each. */
export class HashChains {
  readonly #shift: number;
  readonly #heads: Int32Array;
  readonly #words: Int32Array;
  readonly #sizes: PageSizes;

  /**
   * @param entries 0 where the cache is searched otherwise
   * @param words those of the entries
   * @param sizes page sizes in the cache
   */
  constructor(entries: number, words: Int32Array, sizes: PageSizes) {
    const buckets = entries === 0 ? 1 : Math.max(2 ** Math.ceil(Math.log2(entries * 4)), LEAST_BUCKETS);
    this.#shift = entries === 0 ? 31 : 32 - Math.log2(buckets);
    this.#heads = new Int32Array(buckets).fill(-1);
    this.#words = words;
    this.#sizes = sizes;
  }

  /** The entry that covers an address, or -1. */
  find(low: number, high: number): number {
    const words = this.#words;
    const sizes = this.#sizes;
    const { count } = sizes;
    for (let size = 0; size < count; size++) {
      const lowMask = sizes.masksLow[size] as number;
      const highMask = sizes.masksHigh[size] as number;
      let entry = this.#heads[this.#bucket(low & lowMask, high & highMask)] as number;
      while (entry >= 0) {
        const at = entry << 3;
        const mismatch =
          (((words[at] as number) ^ low) & (words[at + 2] as number)) |
          (((words[at + 1] as number) ^ high) & (words[at + 3] as number));
        if (mismatch === 0) return entry;
        entry = words[at + 7] as number;
      }
    }
    return -1;
  }

  /**
   * First entry of the chain that holds every entry of the page of `2 ** shift` bytes at an address, of whichever owner, and others;
   * -1 for none. {@link next} goes on.
   */
  first(shift: number, low: number, high: number): number {
    return this.#heads[this.#bucket(low & maskLow(shift), high & maskHigh(shift))] as number;
  }

  /** The entry behind one in its chain, -1 at the end. */
  next(entry: number): number {
    return this.#words[(entry << 3) + 7] as number;
  }

  /** Puts an entry before the others of its chain. Its tag is `low` and `high`. */
  add(entry: number, low: number, high: number): void {
    const bucket = this.#bucket(low, high);
    this.#words[(entry << 3) + 7] = this.#heads[bucket] as number;
    this.#heads[bucket] = entry;
  }

  /** Takes an entry out of its chain. Chains are short: mostly it is the first. */
  remove(entry: number): void {
    const words = this.#words;
    const heads = this.#heads;
    const next = words[(entry << 3) + 7] as number;
    const bucket = this.#bucket(words[entry << 3] as number, words[(entry << 3) + 1] as number);
    let before = heads[bucket] as number;
    if (before === entry) {
      heads[bucket] = next;
      return;
    }
    let link = (before << 3) + 7;
    while ((words[link] as number) !== entry) {
      before = words[link] as number;
      link = (before << 3) + 7;
    }
    words[link] = next;
  }

  /** Bucket of a page, whoever owns it: invalidations and the sanitizer find all its entries in one chain. */
  #bucket(low: number, high: number): number {
    // Page number bits and half of the high tag word, as a literal; see tag.ts.
    return Math.imul(low ^ Math.imul(high & 0x1ff, 0x85ebca6b), 0x9e3779b1) >>> this.#shift;
  }
}
