import { Replacement, type ReplacementGeometry } from './replacement.ts';
import { FIRST_SHIFT, maskHigh, maskLow } from './tag.ts';

/**
 * The one associative memory that every cache of the MMU is built of: micro-TLB, main TLB, SMMU TLB, walk caches, IPA cache and
 * configuration cache differ in what their tags and values mean, not in how they are searched.
 *
 * Every entry carries the mask of its own page size, so entries of all sizes live in one cache; tag.ts has the form of tags. The fields
 * of an entry lie side by side in one array, two entries to a cache line of the host.
 *
 * What it leaves out: parity, banks, and the second entry of a conflict (a lookup stops at its first match).
 */

/** What a cache is made of. */
export interface CacheGeometry extends ReplacementGeometry {
  readonly entries: number;
  /** Ways of a set; `entries` or 0 makes the cache fully associative. */
  readonly ways: number;
  /** A walk cache: entries may lead to tables. */
  readonly holdsTables: boolean;
  /**
   * False: the set of an entry follows from its page number in units of its own size, and a lookup probes once per page size that is
   * in the cache. True: it follows from the 4 KiB page number, of the aligned address when stored and of the requested address when
   * looked up, so that a block is only found through its first 4 KiB page (gem5).
   */
  readonly blocksFoundByFirstPageOnly: boolean;
}

/** Words of an entry; the code below writes it as a shift by 3. */
export const ENTRY_WORDS = 8;
const PAGE_SHIFT_LIMIT = 64;
/** In the high tag word of an empty entry, where no owner is negative, and in its page size. */
const EMPTY = -1;
const HIGH = 4294967296;

/** Told when an entry that carries a mark leaves the cache. */
export type MarkedDrop = (mark: number, cache: AssociativeCache) => void;

/** Fully associative caches above this many entries are found through hash chains instead of a scan. */
const SCAN_LIMIT = 8;
/** So many buckets at least, so that a miss mostly meets an empty one. */
const LEAST_BUCKETS = 1024;

/**
 * Written for the engine that runs it, because every access of every device comes through here several times. Flags are compared with
 * `true`, which is one instruction where a truth test is many; numbers that come in as arguments are made integers before they are
 * stored; the few constants of the searching methods are literals, because a bundler turns a module's constants into variables.
 */
export class AssociativeCache {
  /** Name in reports and drop callbacks. */
  readonly name: string;
  readonly entries: number;
  readonly ways: number;
  readonly sets: number;
  readonly holdsTables: boolean;
  /**
   * {@link ENTRY_WORDS} words per entry, side by side: 0 tag low, 1 tag high, 2 mask low, 3 mask high, 4 attributes, 5 space, 6 page
   * size as a shift, 7 the next entry of its hash chain.
   */
  readonly words: Int32Array;
  /** What an entry translates to: output minus input address, or the address of a table. */
  readonly values: Float64Array;
  /** Mark of an entry for the sanitizer, 0 when it has none. */
  readonly marks: Int32Array;

  /** Searches by translations; probes of invalidations and fills are not counted. */
  lookups = 0;
  misses = 0;
  /** Stores, over an existing entry or not. */
  updates = 0;
  /** Stores into an empty way. */
  insertions = 0;
  /** Valid entries that made room for another. */
  evictions = 0;
  /** Entries dropped by invalidations. */
  invalidated = 0;
  /** Counts changes of what is held, so that a hit can be remembered while nothing changes. */
  version = 0;
  /** Valid entries now. */
  valid = 0;
  /** Entries from this one on are empty: who looks through all entries may stop here. */
  reach = 0;
  /** Entries with a mark now. */
  marked = 0;
  /** Told when an entry gets a mark, also as the copy of a marked one. */
  onMarked: ((mark: number) => void) | null = null;
  onMarkedDrop: MarkedDrop | null = null;

  readonly #replacement: Replacement;
  /** The policy looks at hits. */
  readonly #ages: boolean;
  readonly #dropsAll: boolean;
  readonly #setMask: number;
  readonly #inverse: number;
  readonly #firstPageOnly: boolean;

