/**
 * Descriptors that the operation under way made invalid, as runs of neighbours: what the TLBs have to forget before it returns. Flat
 * arrays that are used again for the next operation.
 */
export class BrokenRuns {
  count = 0;
  /** Runs of which some part was not invalidated yet. */
  open = 0;
  /** Bytes of all runs. */
  bytes = 0;
  start = new Float64Array(16);
  end = new Float64Array(16);
  /** The part that still waits for its invalidation; empty when the start is the end. */
  openStart = new Float64Array(16);
  openEnd = new Float64Array(16);
  space = new Int32Array(16);
  level = new Int8Array(16);
  /** Level of the descriptor that mapped it: above `level` where a block lost some of its pages. */
  leafLevel = new Int8Array(16);
  /** 1: tables, 0: leaves. */
  table = new Uint8Array(16);
  /** Index of the first descriptor in the words of memory. */
  at = new Int32Array(16);

  reset(): void {
    this.count = 0;
    this.open = 0;
    this.bytes = 0;
  }

  add(
    space: number,
    start: number,
    end: number,
    level: number,
    table: boolean,
    at: number,
    leafLevel: number = level,
  ): void {
    if (this.count === this.start.length) this.#grow();
    const run = this.count++;
    this.open++;
    this.bytes += end - start;
    this.start[run] = start;
    this.end[run] = end;
    this.openStart[run] = start;
    this.openEnd[run] = end;
    this.space[run] = space;
    this.level[run] = level;
    this.leafLevel[run] = leafLevel;
    this.table[run] = table ? 1 : 0;
    this.at[run] = at;
  }

  /** The run of leaves, or of tables, that covers an address; -1 without one. */
  find(space: number, address: number): number {
    for (let run = this.count - 1; run >= 0; run--) {
      if (this.space[run] === space && address >= (this.start[run] as number) && address < (this.end[run] as number)) {
        return run;
      }
    }
    return -1;
  }

  /** A run of which something in [start, end) was not invalidated; -1 without one. */
  findOpen(space: number, start: number, end: number, tablesOnly: boolean): number {
    if (this.open === 0) return -1;
    for (let run = 0; run < this.count; run++) {
      if (this.space[run] !== space || (tablesOnly && this.table[run] === 0)) continue;
      if ((this.openStart[run] as number) < Math.min(end, this.openEnd[run] as number)) {
        if ((this.openEnd[run] as number) > start) return run;
      }
    }
    return -1;
  }

  /**
   * An invalidation of [start, end) in a space.
   *
   * @param sizes what an entry covers, by level: a leaf goes as a whole
   * @returns bytes of it that some run of this operation made necessary
   */
  cover(space: number, start: number, end: number, leafOnly: boolean, sizes: Float64Array): number {
    let needed = 0;
    for (let run = 0; run < this.count; run++) {
      if (this.space[run] !== space) continue;
      const low = Math.max(start, this.start[run] as number);
      const high = Math.min(end, this.end[run] as number);
      if (low >= high) continue;
      needed += high - low;
      if (this.table[run] === 0) {
        const size = sizes[this.level[run] as number] as number;
        this.#close(run, start - (start % size), end + ((size - (end % size)) % size));
      } else if (!leafOnly) this.#close(run, start, end);
    }
    return needed;
  }

  /** Everything of a space was invalidated. */
  coverAll(space: number): void {
    for (let run = 0; run < this.count; run++) {
      if (this.space[run] === space) this.#close(run, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    }
  }

  /** Takes [start, end) out of what is open of a run; what remains on both sides becomes two runs. */
  #close(run: number, start: number, end: number): void {
    const from = this.openStart[run] as number;
    const to = this.openEnd[run] as number;
    if (from >= to || start >= to || end <= from) return;
    if (start <= from) {
      this.openStart[run] = Math.min(end, to);
      if (end >= to) this.open--;
    } else {
      this.openEnd[run] = start;
      if (end < to) {
        this.add(
          this.space[run] as number,
          this.start[run] as number,
          this.end[run] as number,
          this.level[run] as number,
          this.table[run] === 1,
          this.at[run] as number,
          this.leafLevel[run] as number,
        );
        this.bytes -= (this.end[run] as number) - (this.start[run] as number);
        this.openStart[this.count - 1] = end;
        this.openEnd[this.count - 1] = to;
      }
    }
  }

  #grow(): void {
    const length = 2 * this.start.length;
    const grow = <A extends Float64Array | Int32Array | Int8Array | Uint8Array>(old: A, larger: A): A => {
      larger.set(old);
      return larger;
    };
    this.start = grow(this.start, new Float64Array(length));
    this.end = grow(this.end, new Float64Array(length));
    this.openStart = grow(this.openStart, new Float64Array(length));
    this.openEnd = grow(this.openEnd, new Float64Array(length));
    this.space = grow(this.space, new Int32Array(length));
    this.level = grow(this.level, new Int8Array(length));
    this.leafLevel = grow(this.leafLevel, new Int8Array(length));
    this.table = grow(this.table, new Uint8Array(length));
    this.at = grow(this.at, new Int32Array(length));
  }
}
