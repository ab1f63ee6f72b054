import { addressText, descriptorText, FindingKind, type FindingSink } from './finding.ts';

/**
 * Translations that live on in TLBs after their leaf is gone: from the unmap to the last TLB entry that goes. Each window has a
 * mark, a small number that its TLB entries carry; who looks into the TLBs puts it there, and tells of each entry that comes and goes.
 */
export class StaleWindows {
  longestCycles = 0;
  longestSeconds = 0;

  readonly #sanitizer: FindingSink;
  /** Windows by mark; index 0 is never used, as mark 0 means unmarked. */
  #entries = new Int32Array(64);
  #openCycles = new Float64Array(64);
  #openSeconds = new Float64Array(64);
  #openAccesses = new Float64Array(64);
  #operations = new Float64Array(64);
  /** The leaf that was unmapped: level, low half, high half. */
  #leaves = new Int32Array(3 * 64);
  readonly #freeMarks: number[] = [];
  #nextMark = 1;

  constructor(sanitizer: FindingSink) {
    this.#sanitizer = sanitizer;
  }

  /** A mark for the TLB entries of a leaf that was just removed; {@link open} when some carry it, else {@link returnMark}. */
  takeMark(): number {
    const reused = this.#freeMarks.pop();
    if (reused !== undefined) return reused;
    const mark = this.#nextMark++;
    if (mark >= this.#entries.length) this.#grow();
    return mark;
  }

  /** No TLB held the leaf. */
  returnMark(mark: number): void {
    this.#freeMarks.push(mark);
  }

  /** One more TLB entry carries the mark: one that was found, or a copy that a hit made of a marked one. */
  entryMarked(mark: number): void {
    this.#entries[mark] = (this.#entries[mark] as number) + 1;
  }

  /**
   * TLB entries hold the leaf at `iova`, which is gone from the table, and carry `mark`: the window opens now.
   * @param level of the leaf, -1 when its descriptor is not known @param low its halves
   */
  open(mark: number, iova: number, size: number, level: number, low: number, high: number): void {
    const { clock, accesses, operation } = this.#sanitizer;
    const entries = this.#entries[mark] as number;
    this.#openCycles[mark] = clock.cycles;
    this.#openSeconds[mark] = clock.seconds;
    this.#openAccesses[mark] = accesses;
    this.#operations[mark] = operation;
    this.#leaves[3 * mark] = level;
    this.#leaves[3 * mark + 1] = low;
    this.#leaves[3 * mark + 2] = high;
    this.#sanitizer.found(FindingKind.STALE_WINDOW, iova, () => ({
      detail: `${entries} TLB ${entries === 1 ? 'entry still holds' : 'entries still hold'} the unmapped leaf of ${size} bytes`,
      ...this.#leaf(mark),
    }));
  }

  /** One marked TLB entry is gone; with the last one the window closes. */
  entryDropped(mark: number): void {
    const left = (this.#entries[mark] as number) - 1;
    if (left < 0) return;
    this.#entries[mark] = left;
    if (left === 0) this.#close(mark);
  }

  /** An access to `iova` was served by an entry that carries `mark`. */
  hit(mark: number, iova: number): void {
    const { clock } = this.#sanitizer;
    const cycles = clock.cycles - (this.#openCycles[mark] as number);
    // This access is one of them.
    const accesses = this.#sanitizer.accesses - (this.#openAccesses[mark] as number);
    this.#sanitizer.found(FindingKind.STALE_TLB_HIT, iova, () => {
      const leaf = this.#leaf(mark);
      const { level, low, high } = leaf;
      const what = level === undefined ? 'a translation' : `the level ${level} leaf ${descriptorText(low, high)}`;
      const when = `${Math.round(cycles)} cycles and ${accesses} ${accesses === 1 ? 'access' : 'accesses'} before`;
      return {
        detail: `${addressText(iova)} was served by ${what} that operation ${this.#operations[mark]} unmapped ${when}`,
        ...leaf,
        cycles,
        accesses,
      };
    });
  }

  /** The end of the run: windows still open count as lasting until now. */
  finish(): void {
    for (let mark = 1; mark < this.#nextMark; mark += 1) {
      if ((this.#entries[mark] as number) > 0) {
        this.#entries[mark] = 0;
        this.#close(mark);
      }
    }
  }

  #leaf(mark: number): { level: number; low: number; high: number } | { level?: never; low?: never; high?: never } {
    const level = this.#leaves[3 * mark] as number;
    if (level < 0) return {};
    return {
      level,
      low: (this.#leaves[3 * mark + 1] as number) >>> 0,
      high: (this.#leaves[3 * mark + 2] as number) >>> 0,
    };
  }

  #close(mark: number): void {
    const { clock } = this.#sanitizer;
    const cycles = clock.cycles - (this.#openCycles[mark] as number);
    const seconds = clock.seconds - (this.#openSeconds[mark] as number);
    if (cycles > this.longestCycles) this.longestCycles = cycles;
    if (seconds > this.longestSeconds) this.longestSeconds = seconds;
    this.#freeMarks.push(mark);
  }

  #grow(): void {
    const size = this.#entries.length * 2;
    const entries = new Int32Array(size);
    entries.set(this.#entries);
    this.#entries = entries;
    const leaves = new Int32Array(3 * size);
    leaves.set(this.#leaves);
    this.#leaves = leaves;
    const grow = (old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(size);
      larger.set(old);
      return larger;
    };
    this.#openCycles = grow(this.#openCycles);
    this.#openSeconds = grow(this.#openSeconds);
    this.#openAccesses = grow(this.#openAccesses);
    this.#operations = grow(this.#operations);
  }
}