  // Page sizes that are in the cache, and how many entries each has.
  readonly #sizeCounts = new Int32Array(PAGE_SHIFT_LIMIT);
  readonly #liveShifts = new Int32Array(PAGE_SHIFT_LIMIT);
  readonly #liveMasksLow = new Int32Array(PAGE_SHIFT_LIMIT);
  readonly #liveMasksHigh = new Int32Array(PAGE_SHIFT_LIMIT);
  #liveSizes = 0;

  /** No way of a fully associative cache below this one is empty. */
  #firstFree = 0;

  // Hash chains of a fully associative cache.
  readonly #hashed: boolean;
  readonly #hashShift: number;
  readonly #heads: Int32Array;

  /** @param pointers a round-robin pointer to share with other caches (gem5's walk cache has one for all its levels) */
  constructor(name: string, geometry: CacheGeometry, pointers: Int32Array | null = null) {
    const { entries } = geometry;
    const ways = geometry.ways === 0 || geometry.ways > entries ? entries : geometry.ways;
    this.name = name;
    this.entries = entries;
    this.ways = ways;
    this.sets = Math.floor(entries / ways);
    this.holdsTables = geometry.holdsTables;
    this.words = new Int32Array(entries * ENTRY_WORDS);
    this.values = new Float64Array(entries);
    this.marks = new Int32Array(entries);
    this.#setMask = (this.sets & (this.sets - 1)) === 0 ? this.sets - 1 : -1;
    this.#inverse = 1 / this.sets;
    this.#firstPageOnly = geometry.blocksFoundByFirstPageOnly;
    this.#replacement = new Replacement(geometry, this.sets, ways, pointers);
    this.#ages = this.#replacement.looksAtHits;
    this.#dropsAll = this.#replacement.dropsAll;
    this.#hashed = this.sets === 1 && entries > SCAN_LIMIT;
    const buckets = this.#hashed ? Math.max(2 ** Math.ceil(Math.log2(entries * 4)), LEAST_BUCKETS) : 1;
    this.#hashShift = this.#hashed ? 32 - Math.log2(buckets) : 31;
    this.#heads = new Int32Array(buckets).fill(-1);
    for (let entry = 0; entry < entries; entry++) this.#clear(entry);
  }

