/**
 * Remembers tables of one level by the addresses that they cover, so that a call near one that was made before needs no descent: a
 * direct-mapped cache, which grows with the tables that are in use.
 *
 * It can never lead astray: a table leaves the tree only by being freed, and freeing any table empties the whole cache; and it
 * holds only tables whose way from the root would be walked again without a side effect (every entry on it is known to be synced).
 * Whoever else rewrites entries that point to tables must say so (`entriesChanged`).
 *
 * For tables of the last level it also counts the leaves in each, so that a run over a table that is empty, or full, need not look at
 * its entries.
 */
import type { Geometry } from '../table/index.ts';

const FIRST_SLOTS = 4;
const MOST_SLOTS = 1024;

/** No table covers a range with this number: numbers are below 2^31. */
const NONE = -1;

/** So far below zero that counting up and down leaves it there. */
export const UNKNOWN_LEAVES = -(2 ** 30);

export class KnownTables {
  readonly level: number;
  /** Bits 1:0 of a leaf of the level. */
  readonly leafType: number;
  /** Bytes that one entry covers. */
  readonly size: number;
  /** 1 / the bytes that a table covers: times an iova, the number of its range. */
  readonly inverse: number;
  /** 1 / the bytes that one entry covers. */
  readonly #entryInverse: number;
  /** Entries of a table, less one. */
  readonly #entryMask: number;
  /** The number of slots, less one. */
  mask = FIRST_SLOTS - 1;
  /** Number of the range of the table in each slot. */
  keys = new Int32Array(FIRST_SLOTS).fill(NONE);
  /** Index in memory of the first word of the table, which stays the same when memory grows. */
  words = new Int32Array(FIRST_SLOTS);
  /** Physical address of the table. */
  tables = new Float64Array(FIRST_SLOTS);
  /** Leaves in the table, or less than 0 when they were not counted. */
  leaves = new Int32Array(FIRST_SLOTS);
  #empty = true;

  constructor(geometry: Geometry, level: number, leafType: number) {
    this.level = level;
    this.leafType = leafType;
    this.size = geometry.blockSizes[level] ?? 1;
    this.#entryInverse = 1 / this.size;
    this.#entryMask = geometry.indexMasks[level] ?? 0;
    this.inverse = this.#entryInverse / (this.#entryMask + 1);
  }

  /** Slot of the table that covers `iova`, or -1 when it is not remembered. */
  find(iova: number): number {
    const key = (iova * this.inverse) | 0;
    const slot = key & this.mask;
    return this.keys[slot] === key ? slot : -1;
  }

  /** Index of the entry for `iova` in a table of the level. */
  entryOf(iova: number): number {
    return (iova * this.#entryInverse) & this.#entryMask;
  }

  /** Remembers the table that covers `iova`. @returns its slot. */
  remember(iova: number, table: number, word: number): number {
    const key = (iova * this.inverse) | 0;
    let slot = key & this.mask;
    if (this.keys[slot] === key) return slot;
    while (this.keys[slot] !== NONE && this.mask < MOST_SLOTS - 1) {
      this.#grow();
      slot = key & this.mask;
    }
    this.keys[slot] = key;
    this.words[slot] = word;
    this.tables[slot] = table;
    this.leaves[slot] = UNKNOWN_LEAVES;
    this.#empty = false;
    return slot;
  }

  /** Forgets all tables. Frees come in bursts, of which only the first finds something. */
  forget(): void {
    if (this.#empty) return;
    this.keys.fill(NONE);
    this.#empty = true;
  }

  #grow(): void {
    const { keys, words, tables, leaves } = this;
    const slots = 4 * keys.length;
    this.mask = slots - 1;
    this.keys = new Int32Array(slots).fill(NONE);
    this.words = new Int32Array(slots);
    this.tables = new Float64Array(slots);
    this.leaves = new Int32Array(slots);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number;
      if (key === NONE) continue;
      // Slots that differed still differ: the mask has only more bits.
      const slot = key & this.mask;
      this.keys[slot] = key;
      this.words[slot] = words[i] as number;
      this.tables[slot] = tables[i] as number;
      this.leaves[slot] = leaves[i] as number;
    }
  }
}
