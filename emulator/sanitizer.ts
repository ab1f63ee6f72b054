/**
 * Names driver bugs that real hardware only shows as corruption. The emulator sees both sides, the tables as software left them
 * and the TLBs as hardware holds them; whoever sees something wrong says so here, and the sanitizer counts it, keeps the first
 * findings with their circumstances, and measures how long stale translations stay alive.
 */

/** What can be found. The names are those of the report. */
export const FindingKind = {
  /** A leaf is gone from the table, the unmap call has returned, and a TLB still holds the translation. */
  STALE_WINDOW: 'stale-window',
  /** An access was served by such a translation. */
  STALE_TLB_HIT: 'stale-tlb-hit',
  /** The walker read a descriptor whose newest value was still dirty in the CPU cache: a dma_sync is missing. */
  STALE_WALK: 'stale-walk',
  /** The walker read a table page that was already freed. */
  USE_AFTER_FREE_WALK: 'use-after-free-walk',
  /** A valid descriptor was replaced by a different valid one without an invalidation in between (Arm ARM D8.16.1). */
  BREAK_BEFORE_MAKE: 'break-before-make',
  /** Table memory was asked for in a path that must not allocate (a VM_BIND job at run time). */
  ALLOCATION_IN_RUN: 'allocation-in-run',
  /** A table page was never given back. */
  LEAKED_TABLE: 'leaked-table',
  DOUBLE_FREE: 'double-free',
  /** A table page was freed with another size or cookie than it was allocated with. */
  WRONG_FREE: 'wrong-free',
  /** An owner asked for more table memory than it may have. */
  OVER_LIMIT: 'over-limit',
  /** An invalidation dropped much more than the unmap that asked for it. */
  WIDE_INVALIDATION: 'wide-invalidation',
} as const;

export type FindingKind = (typeof FindingKind)[keyof typeof FindingKind];

export interface Finding {
  readonly kind: FindingKind;
  /** Number of the operation that was running, from 1. */
  readonly operation: number;
  readonly domain: number;
  readonly iova: number;
  readonly detail: string;
}

/** Where the machine stands: set by whoever drives it, read when something is found. */
export interface MachineClock {
  /** SMMU clock cycles since the start. */
  cycles: number;
  /** Seconds of the trace's clock. */
  seconds: number;
}

/** Findings kept with their circumstances; those after that are only counted. */
export const KEPT_FINDINGS = 100;

export class Sanitizer {
  /** Number of the map or unmap that is running or ran last, from 1. */
  operation = 0;
  /** Domain of that operation. */
  domain = 0;
  /** Address of the device access that is under way or was last. */
  accessIova = 0;
  readonly findings: Finding[] = [];
  longestWindowCycles = 0;
  longestWindowSeconds = 0;

  readonly #clock: Readonly<MachineClock>;
  readonly #counts = new Map<FindingKind, number>();
  /** Open windows by mark; index 0 is never used, as mark 0 means unmarked. */
  #entries = new Int32Array(64);
  #openCycles = new Float64Array(64);
  #openSeconds = new Float64Array(64);
  #operations = new Float64Array(64);
  readonly #freeMarks: number[] = [];
  #nextMark = 1;

  constructor(clock: Readonly<MachineClock>) {
    this.#clock = clock;
  }

  count(kind: FindingKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** Kinds that were found, with how often, in the order in which they were first seen. */
  countsByKind(): ReadonlyMap<FindingKind, number> {
    return this.#counts;
  }

  /** Records something found during the running operation. `detail` is only asked for while findings are still kept. */
  found(kind: FindingKind, iova: number, detail: () => string): void {
    this.#counts.set(kind, this.count(kind) + 1);
    if (this.findings.length < KEPT_FINDINGS) {
      this.findings.push({
        kind,
        operation: this.operation,
        domain: this.domain,
        iova,
        detail: detail(),
      });
    }
  }

  /** A mark for the TLB entries of a leaf that was just removed; {@link openWindow} when some carry it, else {@link returnMark}. */
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
    this.#entries[mark] = (this.#entries[mark] ?? 0) + 1;
  }

  /** TLB entries hold the leaf at `iova`, which is gone from the table, and carry `mark`: the window opens now. */
  openWindow(mark: number, iova: number, size: number): void {
    const entries = this.#entries[mark] ?? 0;
    this.#openCycles[mark] = this.#clock.cycles;
    this.#openSeconds[mark] = this.#clock.seconds;
    this.#operations[mark] = this.operation;
    this.found(
      FindingKind.STALE_WINDOW,
      iova,
      () =>
        `${entries} TLB ${entries === 1 ? 'entry still holds' : 'entries still hold'} the unmapped leaf of ${size} bytes`,
    );
  }

  /** One marked TLB entry is gone; with the last one the window closes. */
  entryDropped(mark: number): void {
    const left = (this.#entries[mark] ?? 0) - 1;
    if (left < 0) return;
    this.#entries[mark] = left;
    if (left === 0) this.#close(mark);
  }

  /** An access to `iova` was served by an entry that carries `mark`. */
  staleHit(mark: number, iova: number): void {
    const age = this.#clock.cycles - (this.#openCycles[mark] ?? 0);
    const operation = this.#operations[mark] ?? 0;
    this.found(
      FindingKind.STALE_TLB_HIT,
      iova,
      () => `served by a translation that operation ${operation} unmapped ${age} cycles before`,
    );
  }

  /** The walker read a descriptor at `pa` that the CPU had changed, but not made visible to it. */
  staleWalk(pa: number, low: number, high: number): void {
    const { accessIova } = this;
    this.found(FindingKind.STALE_WALK, accessIova, () => {
      const descriptor = high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
      return `the walker read descriptor 0x${descriptor} at 0x${pa.toString(16)}, which is newer in the CPU cache: not synced`;
    });
  }

  /** The end of the run: windows still open count as lasting until now. */
  finish(): void {
    for (let mark = 1; mark < this.#nextMark; mark += 1) {
      if ((this.#entries[mark] ?? 0) > 0) {
        this.#entries[mark] = 0;
        this.#close(mark);
      }
    }
  }

  #close(mark: number): void {
    const cycles = this.#clock.cycles - (this.#openCycles[mark] ?? 0);
    const seconds = this.#clock.seconds - (this.#openSeconds[mark] ?? 0);
    if (cycles > this.longestWindowCycles) this.longestWindowCycles = cycles;
    if (seconds > this.longestWindowSeconds) this.longestWindowSeconds = seconds;
    this.#freeMarks.push(mark);
  }

  #grow(): void {
    const size = this.#entries.length * 2;
    const entries = new Int32Array(size);
    entries.set(this.#entries);
    this.#entries = entries;
    const grow = (old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(size);
      larger.set(old);
      return larger;
    };
    this.#openCycles = grow(this.#openCycles);
    this.#openSeconds = grow(this.#openSeconds);
    this.#operations = grow(this.#operations);
  }
}