  /**
   * Searches for an entry that covers an address; counts, and refreshes its age.
   *
   * @param low tag words of the requested address
   * @param high with its owner
   * @param salt number mixed into the set index (gem5 uses ASID and VMID there)
   * @returns the entry, or -1
   */
  lookup(low: number, high: number, salt: number): number {
    this.lookups++;
    const entry = this.find(low, high, salt);
    if (entry < 0) {
      this.misses++;
      return -1;
    }
    if (this.#ages === true) this.#replacement.touch(entry);
    return entry;
  }

  /** As {@link lookup}, but leaves counters and ages alone. */
  find(low: number, high: number, salt: number): number {
    if (this.#hashed === true) return this.#findHashed(low, high);
    if (this.#firstPageOnly === true) return this.#scan(this.#setOf(low, high, salt), low, high);
    for (let size = 0; size < this.#liveSizes; size++) {
      const entry = this.#scanSized(this.#liveShifts[size] as number, low, high, salt);
      if (entry >= 0) return entry;
    }
    return -1;
  }

  /** Counts a lookup that must hit this entry, because it did and `version` is the same. */
  lookupAgain(entry: number): void {
    this.lookups++;
    if (this.#ages === true) this.#replacement.touch(entry);
  }

  /** Searches where entries of one page size would be: a walk cache knows the size that each of its levels holds. */
  lookupSized(shift: number, low: number, high: number, salt: number): number {
    this.lookups++;
    const entry = this.#scanSized(shift, low, high, salt);
    if (entry < 0) {
      this.misses++;
      return -1;
    }
    if (this.#ages === true) this.#replacement.touch(entry);
    return entry;
  }

  /** Number of page sizes in the cache: hardware that indexes by page size probes once for each. */
  get liveSizes(): number {
    return this.#liveSizes;
  }

  /**
   * Stores an entry over the one that covers the same address, or into a free way, or over a victim. The caller then writes the
   * entry's value: `cache.values[cache.store(...)] = value`, because a double as an argument may cost an object.
   *
   * @param low tag words of any address of the page, not necessarily its first
   * @param shift log2 of the page size
   * @param last 0 any way, 1 only the last way, 2 any but the last (ways that a prefetcher keeps to itself)
   * @returns the entry
   */
  store(
    low: number,
    high: number,
    shift: number,
    salt: number,
    attributes: number,
    space: number,
    last: number,
  ): number {
    const first = low & maskLow(shift);
    const firstHigh = high & maskHigh(shift);
    let entry = -1;
    let set = 0;
    if (this.#hashed === true) {
      entry = this.#findHashed(first, firstHigh);
    } else {
      set = this.#setFor(shift, first, firstHigh, salt);
      entry = this.#scan(set, first, firstHigh);
    }
    if (entry < 0) entry = this.#victim(set, last);
    return this.#place(entry, low, high, shift, attributes, space);
  }

  /** As {@link store} into any way, right after a lookup of the same address that missed: spares the search where that says enough. */
  insert(low: number, high: number, shift: number, salt: number, attributes: number, space: number): number {
    let set = 0;
    if (this.#hashed === true) {
      // Smaller pages of the same block might be there, though not the one that was looked up.
      const others = this.#liveSizes - (this.#sizeCounts[shift] === 0 ? 0 : 1);
      if (others !== 0) return this.store(low, high, shift, salt, attributes, space, 0);
    } else if (shift === 12 || this.#firstPageOnly !== true) {
      set = this.#setFor(shift, low, high, salt);
    } else {
      return this.store(low, high, shift, salt, attributes, space, 0);
    }
    return this.#place(this.#victim(set, 0), low, high, shift, attributes, space);
  }

  /** Writes an entry and enters it in the books; what it held before goes. */
  #place(entry: number, low: number, high: number, shift: number, attributes: number, space: number): number {
    const { words } = this;
    const at = entry << 3;
    const before = words[at + 6] as number;
    this.updates++;
    this.version++;
    if (this.marked !== 0) this.#unmark(entry);
    if (before >= 0 && this.#hashed === true) this.#unchain(entry);
    if (before !== shift) this.#resize(entry, before, shift);
    const first = low & (words[at + 2] as number);
    const firstHigh = high & (words[at + 3] as number);
    words[at] = first;
    words[at + 1] = firstHigh;
    words[at + 4] = attributes | 0;
    words[at + 5] = space | 0;
    if (this.#hashed === true) {
      const bucket = this.#bucket(first, firstHigh);
      words[at + 7] = this.#heads[bucket] as number;
      this.#heads[bucket] = entry;
    }
    if (this.#ages === true) this.#replacement.filled(entry);
    return entry;
  }

  /** An entry that was empty, or held a page of another size, gets one of this size. */
  #resize(entry: number, before: number, shift: number): void {
    const at = entry << 3;
    this.words[at + 2] = maskLow(shift);
    this.words[at + 3] = maskHigh(shift);
    this.words[at + 6] = shift;
    if (before >= 0) this.#countSize(before, -1);
    else {
      this.valid++;
      if (entry >= this.reach) this.reach = entry + 1;
    }
    this.#countSize(shift, 1);
  }

  /** Packed attributes of an entry; see entry-attributes.ts. */
  attributesOf(entry: number): number {
    return this.words[(entry << 3) + 4] as number;
  }

  /** Address space of an entry (number from a TagTable), which invalidations match. */
  spaceOf(entry: number): number {
    return this.words[(entry << 3) + 5] as number;
  }

  /** Drops one entry. */
  drop(entry: number): void {
    if (!this.holds(entry)) return;
    this.invalidated++;
    this.#empty(entry);
  }

  /** Whether an entry holds something. */
  holds(entry: number): boolean {
    return (this.words[(entry << 3) + 1] as number) >= 0;
  }

  /** Drops everything; returns how many entries that were. */
  dropAll(): number {
    const dropped = this.valid;
    if (dropped === 0) return 0;
    for (let entry = this.reach - 1; entry >= 0; entry--) this.drop(entry);
    return dropped;
  }

  /** Marks an entry that has no mark; a second mark would hide the first, so it is not taken. @returns whether it was taken */
  mark(entry: number, mark: number): boolean {
    if (this.marks[entry] !== 0) return false;
    this.marks[entry] = mark;
    this.marked++;
    if (this.onMarked !== null) this.onMarked(mark);
    return true;
  }

  /** Page size number `index`, as a shift, of those in the cache. */
  liveShift(index: number): number {
    return this.#liveShifts[index] as number;
  }

  /** First entry of the set in which a page of `2 ** shift` bytes at an address would be. */
  setStart(shift: number, low: number, high: number, salt: number): number {
    return this.#setFor(shift, low, high, salt) * this.ways;
  }

  /** Entries are found through hash chains, see {@link chainOf}; else they lie in the sets that {@link setStart} tells. */
  get hashed(): boolean {
    return this.#hashed;
  }

  /**
   * First entry of the chain that holds every entry of the page of `2 ** shift` bytes at an address, of whichever owner, and others;
   * -1 for none. {@link chainNext} goes on.
   */
  chainOf(shift: number, low: number, high: number): number {
    return this.#heads[this.#bucket(low & maskLow(shift), high & maskHigh(shift))] as number;
  }

  /** The entry behind one in its chain, -1 at the end. */
  chainNext(entry: number): number {
    return this.words[(entry << 3) + 7] as number;
  }

  resetCounters(): void {
    this.lookups = 0;
    this.misses = 0;
    this.updates = 0;
    this.insertions = 0;
    this.evictions = 0;
    this.invalidated = 0;
  }

  #scan(set: number, low: number, high: number): number {
    const { words, ways } = this;
    let entry = set * ways;
    const end = entry + ways;
    for (let at = entry << 3; entry < end; entry++, at += 8) {
      const mismatch =
        (((words[at] as number) ^ low) & (words[at + 2] as number)) |
        (((words[at + 1] as number) ^ high) & (words[at + 3] as number));
      if (mismatch === 0) return entry;
    }
    return -1;
  }

  #scanSized(shift: number, low: number, high: number, salt: number): number {
    return this.#scan(this.#setOfSized(shift, low, high, salt), low, high);
  }

  #findHashed(low: number, high: number): number {
    const { words } = this;
    const sizes = this.#liveSizes;
    for (let size = 0; size < sizes; size++) {
      const lowMask = this.#liveMasksLow[size] as number;
      const highMask = this.#liveMasksHigh[size] as number;
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

  /** Bucket of a page, whoever owns it: invalidations and the sanitizer find all its entries in one chain. */
  #bucket(low: number, high: number): number {
    // Page number bits and half of the high tag word, as a literal; see tag.ts.
    return Math.imul(low ^ Math.imul(high & 0x1ff, 0x85ebca6b), 0x9e3779b1) >>> this.#hashShift;
  }

  /** The set for an entry of a size. */
  #setFor(shift: number, low: number, high: number, salt: number): number {
    return this.#firstPageOnly === true ? this.#setOf(low, high, salt) : this.#setOfSized(shift, low, high, salt);
  }

  /** The set by 4 KiB page number. */
  #setOf(low: number, high: number, salt: number): number {
    if (this.#setMask >= 0) return (low ^ salt) & this.#setMask;
    const page = (high & 0xff) * HIGH + ((low ^ salt) >>> 0);
    return page % this.sets;
  }

  #setOfSized(shift: number, low: number, high: number, salt: number): number {
    if (this.sets === 1) return 0;
    const bits = shift - FIRST_SHIFT;
    // Page number in units of the size: 31 bits hold it from 2 MiB pages up (of a 52-bit address all but the top bit).
    if (bits >= 9 && bits < 32) {
      const page = (((high & 0x7f) << (32 - bits)) | (low >>> bits)) ^ salt;
      if (this.#setMask >= 0) return page & this.#setMask;
      // Division by a constant of this cache: a product with its inverse, corrected where rounding falls on the wrong side.
      const left = page - ((page * this.#inverse) | 0) * this.sets;
      return left < 0 ? left + this.sets : left >= this.sets ? left - this.sets : left;
    }
    if (bits === 0) return this.#setOf(low, high, salt);
    if (bits >= 32) return (((high & 0xff) >>> (bits - 32)) ^ salt) % this.sets;
    const page = Math.floor(((high & 0xff) * HIGH + (low >>> 0)) / 2 ** bits);
    if (this.#setMask >= 0) return ((page | 0) ^ salt) & this.#setMask;
    return (page + salt) % this.sets;
  }

  #victim(set: number, last: number): number {
    const { ways } = this;
    const first = set * ways;
    // Mostly the cache is full, and all ways are for everyone.
    if (this.valid === this.entries && last === 0 && this.#dropsAll !== true) {
      this.evictions++;
      return first + this.#replacement.choose(set, ways);
    }
    if (last === 1) return this.#evict(first + ways - 1);
    const usable = last === 2 && ways > 1 ? ways - 1 : ways;
    if (this.valid < this.entries) {
      const whole = this.sets === 1;
      for (let way = whole ? this.#firstFree : 0; way < usable; way++) {
        if (!this.holds(first + way)) {
          if (whole) this.#firstFree = way + 1;
          this.insertions++;
          return first + way;
        }
      }
    }
    if (this.#dropsAll === true) {
      this.evictions += this.valid;
      for (let held = this.reach - 1; held >= 0; held--) if (this.holds(held)) this.#empty(held);
      this.insertions++;
      return first;
    }
    return this.#evict(first + this.#replacement.choose(set, usable));
  }

  #evict(entry: number): number {
    // The way that prefetches have to themselves: gem5 counts no insertion when it is empty.
    if (this.holds(entry)) this.evictions++;
    return entry;
  }

  #empty(entry: number): void {
    if (this.marked !== 0) this.#unmark(entry);
    this.valid--;
    if (this.valid === 0) this.reach = 0;
    if (entry < this.#firstFree) this.#firstFree = entry;
    this.version++;
    this.#countSize(this.words[(entry << 3) + 6] as number, -1);
    if (this.#hashed) this.#unchain(entry);
    this.#clear(entry);
  }

  /** No tag equals EMPTY under a full mask, so an empty entry needs no valid bit in the compare. */
  #clear(entry: number): void {
    const at = entry * ENTRY_WORDS;
    this.words[at + 1] = EMPTY;
    this.words[at + 3] = -1;
    this.words[at + 6] = EMPTY;
  }

  #unmark(entry: number): void {
    const mark = this.marks[entry] as number;
    if (mark === 0) return;
    this.marks[entry] = 0;
    this.marked--;
    if (this.onMarkedDrop !== null) this.onMarkedDrop(mark, this);
  }

  /** Keeps count of the page sizes in the cache. */
  #countSize(shift: number, change: number): void {
    const count = (this.#sizeCounts[shift] as number) + change;
    this.#sizeCounts[shift] = count;
    if (count === 1 && change === 1) {
      const at = this.#liveSizes++;
      this.#liveShifts[at] = shift;
      this.#liveMasksLow[at] = maskLow(shift);
      this.#liveMasksHigh[at] = maskHigh(shift);
    } else if (count === 0) {
      const at = this.#liveShifts.indexOf(shift);
      const last = --this.#liveSizes;
      this.#liveShifts[at] = this.#liveShifts[last] as number;
      this.#liveMasksLow[at] = this.#liveMasksLow[last] as number;
      this.#liveMasksHigh[at] = this.#liveMasksHigh[last] as number;
    }
  }

  /** Takes an entry out of its chain. Chains are short: mostly it is the first. */
  #unchain(entry: number): void {
    const { words } = this;
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
}
