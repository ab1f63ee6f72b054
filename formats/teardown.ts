/**
 * Freeing a tree of tables, in one go or in steps. Tables are freed children first, in index order, the root last, which is
 * the order in which Linux frees; a step can end after any table and the next one goes on from there.
 */

/** A tree of tables, as far as freeing it needs to know it. */
export interface TableTree {
  /**
   * Index of the first entry at or after `from` of the table at `pa` that points to a table, or -1 when there is none.
   * Leaves the address of that table in {@link childPa}.
   */
  nextChild(pa: number, level: number, from: number): number;
  /** Address of the table that {@link nextChild} found. */
  readonly childPa: number;
  /** Gives back the memory of one table. */
  release(pa: number, level: number): void;
}

/** No tree has more levels below its root. */
const MAX_DEPTH = 4;

/** The freeing of one tree, resumable between any two tables. */
export class Teardown {
  readonly #tree: TableTree;
  readonly #rootLevel: number;
  /** Path from the root to the table being looked at. */
  readonly #path = new Float64Array(MAX_DEPTH);
  /** For each table of the path, the entry to look at next. */
  readonly #next = new Int32Array(MAX_DEPTH);
  #depth = 0;

  constructor(tree: TableTree, rootPa: number, rootLevel: number) {
    this.#tree = tree;
    this.#rootLevel = rootLevel;
    this.#path[0] = rootPa;
  }

  /** True once the root is freed. */
  get done(): boolean {
    return this.#depth < 0;
  }

  /** Frees at most `budget` tables. @returns how many it freed. */
  step(budget: number): number {
    let freed = 0;
    while (freed < budget && this.#depth >= 0) {
      const pa = this.#path[this.#depth] as number;
      const level = this.#rootLevel + this.#depth;
      const index = this.#tree.nextChild(pa, level, this.#next[this.#depth] as number);
      if (index < 0) {
        this.#depth--;
        this.#tree.release(pa, level);
        freed++;
      } else {
        this.#next[this.#depth] = index + 1;
        this.#depth++;
        this.#path[this.#depth] = this.#tree.childPa;
        this.#next[this.#depth] = 0;
      }
    }
    return freed;
  }
}
