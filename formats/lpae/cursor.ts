/**
 * Remembers, for each level, the table that was used last, so that the next call near it needs no descent.
 *
 * It holds only addresses inside the input range, and none once teardown has begun, so that whoever finds one there need not check
 * it. It can never lead astray: a table leaves the tree only by being freed, and freeing any table empties the whole cursor; and it
 * holds only tables whose way from the root would be walked again without a side effect (every entry on it is known to be synced).
 * Whoever rewrites entries that point to tables behind the editor's back breaks the tree, cursor or not.
 */
import type { Geometry } from '../table/index.ts';

/** Equals no address, and makes every comparison false. */
const NOWHERE = Number.NaN;

export class Cursor {
  /**
   * The table remembered or found last, field by field: plain fields are what a call for a single page can read fastest.
   * `start` is NaN when there is none.
   */
  start = NOWHERE;
  /** Leaf size of its level. */
  size = -1;
  level = -1;
  /** Bytes that it covers. */
  span = 0;
  /** 1 / leaf size. */
  inverse = 0;
  /** Index of its first word in memory. */
  word = -1;
  /** Its physical address. */
  table = 0;

  /** First iova that the remembered table of the level covers; NaN when none is remembered. */
  readonly #starts: Float64Array;
  /** Bytes that a table of the level covers. */
  readonly #spans: Float64Array;
  /** Physical address of the table. */
  readonly #tables: Float64Array;
  /** Index of its first word in memory, which stays the same when memory grows. */
  readonly #words: Int32Array;
  readonly #sizes: readonly number[];

  constructor(geometry: Geometry) {
    const levels = geometry.lastLevel + 1;
    this.#sizes = geometry.blockSizes;
    this.#starts = new Float64Array(levels).fill(NOWHERE);
    // A table can reach past the input range, which what is found here is taken to lie in.
    const range = 2 ** geometry.ias;
    this.#spans = Float64Array.from(geometry.blockSizes, (size, level) =>
      Math.min(range, size * ((geometry.indexMasks[level] ?? 0) + 1)),
    );
    this.#tables = new Float64Array(levels);
    this.#words = new Int32Array(levels);
  }

  /** Remembers the table of `level` that covers `iova`. */
  remember(level: number, iova: number, table: number, word: number): void {
    const span = this.#spans[level] as number;
    this.#starts[level] = Math.floor(iova / span) * span;
    this.#tables[level] = table;
    this.#words[level] = word;
    this.#select(level);
  }

  /** True when the table of `level` that covers `iova` is remembered; the fields then tell of it. */
  find(level: number, iova: number): boolean {
    const offset = iova - (this.#starts[level] as number);
    if (!(offset >= 0 && offset < (this.#spans[level] as number))) return false;
    if (level !== this.level) this.#select(level);
    return true;
  }

  /** Index in memory of the first word of the entry for `iova` in the table that the fields tell of, or -1 when it is not in there. */
  entry(iova: number): number {
    const offset = iova - this.start;
    return offset >= 0 && offset < this.span ? this.word + 2 * ((offset * this.inverse) | 0) : -1;
  }

  forget(): void {
    this.start = NOWHERE;
    this.#starts.fill(NOWHERE);
  }

  #select(level: number): void {
    const size = this.#sizes[level] as number;
    this.level = level;
    this.size = size;
    this.inverse = 1 / size;
    this.start = this.#starts[level] as number;
    this.span = this.#spans[level] as number;
    this.word = this.#words[level] as number;
    this.table = this.#tables[level] as number;
  }
}
