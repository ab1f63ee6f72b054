import type { TraceEvent } from '../capture/index.ts';

/** A place where lines of the capture are missing though it does not say so. */
export interface Hole {
  /** The first line behind it that does not fit what was before, */
  readonly line: number;
  /** and its time in the capture. */
  readonly time: number;
  /** Calls that something must have been lost for there. */
  readonly calls: number;
}

/** Calls in doubt that are looked at; more are no longer a hole. */
const MOST = 4096;
/** So many calls that all point at one place are no chance, */
const TELLING = 6;
/** if so large a share of them are maps over mappings of before it, */
const OVER = 0.2;
/** and they are so large a share of all that are in doubt: wrong guesses point at many places. */
const SHARE = 0.5;
const MOST_HOLES = 4;

/**
 * Finds holes of a capture. A map over a live mapping tells that the unmap between the two was lost, an unmap of what nothing holds that its map was:
 * each points at the lines between. Where most of them have lines in common, those are the place.
 *
 * Does not find a hole after which everything fits by chance, or is taken for another domain's; nor single lines lost here and there.
 */
export class Holes {
  readonly #after: number[] = [];
  readonly #before: number[] = [];
  readonly #times: number[] = [];

  /** This call cannot be, unless something was lost. @param since line of the mapping that is in the way; -1 when there is none */
  doubted({ line, time }: TraceEvent, since: number): void {
    if (this.#after.length === MOST || since >= line) return;
    this.#after.push(since);
    this.#before.push(line);
    this.#times.push(time);
  }

  /** The places, the most telling first. */
  find(): Hole[] {
    let left = this.#after.map((_, at) => at);
    const holes: Hole[] = [];
    while (holes.length < MOST_HOLES && left.length >= TELLING) {
      const place = this.#common(left);
      const those = left.filter((at) => this.#spans(at, place));
      const over = those.filter((at) => (this.#after[at] as number) >= 0);
      if (over.length < OVER * those.length || those.length < Math.max(TELLING, SHARE * left.length)) break;
      // Doubts come in the order of the lines.
      const first = those[0] as number;
      holes.push({ line: this.#before[first] as number, time: this.#times[first] as number, calls: those.length });
      left = left.filter((at) => !this.#spans(at, place));
    }
    return holes;
  }

  /** The line behind which most of them have something missing. */
  #common(left: readonly number[]): number {
    const starts = left.map((at) => this.#after[at] as number).sort(ascending);
    const ends = left.map((at) => this.#before[at] as number).sort(ascending);
    let [most, place, ended] = [0, -1, 0];
    for (const [begun, start] of starts.entries()) {
      while ((ends[ended] as number) <= start) ended++;
      if (begun + 1 - ended < most) continue;
      most = begun + 1 - ended;
      place = start;
    }
    return place;
  }

  #spans(at: number, place: number): boolean {
    return (this.#after[at] as number) <= place && (this.#before[at] as number) > place;
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}
