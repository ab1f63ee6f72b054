/**
 * Freeing a tree of tables. At once, as Linux does: children first, in index order, the root last. Or in steps, as Xen's IPMMU code
 * does (the chunked deallocation of July 2017): one list for all trees, whose head is looked through, its tables put at the end of
 * the list with their level, and freed. So a tree goes from its root down, level by level, and a step can end after any table.
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

/** Frees the table at `pa`, which is one of `level`, with everything below it. */
export function freeTables(tree: TableTree, pa: number, level: number): void {
  for (let at = tree.nextChild(pa, level, 0); at >= 0; at = tree.nextChild(pa, level, at + 1)) {
    freeTables(tree, tree.childPa, level + 1);
  }
  tree.release(pa, level);
}

const FIRST_CAPACITY = 512;

/** Tables that wait to be freed, of any number of trees, in the order in which they came. */
export class TeardownQueue {
  /** Tables that wait. Those below them are not counted: nobody has looked yet. */
  pending = 0;

  // A ring: the head is at #head, the tail `pending` places behind it.
  #head = 0;
  #tables = new Float64Array(FIRST_CAPACITY);
  #levels = new Uint8Array(FIRST_CAPACITY);
  #trees: TableTree[] = [];

  /** Puts a table at the end. */
  add(tree: TableTree, pa: number, level: number): void {
    if (this.pending === this.#tables.length) this.#grow();
    const at = (this.#head + this.pending++) & (this.#tables.length - 1);
    this.#tables[at] = pa;
    this.#levels[at] = level;
    this.#trees[at] = tree;
  }

  /** Frees a table now, and puts those that it points to at the end. */
  free(tree: TableTree, pa: number, level: number): void {
    for (let at = tree.nextChild(pa, level, 0); at >= 0; at = tree.nextChild(pa, level, at + 1)) {
      this.add(tree, tree.childPa, level + 1);
    }
    tree.release(pa, level);
  }

  /** Frees tables from the head on, at most `budget`. @returns how many. */
  step(budget: number): number {
    let freed = 0;
    for (; freed < budget && this.pending > 0; freed++) {
      const at = this.#head;
      this.#head = (at + 1) & (this.#tables.length - 1);
      this.pending--;
      this.free(this.#trees[at] as TableTree, this.#tables[at] as number, this.#levels[at] as number);
    }
    return freed;
  }

  /** Twice the room: what waits moves to the front of it. Lengths are powers of two, so that the ring wraps with a mask. */
  #grow(): void {
    const { length } = this.#tables;
    const tables = new Float64Array(2 * length);
    const levels = new Uint8Array(2 * length);
    const trees: TableTree[] = [];
    for (let i = 0; i < this.pending; i++) {
      const from = (this.#head + i) & (length - 1);
      tables[i] = this.#tables[from] as number;
      levels[i] = this.#levels[from] as number;
      trees.push(this.#trees[from] as TableTree);
    }
    this.#tables = tables;
    this.#levels = levels;
    this.#trees = trees;
    this.#head = 0;
  }
}
