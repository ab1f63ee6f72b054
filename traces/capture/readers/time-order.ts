import { copyEvent, TraceEvent } from '../events/index.ts';

/** Events held back at most: in a file without rounds, what is further apart than half of this stays in the order of the file. */
const MOST_HELD = 500_000;

/**
 * Puts events in the order of their times, where a file has those of each CPU together. perf writes what each CPU has gathered one behind the other, in rounds: no event of a round is earlier
 * than the latest one of the round before the last, so as much may go out at the end of each round.
 */
export class TimeOrder {
  readonly #spare: TraceEvent[] = [];
  #held: TraceEvent[] = [];
  /** Goes out, from {@link #at}. */
  #ready: TraceEvent[] = [];
  #at = 0;
  #latest = Number.NEGATIVE_INFINITY;
  #limit = Number.NEGATIVE_INFINITY;

  /** Takes a copy of an event. */
  hold(event: TraceEvent): void {
    const copy = this.#spare.pop() ?? new TraceEvent();
    copyEvent(event, copy);
    this.#held.push(copy);
    if (copy.time > this.#latest) this.#latest = copy.time;
    if (this.#held.length >= MOST_HELD) this.#release(this.#median());
  }

  /** A round ends. */
  round(): void {
    this.#release(this.#limit);
    this.#limit = this.#latest;
  }

  /** Nothing will follow. */
  end(): void {
    this.#release(Number.POSITIVE_INFINITY);
  }

  /** The next event in order, copied to `event`; false when there is none yet. */
  take(event: TraceEvent): boolean {
    const next = this.#ready[this.#at];
    if (next === undefined) return false;
    copyEvent(next, event);
    this.#spare.push(next);
    if (++this.#at === this.#ready.length) {
      this.#ready = [];
      this.#at = 0;
    }
    return true;
  }

  #median(): number {
    const times = Float64Array.from(this.#held, ({ time }) => time).sort();
    return times[times.length >> 1] as number;
  }

  #release(limit: number): void {
    const out: TraceEvent[] = [];
    const keep: TraceEvent[] = [];
    for (const event of this.#held) (event.time <= limit ? out : keep).push(event);
    if (out.length === 0) return;
    // Equal times keep the order of the file.
    out.sort((a, b) => a.time - b.time);
    this.#ready = this.#ready.slice(this.#at).concat(out);
    this.#at = 0;
    this.#held = keep;
  }
}
