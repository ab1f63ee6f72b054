import { type CacheGeometry, ENTRY_WORDS } from './geometry.ts';
import { HashChains, isHashed } from './hash-chains.ts';
import { PageSizes } from './page-sizes.ts';
import { Replacement } from './replacement.ts';
import { SetIndex } from './set-index.ts';
import { maskHigh, maskLow } from './tag.ts';

/**
 * The one associative memory that every cache of the MMU is built of: micro-TLB, main TLB, SMMU TLB, walk caches, IPA cache and
 * configuration cache differ in what their tags and values mean, not in how they are searched.
 *
 * Every entry carries the mask of its own page size, so entries of all sizes live in one cache; tag.ts has the form of tags. The fields
 * of an entry lie side by side in one array, two entries to a cache line of the host.
 *
 * What it leaves out: parity, banks, and the second entry of a conflict (a lookup stops at its first match).
 */

/** In the high tag word of an empty entry, where no owner is negative, and in its page size. */
const EMPTY = -1;

/** Told when an entry that carries a mark leaves the cache. */
export type MarkedDrop = (mark: number, cache: AssociativeCache) => void;

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
  /** Page sizes in the cache: hardware that indexes by page size probes once for each. */
  readonly pageSizes = new PageSizes();
  /** Entries are found through `chains`; else they lie in the sets that {@link setStart} tells. */
  readonly hashed: boolean;
  readonly chains: HashChains;
  /** {@link ENTRY_WORDS} words per entry. */
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
  readonly #index: SetIndex;
  readonly #firstPageOnly: boolean;

  /** No way of a fully associative cache below this one is empty. */
  #firstFree = 0;

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
    this.#index = new SetIndex(this.sets, geometry.blocksFoundByFirstPageOnly);
    this.#firstPageOnly = geometry.blocksFoundByFirstPageOnly;
    this.#replacement = new Replacement(geometry, this.sets, ways, pointers);
    this.#ages = this.#replacement.looksAtHits;
    this.#dropsAll = this.#replacement.dropsAll;
    this.hashed = isHashed(entries, this.sets);
    this.chains = new HashChains(this.hashed ? entries : 0, this.words, this.pageSizes);
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
    if (this.hashed === true) return this.chains.find(low, high);
    if (this.#firstPageOnly === true) return this.#scan(this.#index.ofPage(low, high, salt), low, high);
    const sizes = this.pageSizes;
    for (let size = 0; size < sizes.count; size++) {
      const entry = this.#scanSized(sizes.shifts[size] as number, low, high, salt);
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
    if (this.hashed === true) {
      entry = this.chains.find(first, firstHigh);
    } else {
      set = this.#index.ofEntry(shift, first, firstHigh, salt);
      entry = this.#scan(set, first, firstHigh);
    }
    if (entry < 0) entry = this.#victim(set, last);
    return this.#place(entry, low, high, shift, attributes, space);
  }

  /** As {@link store} into any way, right after a lookup of the same address that missed: spares the search where that says enough. */
  insert(low: number, high: number, shift: number, salt: number, attributes: number, space: number): number {
    let set = 0;
    if (this.hashed === true) {
      // Smaller pages of the same block might be there, though not the one that was looked up.
      if (this.pageSizes.countBut(shift) !== 0) return this.store(low, high, shift, salt, attributes, space, 0);
    } else if (shift === 12 || this.#firstPageOnly !== true) {
      set = this.#index.ofEntry(shift, low, high, salt);
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
    if (before >= 0 && this.hashed === true) this.chains.remove(entry);
    if (before !== shift) this.#resize(entry, before, shift);
    const first = low & (words[at + 2] as number);
    const firstHigh = high & (words[at + 3] as number);
    words[at] = first;
    words[at + 1] = firstHigh;
    words[at + 4] = attributes | 0;
    words[at + 5] = space | 0;
    if (this.hashed === true) this.chains.add(entry, first, firstHigh);
    if (this.#ages === true) this.#replacement.filled(entry);
    return entry;
  }

  /** An entry that was empty, or held a page of another size, gets one of this size. */
  #resize(entry: number, before: number, shift: number): void {
    const at = entry << 3;
    this.words[at + 2] = maskLow(shift);
    this.words[at + 3] = maskHigh(shift);
    this.words[at + 6] = shift;
    if (before >= 0) this.pageSizes.change(before, -1);
    else {
      this.valid++;
      if (entry >= this.reach) this.reach = entry + 1;
    }
    this.pageSizes.change(shift, 1);
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

  /** First entry of the set in which a page of `2 ** shift` bytes at an address would be. */
  setStart(shift: number, low: number, high: number, salt: number): number {
    return this.#index.ofEntry(shift, low, high, salt) * this.ways;
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
    return this.#scan(this.#index.ofSized(shift, low, high, salt), low, high);
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
    this.pageSizes.change(this.words[(entry << 3) + 6] as number, -1);
    if (this.hashed) this.chains.remove(entry);
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
}
