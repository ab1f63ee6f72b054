/** Which lines a finite CPU cache holds: sets of ways, with least-recently-used or random replacement. */

import { Prng } from '../../formats/index.ts';

const EMPTY = -1;

export class CpuCacheSets {
  readonly #setMask: number;
  readonly #ways: number;
  /** Line held by each way; {@link EMPTY} for none. */
  readonly #lines: Int32Array;
  /** When each way was last used; null with random replacement. */
  readonly #used: Float64Array | null;
  readonly #prng: Prng;
  #clock = 0;

  /** @param sets a power of two. */
  constructor(sets: number, ways: number, replacement: 'lru' | 'random', seed: number) {
    this.#setMask = sets - 1;
    this.#ways = ways;
    this.#lines = new Int32Array(sets * ways).fill(EMPTY);
    this.#used = replacement === 'lru' ? new Float64Array(sets * ways) : null;
    this.#prng = new Prng(seed);
  }

  /** Uses `line` at physical address `pa`; the line that had to leave for it, or -1. */
  touch(pa: number, line: number): number {
    const first = this.#firstWay(pa);
    let free = EMPTY;
    for (let way = first; way < first + this.#ways; way++) {
      const held = this.#lines[way] as number;
      if (held === line) {
        this.#stamp(way);
        return EMPTY;
      }
      if (held === EMPTY && free === EMPTY) free = way;
    }
    const way = free !== EMPTY ? free : this.#victim(first);
    const evicted = this.#lines[way] as number;
    this.#lines[way] = line;
    this.#stamp(way);
    return evicted;
  }

  /** Forgets `line`, if it is held. */
  drop(pa: number, line: number): void {
    const first = this.#firstWay(pa);
    for (let way = first; way < first + this.#ways; way++) if (this.#lines[way] === line) this.#lines[way] = EMPTY;
  }

  #firstWay(pa: number): number {
    // 26 bits of line number are enough for the set: the configuration allows at most 2^20 sets.
    return ((pa >>> 6) & this.#setMask) * this.#ways;
  }

  #stamp(way: number): void {
    if (this.#used !== null) this.#used[way] = ++this.#clock;
  }

  #victim(first: number): number {
    if (this.#used === null) return first + this.#prng.below(this.#ways);
    let oldest = first;
    for (let way = first + 1; way < first + this.#ways; way++) {
      if ((this.#used[way] as number) < (this.#used[oldest] as number)) oldest = way;
    }
    return oldest;
  }
}
