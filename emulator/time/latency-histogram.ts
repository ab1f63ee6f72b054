/** Latencies up to here are counted exactly, one counter per half cycle; clocks other than the SMMU's make halves possible. */
const EXACT = 1 << 15;

/**
 * Counts latencies in cycles, so that mean, percentiles and maximum can be told at the end. Takes constant memory: latencies of
 * {@link EXACT} cycles and more share counters of 1/64 octave (1.1 % wide), everything below is exact to the half cycle.
 */
export class LatencyHistogram {
  count = 0;
  total = 0;
  max = 0;
  readonly #exact = new Float64Array(2 * EXACT);
  /** Counters of 1/64 octave from EXACT up to 2^64 cycles. */
  readonly #coarse = new Float64Array(64 * 50);

  add(cycles: number): void {
    this.count++;
    this.total += cycles;
    if (cycles > this.max) this.max = cycles;
    if (cycles < EXACT) {
      const at = (cycles * 2) | 0;
      this.#exact[at] = (this.#exact[at] as number) + 1;
    } else {
      const at = Math.min(Math.floor(64 * Math.log2(cycles / EXACT)), this.#coarse.length - 1);
      this.#coarse[at] = (this.#coarse[at] as number) + 1;
    }
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.total / this.count;
  }

  /** Smallest latency that at least `fraction` (0 to 1) of all have not exceeded; 0 when there are none. */
  percentile(fraction: number): number {
    const rank = Math.max(1, Math.ceil(fraction * this.count));
    if (this.count === 0) return 0;
    let seen = 0;
    for (let at = 0; at < this.#exact.length; at++) {
      seen += this.#exact[at] as number;
      if (seen >= rank) return at / 2;
    }
    for (let at = 0; at < this.#coarse.length; at++) {
      seen += this.#coarse[at] as number;
      if (seen >= rank) return Math.min(this.max, Math.round(EXACT * 2 ** ((at + 1) / 64)));
    }
    return this.max;
  }

  /** Latency in cycles to how often it occurred, rising; those of {@link EXACT} cycles and more by the lower end of their counter. */
  *entries(): Generator<readonly [cycles: number, count: number]> {
    for (let at = 0; at < this.#exact.length; at++) {
      const times = this.#exact[at] as number;
      if (times > 0) yield [at / 2, times];
    }
    for (let at = 0; at < this.#coarse.length; at++) {
      const times = this.#coarse[at] as number;
      if (times > 0) yield [Math.round(EXACT * 2 ** (at / 64)), times];
    }
  }
}
