/** Counters per octave: a value is known to 9 %. */
const STEPS = 8;
/** Octaves from 2^-3 to 2^49 cycles. */
const OCTAVES = 52;
const LOWEST = -3;

/**
 * Counts cycles in about 400 counters, eight to the octave, so that there may be one for every domain, size and device. Count, sum and
 * extremes are exact; a percentile is right to 9 %.
 */
export class SmallHistogram {
  count = 0;
  total = 0;
  max = 0;
  min = Number.POSITIVE_INFINITY;
  readonly #counts = new Float64Array(STEPS * OCTAVES);

  add(cycles: number): void {
    this.count++;
    this.total += cycles;
    if (cycles > this.max) this.max = cycles;
    if (cycles < this.min) this.min = cycles;
    const step = cycles <= 0 ? 0 : Math.floor(STEPS * (Math.log2(cycles) - LOWEST));
    const at = step < 0 ? 0 : step >= STEPS * OCTAVES ? STEPS * OCTAVES - 1 : step;
    this.#counts[at] = (this.#counts[at] as number) + 1;
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.total / this.count;
  }

  /** Smallest value that at least `fraction` (0 to 1) of all have not exceeded, to 9 %; 0 when there are none. */
  percentile(fraction: number): number {
    if (this.count === 0) return 0;
    const rank = Math.max(1, Math.ceil(fraction * this.count));
    let seen = 0;
    for (let at = 0; at < this.#counts.length; at++) {
      seen += this.#counts[at] as number;
      if (seen < rank) continue;
      const upper = 2 ** (LOWEST + (at + 1) / STEPS);
      return Math.max(this.min, Math.min(this.max, upper));
    }
    return this.max;
  }

  /** Lower and upper bound of each counter that has anything, rising. */
  *entries(): Generator<readonly [from: number, to: number, count: number]> {
    for (let at = 0; at < this.#counts.length; at++) {
      const times = this.#counts[at] as number;
      if (times > 0) yield [2 ** (LOWEST + at / STEPS), 2 ** (LOWEST + (at + 1) / STEPS), times];
    }
  }
}
