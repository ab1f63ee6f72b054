/**
 * Remembers, for each level, the table that was used last, so that the next call near it needs no descent.
 *
 * It can never lead astray: a table leaves the tree only by being freed, and freeing any table empties the whole cursor; and it
 * holds only tables whose way from the root would be walked again without a side effect (every entry on it is known to be synced).
 * Whoever rewrites entries that point to tables behind the editor's back breaks the tree, cursor or not.
 */
import type { Geometry } from '../geometry.ts';

/** Equals no address, and makes every comparison false. */
const NOWHERE = Number.NaN;

export class Cursor {
  /** First iova that the remembered table of the level covers; NaN when none is remembered. */
  readonly starts: Float64Array;
  /** Bytes that a table of the level covers. */
  readonly spans: Float64Array;
  /** Physical address of the table. */
  readonly tables: Float64Array;
  /** Index of its first word in memory, which stays the same when memory grows. */
  readonly words: Int32Array;

  constructor(geometry: Geometry) {
    const levels = geometry.lastLevel + 1;
    this.starts = new Float64Array(levels).fill(NOWHERE);
    this.spans = Float64Array.from(
      geometry.blockSizes,
      (size, level) => size * ((geometry.indexMasks[level] ?? 0) + 1),
    );
    this.tables = new Float64Array(levels);
    this.words = new Int32Array(levels);
  }

  /** Remembers the table of `level` that covers `iova`. */
  remember(level: number, iova: number, table: number, word: number): void {
    const span = this.spans[level] as number;
    this.starts[level] = Math.floor(iova / span) * span;
    this.tables[level] = table;
    this.words[level] = word;
  }

  forget(): void {
    this.starts.fill(NOWHERE);
  }
}
