import type { AssociativeCache } from '../../../emulator/index.ts';
import { Depths } from './depths.ts';
import { LruStack } from './lru-stack.ts';
import { SetStacks } from './set-stacks.ts';

/** log2 of the unit of page numbers in tags. */
const PAGE_SHIFT = 12;
/** Bits below the owner in the high tag word. */
const OWNER_SHIFT = 12;

/** How a cache is watched. */
export interface TapOptions {
  /** Numbers of sets, powers of two, of which every number of ways is wanted. */
  readonly sets: readonly number[];
  /** Called with the address space of an entry before it is stored anywhere. */
  readonly meets: (space: number) => void;
}

/** A cache so large that it never forgets, and the order of use of what is in it. */
class ShadowStack {
  readonly cache: AssociativeCache;
  readonly depths = new Depths();
  readonly setStacks: readonly SetStacks[];
  /** Entries that had to go though nothing invalidated them: beyond here curves are not exact. */
  overflows = 0;
  readonly #stack: LruStack;
  /** The entry that is being overwritten by what it held already. */
  #kept = -1;

  constructor(cache: AssociativeCache, sets: readonly number[]) {
    this.cache = cache;
    this.#stack = new LruStack(cache.entries);
    this.setStacks = sets.map((count) => new SetStacks(count));
    cache.onMarkedDrop = (mark) => {
      const entry = mark - 1;
      if (entry === this.#kept) return;
      this.#stack.drop(entry);
      for (const stacks of this.setStacks) stacks.drop(entry, this.#setOf(entry, stacks.sets));
    };
  }

  /** A lookup. @returns the entry, or -1 */
  lookup(low: number, high: number, salt: number): number {
    const entry = this.cache.find(low, high, salt);
    this.depths.add(high >>> OWNER_SHIFT, entry < 0 ? 0 : this.#use(entry, true));
    return entry;
  }

  /** What a cache that missed is filled with. */
  store(low: number, high: number, shift: number, salt: number, attributes: number, space: number): void {
    const { cache } = this;
    let found = cache.find(low, high, salt);
    if (found < 0) {
      if (cache.valid === cache.entries) {
        this.overflows++;
        cache.drop(this.#stack.oldest());
      }
      const { evictions } = cache;
      found = cache.store(low, high, shift, salt, attributes, space, 0);
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

  #use(entry: number, counts: boolean): number {
    for (const stacks of this.setStacks) stacks.use(entry, this.#setOf(entry, stacks.sets), counts);
    return this.#stack.use(entry);
  }

  /** The set of an entry: the low bits of its page number, in units of its own size. */
  #setOf(entry: number, sets: number): number {
    const words = this.cache.words;
    const at = entry << 3;
    const bits = (words[at + 6] as number) - PAGE_SHIFT;
    const low = (words[at] as number) >>> bits;
    return (bits === 0 ? low : low | ((words[at + 1] as number) << (32 - bits))) & (sets - 1);
  }
}

/**
 * Listens to what one cache of a machine is asked and filled with, and passes it on to a {@link ShadowStack}.
 * The cache itself works as before.
 */
export class CacheTap {
  readonly real: AssociativeCache;
  readonly shadow: ShadowStack;

  constructor(real: AssociativeCache, cache: AssociativeCache, options: TapOptions) {
    const shadow = new ShadowStack(cache, options.sets);
    this.real = real;
    this.shadow = shadow;
    const { meets } = options;
    const lookup = (low: number, high: number, salt: number): void => {
      shadow.lookup(low, high, salt);
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
