import type { AssociativeCache } from './cache.ts';
import { ENTRY_WORDS } from './geometry.ts';
import { FIRST_SHIFT, maskHigh, maskLow, SECTION_SHIFT, tagHigh, tagLow } from './tag.ts';

const PAGE_BYTES = 2 ** FIRST_SHIFT;
const HIGH = 4294967296;
/** Page number bits and upper-half bit of the high tag word. */
const ADDRESS_BITS = (1 << SECTION_SHIFT) - 1;
/** The upper half as a page number: the bit above the page numbers. */
const UPPER_PAGES = 2 ** 40;
/** First address that no tag can hold. */
const MOST = 2 ** 52;

/** Salts for {@link RangeSearch.find} of a cache whose sets follow from addresses alone. */
export const NO_SALT = Int32Array.of(0);
/** Salts for {@link RangeSearch.find} where the set of an entry depends on what nobody knows: all sets are looked through. */
export const ANY_SALT = new Int32Array(0);
/** What looking through a chain of a hashed cache costs, in entries looked at one after the other. */
const CHAIN_COST = 8;
/** Any page size. */
const ANY_SIZE = -1;

/**
 * Finds the entries of a cache, of whichever owner, that cover any part of a range of addresses: what invalidations drop and the
 * sanitizer marks, some of it. A small range is looked for only in the sets where it can be, so that its price follows from the
 * range and not from the cache.
 */
export class RangeSearch {
  /** The entries that the last search found: as many of these as it returned. */
  found = new Int32Array(64);
  #count = 0;
  // The range in pages, from first to last, the upper half above the lower one.
  #first = 0;
  #last = 0;
  // Tag words of the first page, and a mask over the bits that all pages of the range have in common.
  #low = 0;
  #high = 0;
  #commonLow = 0;
  #commonHigh = 0;

  /**
   * @param start first address of the range [start, end)
   * @param salts all that owners of the entries may mix into the set index: {@link NO_SALT}, {@link ANY_SALT} or others
   * @returns how many entries it found; see `found`
   */
  find(cache: AssociativeCache, start: number, end: number, upper: boolean, salts: Int32Array): number {
    this.#count = 0;
    if (cache.valid === 0) return 0;
    this.#bound(start, Math.min(end, MOST), upper);
    const pieces = (this.#last - this.#first + 2) * cache.pageSizes.count;
    const unknown = salts.length === 0;
    if (cache.hashed ? pieces * CHAIN_COST >= cache.reach : unknown || pieces * salts.length >= cache.sets) {
      this.#look(cache, 0, cache.reach, ANY_SIZE);
    } else if (cache.hashed || salts.length === 1) {
      this.#lookByAddress(cache, start, end, upper, unknown ? 0 : (salts[0] as number));
    } else {
      for (let at = 0; at < salts.length; at++) this.#lookByAddress(cache, start, end, upper, salts[at] as number);
      this.#putInOrder();
    }
    return this.#count;
  }

  /** Looks where entries of each size are that cover a part of the range. */
  #lookByAddress(cache: AssociativeCache, start: number, end: number, upper: boolean, salt: number): void {
    for (let size = 0; size < cache.pageSizes.count; size++) {
      const shift = cache.pageSizes.shifts[size] as number;
      const low = maskLow(shift);
      const high = maskHigh(shift);
      this.#lookInSet(cache, shift, this.#low & low, this.#high & high, salt);
      // Mostly all of the range is in one page of this size.
      if (((~this.#commonLow & low) | (~this.#commonHigh & high)) === 0) continue;
      const span = 2 ** shift;
      for (let page = (Math.floor(start / span) + 1) * span; page < end; page += span) {
        this.#lookInSet(cache, shift, tagLow(page), tagHigh(page, upper), salt);
      }
    }
  }

  /** As a look through all entries finds them: in their order, and each once, though two salts may lead to one set. */
  #putInOrder(): void {
    if (this.#count < 2) return;
    const { found } = this;
    found.subarray(0, this.#count).sort();
    let kept = 1;
    for (let at = 1; at < this.#count; at++) {
      if (found[at] !== found[at - 1]) found[kept++] = found[at] as number;
    }
    this.#count = kept;
  }

  #bound(start: number, end: number, upper: boolean): void {
    const half = upper ? UPPER_PAGES : 0;
    this.#first = Math.floor(start / PAGE_BYTES) + half;
    this.#last = Math.ceil(end / PAGE_BYTES) - 1 + half;
    this.#low = tagLow(start);
    this.#high = tagHigh(start, upper);
    const low = this.#low ^ tagLow(end - 1);
    const high = this.#high ^ tagHigh(end - 1, upper);
    this.#commonHigh = ~bitsUpTo(high);
    this.#commonLow = high === 0 ? ~bitsUpTo(low) : 0;
  }

  #lookInSet(cache: AssociativeCache, shift: number, low: number, high: number, salt: number): void {
    if (cache.hashed) {
      for (let entry = cache.chains.first(shift, low, high); entry >= 0; entry = cache.chains.next(entry)) {
        this.#look(cache, entry, entry + 1, shift);
      }
      return;
    }
    const first = cache.setStart(shift, low, high, salt);
    this.#look(cache, first, first + cache.ways, shift);
  }

  /** Looks through the entries from `from` to before `to`, at those of one size. */
  #look(cache: AssociativeCache, from: number, to: number, shift: number): void {
    const { words } = cache;
    const low = this.#low;
    const high = this.#high;
    const commonLow = this.#commonLow;
    const commonHigh = this.#commonHigh & ADDRESS_BITS;
    for (let entry = from; entry < to; entry++) {
      const at = entry * ENTRY_WORDS;
      // Nearly every entry differs already in what the range has in common.
      const mismatch =
        (((words[at] as number) ^ low) & (words[at + 2] as number) & commonLow) |
        (((words[at + 1] as number) ^ high) & (words[at + 3] as number) & commonHigh);
      if (mismatch !== 0 || (shift !== ANY_SIZE && words[at + 6] !== shift)) continue;
      if (cache.holds(entry) && this.#overlaps(words, at)) this.#keep(entry);
    }
  }

  #overlaps(words: Int32Array, at: number): boolean {
    const first = ((words[at + 1] as number) & ADDRESS_BITS) * HIGH + ((words[at] as number) >>> 0);
    // Bits that the mask leaves open span the rest of the entry.
    const last = first + (~(words[at + 3] as number) & ADDRESS_BITS) * HIGH + (~(words[at + 2] as number) >>> 0);
    return first <= this.#last && last >= this.#first;
  }

  #keep(entry: number): void {
    if (this.#count === this.found.length) {
      const grown = new Int32Array(this.#count * 4);
      grown.set(this.found);
      this.found = grown;
    }
    this.found[this.#count++] = entry;
  }
}

/** All bits up to the highest one of a number. */
function bitsUpTo(word: number): number {
  return word === 0 ? 0 : -1 >>> Math.clz32(word);
}
