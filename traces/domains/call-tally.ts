import { Context, type TraceEvent, UNKNOWN } from '../capture/index.ts';
import { Holes } from './holes.ts';

/** Contradictions of which the line is kept; all are counted. */
const KEPT = 100;

/** What the calls of a capture say about the capture: how many there are, who made them, and which fit nothing. */
export class CallTally {
  /** Maps and unmaps. */
  calls = 0;
  /** Unmaps that matched nothing. */
  unmatched = 0;
  contradictions = 0;
  /** Lines of the first hundred. */
  readonly contradictionLines: number[] = [];
  /** Calls before the first unmatched unmap, and before the first contradiction; infinite where there is none. */
  firstUnmatched = Number.POSITIVE_INFINITY;
  firstContradiction = Number.POSITIVE_INFINITY;
  /** Whether the capture says that events were lost. */
  lost = false;
  /** Where lines are missing. */
  readonly holes = new Holes();
  #task = UNKNOWN;
  #severalTasks = false;

  /** Whether one thread made all calls, or the capture does not tell threads and interrupts apart. */
  get oneTask(): boolean {
    return !this.#severalTasks;
  }

  called({ pid, context }: TraceEvent): void {
    const task = context > Context.TASK ? -1 - context : pid;
    if (this.calls++ === 0) this.#task = task;
    else if (task !== this.#task) this.#severalTasks = true;
  }

  matchedNothing(event: TraceEvent): void {
    this.unmatched++;
    this.holes.doubted(event, UNKNOWN);
    this.firstUnmatched = Math.min(this.firstUnmatched, this.calls);
  }

  /** @param since line of the map that is in the way; -1 where there is none */
  contradicted(event: TraceEvent, since: number): void {
    const { line } = event;
    this.contradictions++;
    if (since !== UNKNOWN) this.holes.doubted(event, since);
    this.firstContradiction = Math.min(this.firstContradiction, this.calls);
    if (this.contradictionLines.length < KEPT) this.contradictionLines.push(line);
  }
}
