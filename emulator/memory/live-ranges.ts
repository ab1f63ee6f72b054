/** Ranges per block: small enough that an insertion moves little, large enough that few blocks have to be searched. */
const BLOCK = 64;

/** How a range is covered by the live ranges of a set. */
export const Coverage = {
  /** No byte of it is live. */
  NONE: 0,
  /** Some of it is live, but not its whole length from the front on. */
  SOME: 1,
  /** Every byte is live, but a live range reaches out of it at an end. */
  INSIDE: 2,
  /** It is exactly one or several whole live ranges. */
  WHOLE: 3,
} as const;
export type Coverage = (typeof Coverage)[keyof typeof Coverage];

class Block {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly tags: Float64Array;
  count = 0;
  /** Belongs to several sets since a fork: whoever changes it takes a copy. */
  shared = false;

  /** @param from a block to copy; empty without */
  constructor(from?: Block) {
    this.starts = from === undefined ? new Float64Array(BLOCK) : from.starts.slice();
    this.ends = from === undefined ? new Float64Array(BLOCK) : from.ends.slice();
    this.tags = from === undefined ? new Float64Array(BLOCK) : from.tags.slice();
    this.count = from === undefined ? 0 : from.count;
  }
}

/**
 * The live mappings of one domain: disjoint ranges `[start, end)`, each with a tag, in order. A list of sorted blocks, so that
 * finding, inserting and removing take a binary search and a short move, whatever the number of ranges.
 */
export class LiveRanges {
  /** Live ranges. */
  count = 0;
  /** Bytes they cover. */
  bytes = 0;
  readonly #blocks: Block[];
  /** Place of the last search: the last range that starts at or below the address; index -1 when there is none. */
  #block = 0;
  #index = -1;

