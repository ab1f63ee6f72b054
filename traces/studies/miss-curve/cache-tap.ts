import { type AssociativeCache, maskHigh, maskLow } from '../../../emulator/index.ts';
import { Depths } from './depths.ts';
import { LruStack } from './lru-stack.ts';
import { PageStack } from './page-stack.ts';
import type { PolicyCache } from './policy-caches.ts';
import { FIRST_PAGE_SHIFT, OWNER_SHIFT, type Sample } from './sample.ts';
import { SetStacks } from './set-stacks.ts';

/** What of a cache is wanted besides its own curve. */
export interface TapOptions {
  /** Numbers of sets, powers of two, of which every number of ways is wanted. */
  readonly sets: readonly number[];
  /** Page sizes, as shifts, of which a curve is wanted. */
  readonly pageShifts: readonly number[];
  /** Caches that are simulated beside it. */
  readonly policies: readonly PolicyCache[];
  readonly sample: Sample;
  /** Called with the address space of an entry before it is stored anywhere. */
  readonly meets: (space: number) => void;
}

/** A cache so large that it never forgets, and the order of use of what is in it. */
class ShadowStack {
  readonly cache: AssociativeCache;
  readonly depths: Depths;
  readonly setStacks: readonly SetStacks[];
  readonly pageStacks: readonly PageStack[];
  /** Entries that had to go though nothing invalidated them: beyond here curves are not exact. */
  overflows = 0;
  readonly #stack: LruStack;
  readonly #sample: Sample;
  /** Lookups that hit nothing here; of a sample, nobody knows yet whether their pages are in it. */
  #open = 0;
  /** The entry that is being overwritten by what it held already. */
  #kept = -1;
  // The last search: a cache that missed is filled with what it was asked for, so the answer is known.
  #askedLow = 0;
  #askedHigh = 0;
  #askedSalt = 0;
  #askedVersion = -1;
  #answer = -1;

