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

/** Numbers of a range, side by side: start, end and tag. */
const FIELDS = 3;
const END = 1;
const TAG = 2;

class Block {
  /** {@link FIELDS} of each range, in order. */
  readonly ranges: Float64Array;
  count = 0;
  /** Belongs to several sets since a fork: whoever changes it takes a copy. */
  shared = false;

  /** @param from a block to copy; empty without */
  constructor(from?: Block) {
    this.ranges = from === undefined ? new Float64Array(FIELDS * BLOCK) : from.ranges.slice();
    this.count = from === undefined ? 0 : from.count;
  }

  /** Makes room for a range before the one at `index`. */
  open(index: number): void {
    const { ranges } = this;
    // A loop: a call of copyWithin costs more than it moves.
    for (let at = FIELDS * this.count - 1; at >= FIELDS * index; at--) ranges[at + FIELDS] = ranges[at] as number;
    this.count++;
  }

  /** Takes the range at `index` out. */
  close(index: number): void {
    const { ranges } = this;
    const end = FIELDS * --this.count;
    for (let at = FIELDS * index; at < end; at++) ranges[at] = ranges[at + FIELDS] as number;
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
    return this.#here().ranges[FIELDS * this.#index + TAG] as number;
  }

  /** Writes the tags of the ranges that touch `[start, end)` into `tags`, as many as it holds. @returns how many it wrote */
  tagsIn(start: number, end: number, tags: Float64Array): number {
    let written = 0;
    this.#search(start);
    if ((this.#index < 0 || this.#endHere() <= start) && !this.#next()) return 0;
    while (written < tags.length && this.#startHere() < end) {
      tags[written++] = this.#here().ranges[FIELDS * this.#index + TAG] as number;
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
    block.open(index);
    const { ranges } = block;
    const at = FIELDS * index;
    ranges[at] = start;
    ranges[at + END] = end;
    ranges[at + TAG] = tag;
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
      const { ranges } = this.#own();
      const at = FIELDS * this.#index;
      const from = ranges[at] as number;
      const to = ranges[at + END] as number;
      const tag = ranges[at + TAG] as number;
      const low = Math.max(from, start);
      const high = Math.min(to, end);
      removed += high - low;
      this.bytes -= high - low;
      if (from < low) {
        ranges[at + END] = low;
        if (to > high) {
          this.bytes -= to - high;
          this.insert(high, to, tag);
          return removed;
        }
        if (!this.#next()) return removed;
      } else if (to > high) {
        ranges[at] = high;
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
    for (const { ranges, count } of this.#blocks) {
      for (let at = 0; at < FIELDS * count; at += FIELDS) {
        visit(ranges[at] as number, ranges[at + END] as number, ranges[at + TAG] as number);
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
    return this.#here().ranges[FIELDS * this.#index] as number;
  }

  #endHere(): number {
    return this.#here().ranges[FIELDS * this.#index + END] as number;
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

  /** Whether a search for `address` would end where the last one did. */
  #isAt(address: number): boolean {
    const blocks = this.#blocks;
    const at = this.#block;
    if (at >= blocks.length) return false;
    const { ranges, count } = blocks[at] as Block;
    const index = this.#index;
    if (index < 0 ? at !== 0 : index >= count || (ranges[FIELDS * index] as number) > address) return false;
    if (index + 1 < count) return (ranges[FIELDS * (index + 1)] as number) > address;
    return at + 1 === blocks.length || ((blocks[at + 1] as Block).ranges[0] as number) > address;
  }

  #search(address: number): void {
    const blocks = this.#blocks;
    // Often somebody has just asked for the same place.
    if (this.#isAt(address)) return;
    let low = 0;
    let high = blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (((blocks[middle] as Block).ranges[0] as number) <= address) low = middle;
      else high = middle - 1;
    }
    this.#block = low;
    const { ranges, count } = blocks[low] as Block;
    let first = 0;
    let last = count;
    while (first < last) {
      const middle = (first + last) >>> 1;
      if ((ranges[FIELDS * middle] as number) <= address) first = middle + 1;
      else last = middle;
    }
    this.#index = first - 1;
  }

  /** Cuts the block here, which is full, into two halves. */
  #split(): void {
    const block = this.#here();
    const upper = new Block();
    const half = BLOCK / 2;
    upper.ranges.set(block.ranges.subarray(FIELDS * half));
    upper.count = block.count - half;
    block.count = half;
    this.#blocks.splice(this.#block + 1, 0, upper);
  }

  /** Deletes the range here and stands on the one that followed; false if there is none. */
  #erase(): boolean {
    const block = this.#here();
    const index = this.#index;
    block.close(index);
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
