/** Ways that are told apart. */
export const MOST_WAYS = 16;

const FREE = -1;

/**
 * LRU caches of one number of sets and of 1 to {@link MOST_WAYS} ways at once: the stack of {@link LruStack}, for each set and so short that it
 * is searched from the top. A way that nothing ever filled and one whose entry was invalidated are the same.
 */
export class SetStacks {
  readonly sets: number;
  /** Uses that hit with so many ways and not with fewer, by ways less one. */
  readonly hits = new Float64Array(MOST_WAYS);
  readonly #places: Int32Array;

  /** @param sets a power of two */
  constructor(sets: number) {
    this.sets = sets;
    this.#places = new Int32Array(sets * MOST_WAYS).fill(FREE);
  }

  /** An entry of a set is used. @param counts whether that is a lookup */
  use(entry: number, set: number, counts: boolean): void {
    const places = this.#places;
    const first = set * MOST_WAYS;
    let free = MOST_WAYS;
    let depth = 0;
    for (; depth < MOST_WAYS; depth++) {
      const held = places[first + depth] as number;
      if (held === entry) break;
      if (held === FREE && free === MOST_WAYS) free = depth;
    }
    if (depth < MOST_WAYS && counts) this.hits[depth] = (this.hits[depth] as number) + 1;
    if (free < depth && depth < MOST_WAYS) places[first + depth] = FREE;
    const end = Math.min(free, depth, MOST_WAYS - 1);
    places.copyWithin(first + 1, first, first + end);
    places[first] = entry;
  }

  drop(entry: number, set: number): void {
    const at = this.#places.indexOf(entry, set * MOST_WAYS);
    if (at >= 0 && at < (set + 1) * MOST_WAYS) this.#places[at] = FREE;
  }
}
