import type { BrokenRuns } from './broken-runs.ts';
import { addressIn, isTable, VALID } from './descriptor-rules.ts';
import type { ViewedMemory } from './table-map.ts';
import type { WatchedSpace } from './watched-space.ts';

/**
 * The last valid value of every descriptor, at its place in memory: what table memory says now with what it said before, so that a
 * finding can name what is gone.
 */
export class LastValues {
  /** Two words per descriptor; bit 0 is clear where it is not valid any more. */
  words = new Uint32Array(0);
  /** Level of what {@link leafBefore} found. */
  foundLevel = -1;
  readonly #memory: ViewedMemory;

  /** @param memory as the CPU that edits tables sees it */
  constructor(memory: ViewedMemory) {
    this.#memory = memory;
  }

  /** Makes room for all of memory, and forgets what was at places [from, to). */
  forget(from: number, to: number): void {
    const { length } = this.#memory.words;
    if (length > this.words.length) {
      const larger = new Uint32Array(length);
      larger.set(this.words);
      this.words = larger;
    }
    this.words.fill(0, from, to);
  }

  /** Halves of a value, as it was when it was valid. */
  lowOf(at: number): number {
    return ((this.words[at] as number) | VALID) >>> 0;
  }

  highOf(at: number): number {
    return this.words[at + 1] as number;
  }

  /** Address that the descriptor at a place holds. */
  addressOf(at: number, space: WatchedSpace): number {
    return addressIn(this.words[at] as number, this.words[at + 1] as number, space.packs);
  }

  /** Place of the first entry of the table that the descriptor at a place leads to; -1 where nothing was ever stored. */
  tableOf(at: number, space: WatchedSpace): number {
    return this.#memory.peek(this.addressOf(at, space));
  }

  /** Whether the table that an entry of `level` leads to has no valid entry. */
  isEmptyTable(at: number, level: number, space: WatchedSpace): boolean {
    const first = this.tableOf(at, space);
    const length = 2 * 2 ** space.geometry.bitsPerLevel;
    if (first < 0 || level >= space.geometry.lastLevel) return true;
    for (let i = first; i < first + length; i += 2) if (((this.words[i] as number) & VALID) !== 0) return false;
    return true;
  }

  /**
   * Place of the leaf that covered `iova` when the operation under way broke it, with its level in `foundLevel`; -1 when it broke none
   * there.
   *
   * @param runs what the operation broke
   */
  leafBefore(runs: BrokenRuns, space: WatchedSpace, iova: number): number {
    const run = runs.find(space.number, iova);
    if (run < 0) return -1;
    let level = runs.level[run] as number;
    let at = runs.at[run] as number;
    at += 2 * Math.floor((iova - (runs.start[run] as number)) / (space.spans[level] as number));
    this.foundLevel = runs.leafLevel[run] as number;
    if (runs.table[run] === 0) return at;
    while (isTable(this.lowOf(at), level)) {
      const first = this.tableOf(at, space);
      if (first < 0) return -1;
      level++;
      const entries = 2 ** space.geometry.bitsPerLevel;
      at = first + 2 * (Math.floor(iova / (space.spans[level] as number)) % entries);
    }
    this.foundLevel = level;
    return at;
  }
}