  /** @param from a set whose ranges the new one has too. Either may be changed from here on; what neither changes is kept once */
  constructor(from?: LiveRanges) {
    if (from === undefined) {
      this.#blocks = [new Block()];
      return;
    }
    for (const block of from.#blocks) block.shared = true;
    this.#blocks = from.#blocks.slice();
    this.count = from.count;
    this.bytes = from.bytes;
  }

  /** True if any byte of `[start, end)` is live. */
  overlaps(start: number, end: number): boolean {
    this.#search(start);
    if (this.#index >= 0 && this.#endHere() > start) return true;
    return this.#next() && this.#startHere() < end;
  }

  /** How the live ranges cover `[start, end)`. */
  coverage(start: number, end: number): Coverage {
    this.#search(start);
    const inside = this.#index >= 0 && this.#endHere() > start;
    if (!inside) return this.#next() && this.#startHere() < end ? Coverage.SOME : Coverage.NONE;
    const fromStart = this.#startHere() === start;
    let at = this.#endHere();
    while (at < end) {
      if (!this.#next() || this.#startHere() !== at) return Coverage.SOME;
      at = this.#endHere();
    }
    return fromStart && at === end ? Coverage.WHOLE : Coverage.INSIDE;
  }

  /** Tag of the range that covers `address`, or -1. */
  tagAt(address: number): number {
    this.#search(address);
    if (this.#index < 0 || this.#endHere() <= address) return -1;
    return this.#here().tags[this.#index] as number;
  }

  /** Writes the tags of the ranges that touch `[start, end)` into `tags`, as many as it holds. @returns how many it wrote */
  tagsIn(start: number, end: number, tags: Float64Array): number {
    let written = 0;
    this.#search(start);
    if ((this.#index < 0 || this.#endHere() <= start) && !this.#next()) return 0;
    while (written < tags.length && this.#startHere() < end) {
      tags[written++] = this.#here().tags[this.#index] as number;
      if (!this.#next()) break;
    }
    return written;
  }

  /** Calls `visit` for every range that touches `[start, end)`, whole, in ascending order. It must not change the set. */
  forEachIn(start: number, end: number, visit: (start: number, end: number) => void): void {
    this.#search(start);
    if ((this.#index < 0 || this.#endHere() <= start) && !this.#next()) return;
    while (this.#startHere() < end) {
      visit(this.#startHere(), this.#endHere());
      if (!this.#next()) return;
    }
  }

  /** Where the last range begins that begins below `address`, or -1. */
  lastStartBelow(address: number): number {
    this.#search(address - 1);
    return this.#index < 0 ? -1 : this.#startHere();
  }

  /** Where the first range begins that begins at `address` or above, or -1. */
  firstStartFrom(address: number): number {
    this.#search(address - 1);
    return this.#next() ? this.#startHere() : -1;
  }

  /** Adds `[start, end)`, which must not overlap a live range. */
  insert(start: number, end: number, tag: number): void {
    this.#search(start);
    let block = this.#own();
    let index = this.#index + 1;
    if (block.count === BLOCK) {
      this.#split();
      if (index > BLOCK / 2) {
        index -= BLOCK / 2;
        this.#block++;
      }
      block = this.#here();
    }
    block.starts.copyWithin(index + 1, index, block.count);
    block.ends.copyWithin(index + 1, index, block.count);
    block.tags.copyWithin(index + 1, index, block.count);
    block.starts[index] = start;
    block.ends[index] = end;
    block.tags[index] = tag;
    block.count++;
    this.count++;
    this.bytes += end - start;
  }

  /** Takes `[start, end)` away; ranges that reach out of it keep what is outside. @returns the bytes that were live in it. */
  remove(start: number, end: number): number {
    let removed = 0;
    this.#search(start);
    if (this.#index < 0 || this.#endHere() <= start) {
      if (!this.#next()) return 0;
    }
    for (;;) {
      if (this.#startHere() >= end) return removed;
      const block = this.#own();
      const index = this.#index;
      const from = block.starts[index] as number;
      const to = block.ends[index] as number;
      const tag = block.tags[index] as number;
      const low = Math.max(from, start);
      const high = Math.min(to, end);
      removed += high - low;
      this.bytes -= high - low;
      if (from < low) {
        block.ends[index] = low;
        if (to > high) {
          this.bytes -= to - high;
          this.insert(high, to, tag);
          return removed;
        }
        if (!this.#next()) return removed;
      } else if (to > high) {
        block.starts[index] = high;
        return removed;
      } else if (!this.#erase()) return removed;
    }
  }

  /** Forgets every range. */
  clear(): void {
    this.#blocks.length = 1;
    this.#block = 0;
    this.#index = -1;
    this.#own().count = 0;
    this.count = 0;
    this.bytes = 0;
  }

  /** Calls `visit` for every range in ascending order. */
  forEach(visit: (start: number, end: number, tag: number) => void): void {
    for (const block of this.#blocks) {
      for (let index = 0; index < block.count; index++) {
        visit(block.starts[index] as number, block.ends[index] as number, block.tags[index] as number);
      }
    }
  }

  #here(): Block {
    return this.#blocks[this.#block] as Block;
  }

  /** The block here, to be changed. */
  #own(): Block {
    const block = this.#here();
    if (!block.shared) return block;
    const own = new Block(block);
    this.#blocks[this.#block] = own;
    return own;
  }

  #startHere(): number {
    return this.#here().starts[this.#index] as number;
  }

  #endHere(): number {
    return this.#here().ends[this.#index] as number;
  }

  /** Moves to the following range; false, and no move, at the end. */
  #next(): boolean {
    if (this.#index + 1 < this.#here().count) {
      this.#index++;
      return true;
    }
    if (this.#block + 1 >= this.#blocks.length) return false;
    this.#block++;
    this.#index = 0;
    return true;
  }

  #search(address: number): void {
    const blocks = this.#blocks;
    let low = 0;
    let high = blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (((blocks[middle] as Block).starts[0] as number) <= address) low = middle;
      else high = middle - 1;
    }
    this.#block = low;
    const block = blocks[low] as Block;
    const starts = block.starts;
    let first = 0;
    let last = block.count;
    while (first < last) {
      const middle = (first + last) >>> 1;
      if ((starts[middle] as number) <= address) first = middle + 1;
      else last = middle;
    }
    this.#index = first - 1;
  }

  /** Cuts the block here, which is full, into two halves. */
  #split(): void {
    const block = this.#here();
    const upper = new Block();
    const half = BLOCK / 2;
    upper.starts.set(block.starts.subarray(half));
    upper.ends.set(block.ends.subarray(half));
    upper.tags.set(block.tags.subarray(half));
    upper.count = block.count - half;
    block.count = half;
    this.#blocks.splice(this.#block + 1, 0, upper);
  }

  /** Deletes the range here and stands on the one that followed; false if there is none. */
  #erase(): boolean {
    const block = this.#here();
    const index = this.#index;
    block.starts.copyWithin(index, index + 1, block.count);
    block.ends.copyWithin(index, index + 1, block.count);
    block.tags.copyWithin(index, index + 1, block.count);
    block.count--;
    this.count--;
    if (block.count === 0 && this.#blocks.length > 1) {
      this.#blocks.splice(this.#block, 1);
      if (this.#block === this.#blocks.length) {
        this.#block--;
        this.#index = this.#here().count - 1;
        return false;
      }
      this.#index = 0;
      return true;
    }
    if (index < block.count) return true;
    this.#index = index - 1;
    return this.#next();
  }
}
