/** How far the clock of an IOMMU's own log is ahead of the clock of the trace of the same run. */
import { InputError } from '../../input-error.ts';

/** Things that happened at a range, in the order of their times. */
export class RangeLog {
  #times = new Float64Array(1024);
  #starts = new Float64Array(1024);
  #sizes = new Float64Array(1024);
  length = 0;

  add(time: number, start: number, size: number): void {
    if (this.length === this.#times.length) {
      this.#times = grown(this.#times);
      this.#starts = grown(this.#starts);
      this.#sizes = grown(this.#sizes);
    }
    this.#times[this.length] = time;
    this.#starts[this.length] = start;
    this.#sizes[this.length++] = size;
  }

  time(index: number): number {
    return this.#times[index] as number;
  }

  start(index: number): number {
    return this.#starts[index] as number;
  }

  size(index: number): number {
    return this.#sizes[index] as number;
  }

  /** Drops what precedes the last one, if that is the same: one range told twice. */
  key(index: number): string {
    return `${this.start(index)}+${this.size(index)}`;
  }
}

function grown(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * array.length);
  larger.set(array);
  return larger;
}

/** What the matching found. */
export interface ClockOffset {
  /** Seconds that the log's clock is ahead. */
  readonly offset: number;
  /** Unmaps whose invalidation was found at this distance, and all unmaps. */
  readonly matched: number;
  readonly unmaps: number;
  /** Seconds within which nine tenths of the matched ones lie around the offset. */
  readonly spread: number;
}

/** Unmaps in a row that are looked for as one: a single range comes again and again, ten in a row hardly. */
const RUN = 8;
/** Matches farther from the median than this are chance. */
const NEAR = 0.05;
/** Fewer matches prove nothing. */
const LEAST = 3;

/**
 * Finds the offset by matching each run of unmaps with the same run of range invalidations: an unmap in strict mode is followed by the invalidation of just
 * its range. Runs that occur once in each log vote; the median wins.
 *
 * @param file of the log, for the error
 * @throws InputError when too few match, as in lazy mode, which invalidates whole address spaces
 */
export function clockOffset(unmaps: RangeLog, invalidations: RangeLog, file: string): ClockOffset {
  let differences: number[] = [];
  for (let run = RUN; run >= 1 && differences.length < LEAST; run--) differences = votes(unmaps, invalidations, run);
  if (differences.length < LEAST) {
    throw new InputError(
      file,
      '',
      `${invalidations.length} range invalidations, of which too few follow the ${unmaps.length} unmaps of the capture`,
      'the log of the same run, recorded with iommu.strict=1',
    );
  }
  const offset = median(differences);
  const distances = differences.map((one) => Math.abs(one - offset)).filter((one) => one <= NEAR);
  distances.sort((a, b) => a - b);
  return {
    offset,
    matched: distances.length,
    unmaps: unmaps.length,
    spread: distances[Math.floor(distances.length * 0.9)] ?? 0,
  };
}

/** Time differences of runs that occur once in either log. */
function votes(unmaps: RangeLog, invalidations: RangeLog, run: number): number[] {
  const there = uniqueRuns(invalidations, run);
  const differences: number[] = [];
  for (const [key, index] of uniqueRuns(unmaps, run)) {
    const other = there.get(key);
    if (index < 0 || other === undefined || other < 0) continue;
    differences.push(invalidations.time(other) - unmaps.time(index));
  }
  return differences;
}

/** Where each run begins; -1 for one that occurs again. */
function uniqueRuns(log: RangeLog, run: number): Map<string, number> {
  const places = new Map<string, number>();
  const keys: string[] = [];
  for (let index = 0; index < log.length; index++) {
    keys.push(log.key(index));
    if (keys.length > run) keys.shift();
    if (keys.length < run) continue;
    const key = keys.join(' ');
    places.set(key, places.has(key) ? -1 : index);
  }
  return places;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}
