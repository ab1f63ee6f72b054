import { LatencyHistogram } from '../time/index.ts';
import { addressText, descriptorText, FindingKind, type FindingSink } from './finding.ts';

/** A stale window that has closed; the object is reused. */
export class ClosedWindow {
  /** Its mark, as `TranslationRequest.staleMark` has it; another window may have it from now on. */
  mark = 0;
  /** The unmap that opened it. */
  operation = 0;
  /** The leaf that TLBs still held. */
  iova = 0;
  size = 0;
  /** Cycle at which it opened, and how long it stood open, in cycles. */
  start = 0;
  cycles = 0;
  /** Accesses that were served by it, and the cycle of the last one. */
  hits = 0;
  lastHit = 0;
}

/** Numbers kept of each open window. */
const Field = { OPERATION: 0, IOVA: 1, SIZE: 2, START: 3, ACCESSES: 4, HITS: 5, LAST_HIT: 6 } as const;
const FIELDS = 7;

/**
 * Translations that live on in TLBs after their leaf is gone: from the unmap to the last TLB entry that goes. Each window has a
 * mark, a small number that its TLB entries carry; who looks into the TLBs puts it there, and tells of each entry that comes and goes.
 */
export class StaleWindows {
  /** How long windows that have closed stood open, in cycles. */
  readonly lengths = new LatencyHistogram();

  /** Told of each window that closes. */
  onClose: ((window: Readonly<ClosedWindow>) => void) | null = null;

  readonly #closed = new ClosedWindow();
  readonly #sanitizer: FindingSink;
  /** Windows by mark; index 0 is never used, as mark 0 means unmarked. */
  #entries = new Int32Array(64);
  /** {@link FIELDS} of each. */
  #open = new Float64Array(FIELDS * 64);
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
    const at = FIELDS * mark;
    const fields = this.#open;
    fields[at + Field.OPERATION] = operation;
    fields[at + Field.IOVA] = iova;
    fields[at + Field.SIZE] = size;
    fields[at + Field.START] = clock.cycles;
    fields[at + Field.ACCESSES] = accesses;
    fields[at + Field.HITS] = 0;
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
    const fields = this.#open;
    const at = FIELDS * mark;
    fields[at + Field.HITS] = (fields[at + Field.HITS] as number) + 1;
    fields[at + Field.LAST_HIT] = clock.cycles;
    const cycles = clock.cycles - (fields[at + Field.START] as number);
    // This access is one of them.
    const accesses = this.#sanitizer.accesses - (fields[at + Field.ACCESSES] as number);
    const operation = fields[at + Field.OPERATION] as number;
    this.#sanitizer.found(FindingKind.STALE_TLB_HIT, iova, () => {
      const leaf = this.#leaf(mark);
      const { level, low, high } = leaf;
      const what = level === undefined ? 'a translation' : `the level ${level} leaf ${descriptorText(low, high)}`;
      const when = `${Math.round(cycles)} cycles and ${accesses} ${accesses === 1 ? 'access' : 'accesses'} before`;
      return {
        detail: `${addressText(iova)} was served by ${what} that operation ${operation} unmapped ${when}`,
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
    const at = FIELDS * mark;
    const fields = this.#open;
    const start = fields[at + Field.START] as number;
    const cycles = clock.cycles - start;
    if (this.onClose !== null) {
      const closed = this.#closed;
      closed.mark = mark;
      closed.operation = fields[at + Field.OPERATION] as number;
      closed.iova = fields[at + Field.IOVA] as number;
      closed.size = fields[at + Field.SIZE] as number;
      closed.start = start;
      closed.cycles = cycles;
      closed.hits = fields[at + Field.HITS] as number;
      closed.lastHit = fields[at + Field.LAST_HIT] as number;
      this.onClose(closed);
    }
    this.lengths.add(cycles);
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
    const open = new Float64Array(FIELDS * size);
    open.set(this.#open);
    this.#open = open;
  }
}