  constructor(cache: AssociativeCache, { sets, pageShifts, sample }: TapOptions) {
    this.cache = cache;
    this.depths = new Depths(sample);
    this.#sample = sample;
    this.#stack = new LruStack(cache.entries);
    this.setStacks = sets.map((count) => new SetStacks(count));
    this.pageStacks = pageShifts.map((shift) => new PageStack(shift, sample));
    cache.onMarkedDrop = (mark) => {
      const entry = mark - 1;
      if (entry === this.#kept) return;
      this.#stack.drop(entry);
      for (const stacks of this.setStacks) stacks.drop(entry, this.#setOf(entry, stacks.sets));
      const at = entry << 3;
      const { words } = cache;
      for (const pages of this.pageStacks)
        pages.drop(words[at] as number, words[at + 1] as number, words[at + 6] as number);
    };
  }

  /** A lookup. @returns the entry, or -1 */
  lookup(low: number, high: number, salt: number): number {
    const entry = this.#find(low, high, salt);
    const owner = high >>> OWNER_SHIFT;
    this.depths.ask(owner);
    for (const pages of this.pageStacks) pages.lookup(low, high);
    if (entry >= 0) this.depths.add(owner, this.#use(entry, true), this.#groupOf(entry));
    else if (this.#sample.all) this.depths.add(owner, 0, 0);
    else this.#open++;
    return entry;
  }

  /** What a cache that missed is filled with. */
  store(low: number, high: number, shift: number, salt: number, attributes: number, space: number): void {
    const { cache } = this;
    if (!this.#sample.all) {
      const open = this.#open > 0;
      if (open) this.#open--;
      if (!this.#sample.takes(low & maskLow(shift), high & maskHigh(shift))) return;
      if (open && this.#find(low, high, salt) < 0) this.depths.add(high >>> OWNER_SHIFT, 0, this.#sample.group);
    }
    let found = this.#find(low, high, salt);
    if (found < 0) {
      if (cache.valid === cache.entries) {
        this.overflows++;
        cache.drop(this.#stack.oldest());
      }
      const { evictions } = cache;
      found = cache.insert(low, high, shift, salt, attributes, space);
      if (cache.evictions > evictions) this.overflows++;
      cache.mark(found, found + 1);
    } else if (cache.attributesOf(found) !== (attributes | 0) || cache.spaceOf(found) !== space) {
      this.#kept = found;
      cache.store(low, high, shift, salt, attributes, space, 0);
      cache.mark(found, found + 1);
      this.#kept = -1;
    }
    this.#use(found, false);
  }

  #find(low: number, high: number, salt: number): number {
    const { cache } = this;
    const { version } = cache;
    if (
      low !== this.#askedLow ||
      high !== this.#askedHigh ||
      salt !== this.#askedSalt ||
      version !== this.#askedVersion
    ) {
      this.#askedLow = low;
      this.#askedHigh = high;
      this.#askedSalt = salt;
      this.#askedVersion = version;
      this.#answer = cache.find(low, high, salt);
    }
    return this.#answer;
  }

  #use(entry: number, counts: boolean): number {
    for (const stacks of this.setStacks) stacks.use(entry, this.#setOf(entry, stacks.sets), counts);
    return this.#stack.use(entry);
  }

  #groupOf(entry: number): number {
    if (this.#sample.all) return 0;
    this.#sample.takes(this.cache.words[entry << 3] as number, this.cache.words[(entry << 3) + 1] as number);
    return this.#sample.group;
  }

  /** The set of an entry: the low bits of its page number, in units of its own size. */
  #setOf(entry: number, sets: number): number {
    const words = this.cache.words;
    const at = entry << 3;
    const bits = (words[at + 6] as number) - FIRST_PAGE_SHIFT;
    const low = (words[at] as number) >>> bits;
    return (bits === 0 ? low : low | ((words[at + 1] as number) << (32 - bits))) & (sets - 1);
  }
}

/**
 * Listens to what one cache of a machine is asked and filled with, and passes it on to a {@link ShadowStack} and to caches of other policies.
 * The cache itself works as before.
 */
export class CacheTap {
  readonly real: AssociativeCache;
  readonly shadow: ShadowStack;
  readonly policies: readonly PolicyCache[];

  constructor(real: AssociativeCache, cache: AssociativeCache, options: TapOptions) {
    const shadow = new ShadowStack(cache, options);
    this.real = real;
    this.shadow = shadow;
    this.policies = options.policies;
    const { meets, policies } = options;
    const lookup = (low: number, high: number, salt: number): void => {
      const held = shadow.lookup(low, high, salt);
      for (const { cache: other } of policies) {
        if (other.lookup(low, high, salt) >= 0 || held < 0) continue;
        // What the machine need not fetch, this one fetches.
        other.store(
          low,
          high,
          cache.words[(held << 3) + 6] as number,
          salt,
          cache.attributesOf(held),
          cache.spaceOf(held),
          0,
        );
      }
    };
    const stored = (
      low: number,
      high: number,
      shift: number,
      salt: number,
      attributes: number,
      space: number,
    ): void => {
      meets(space);
      shadow.store(low, high, shift, salt, attributes, space);
      for (const { cache: other } of policies) {
        const found = other.find(low, high, salt);
        if (found < 0 || other.attributesOf(found) !== (attributes | 0) || other.spaceOf(found) !== space)
          other.store(low, high, shift, salt, attributes, space, 0);
      }
    };
    const { lookup: realLookup, lookupSized, store, insert, lookupAgain } = real;
    real.lookup = (low, high, salt) => {
      lookup(low, high, salt);
      return realLookup.call(real, low, high, salt);
    };
    real.lookupSized = (shift, low, high, salt) => {
      lookup(low, high, salt);
      return lookupSized.call(real, shift, low, high, salt);
    };
    real.lookupAgain = (entry) => {
      lookup(real.words[entry << 3] as number, real.words[(entry << 3) + 1] as number, 0);
      lookupAgain.call(real, entry);
    };
    real.store = (low, high, shift, salt, attributes, space, last) => {
      stored(low, high, shift, salt, attributes, space);
      return store.call(real, low, high, shift, salt, attributes, space, last);
    };
    real.insert = (low, high, shift, salt, attributes, space) => {
      stored(low, high, shift, salt, attributes, space);
      return insert.call(real, low, high, shift, salt, attributes, space);
    };
  }
}
