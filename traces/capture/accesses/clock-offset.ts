/** How far the clock of an IOMMU's own log is ahead of the clock of the trace of the same run. */
import { InputError } from '../../input-error.ts';
import type { ClockOffset } from '../capture-feed.ts';

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
  const offset = median(differences);
  const distances = differences.map((one) => Math.abs(one - offset)).filter((one) => one <= NEAR);
  // Votes of one run agree; those of two are all over.
  if (distances.length < Math.max(LEAST, differences.length / 2)) {
    throw new InputError(
      file,
      '',
      `${invalidations.length} range invalidations, of which too few follow the ${unmaps.length} unmaps of the capture`,
      'the log of the same run, recorded with iommu.strict=1',
    );
  }
  distances.sort((a, b) => a - b);
  return {
    offset,
    matched: distances.length,
    by: 'invalidations',
    of: unmaps.length,
    spread: distances[Math.floor(distances.length * 0.9)] ?? 0,
  };
}

/** Of the first accesses to mappings such a share follows within so many seconds of each other after the map: less is chance. */
const PROMPT_SHARE = 0.002;
const PROMPT_WITHIN = 0.0003;
/** Maps whose first access comes within so many seconds of the promptest ones count as matched. */
const PROMPT = 0.005;

/**
 * The offset where invalidations tell nothing, because a lazy kernel invalidates whole address spaces: no access comes before its map, and some come
 * at once. Later than the truth by what the promptest device takes, some 0.1 ms.
 *
 * @param maps time of each map that nothing else in the capture looks like, by its page and distance
 * @param accesses time of the first access to each
 * @throws InputError when too few are in both
 */
export function promptOffset(
  maps: ReadonlyMap<number, ReadonlyMap<number, number>>,
  accesses: ReadonlyMap<number, ReadonlyMap<number, number>>,
  file: string,
): ClockOffset {
  const differences: number[] = [];
  let of = 0;
  for (const [page, distances] of maps) {
    for (const [distance, time] of distances) {
      of++;
      const first = accesses.get(page)?.get(distance);
      if (first !== undefined && !Number.isNaN(time)) differences.push(first - time);
    }
  }
  differences.sort((a, b) => a - b);
  const together = Math.max(LEAST, Math.floor(differences.length * PROMPT_SHARE));
  const offset = differences.find((one, at) => (differences[at + together] ?? Number.NaN) - one <= PROMPT_WITHIN);
  const matched = differences.filter((one) => Math.abs(one - (offset ?? 0)) <= PROMPT);
  if (offset === undefined || matched.length < LEAST) {
    throw new InputError(
      file,
      '',
      `translations of ${differences.length} of the ${of} mappings of the capture, and no range invalidations that follow its unmaps`,
      'the log of the same run',
    );
  }
  const distances = matched.map((one) => Math.abs(one - offset)).sort((a, b) => a - b);
  return {
    offset,
    by: 'accesses',
    matched: matched.length,
    of,
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
