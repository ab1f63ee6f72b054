import type { MaliConfig } from './config.ts';

/** No line. */
const EMPTY = -1;

/**
 * The L2 cache between the cores and memory: which lines it holds and which of them are dirty, so that a flush has something to write
 * back and accesses after it something to wait for. Set-associative, least recently used; no data.
 */
export class L2Cache {
  hits = 0;
  misses = 0;
  /** Dirty lines that went to memory to make room. */
  evictions = 0;
  /** Lines that flushes wrote back, and lines that they dropped though nobody had edited anything there. */
  cleaned = 0;
  invalidated = 0;
  readonly #line: number;
  readonly #sets: number;
  readonly #ways: number;
  readonly #hitCycles: number;
  readonly #missCycles: number;
  readonly #tags: Float64Array;
  readonly #dirty: Uint8Array;
  readonly #used: Float64Array;
  #clock = 0;

  constructor(config: MaliConfig['l2']) {
    this.#line = config.line;
    this.#ways = config.ways;
    this.#sets = config.size / (config.line * config.ways);
    this.#hitCycles = config.hit;
    this.#missCycles = config.miss;
    const lines = this.#sets * config.ways;
    this.#tags = new Float64Array(lines).fill(EMPTY);
    this.#dirty = new Uint8Array(lines);
    this.#used = new Float64Array(lines);
  }

  /** Lines it can hold. */
  get lines(): number {
    return this.#tags.length;
  }

  /** One access within a line. @returns its cycles */
  access(pa: number, write: boolean): number {
    const line = Math.floor(pa / this.#line);
    const first = (line % this.#sets) * this.#ways;
    let oldest = first;
    this.#clock++;
    for (let at = first; at < first + this.#ways; at++) {
      if (this.#tags[at] === line) {
        this.hits++;
        this.#used[at] = this.#clock;
        if (write) this.#dirty[at] = 1;
        return this.#hitCycles;
      }
      if ((this.#used[at] as number) < (this.#used[oldest] as number)) oldest = at;
    }
    this.misses++;
    this.evictions += this.#dirty[oldest] as number;
    this.#tags[oldest] = line;
    this.#dirty[oldest] = write ? 1 : 0;
    this.#used[oldest] = this.#clock;
    return this.#missCycles;
  }

  /** Cleans, and with `invalidate` drops, every line. @returns how many were dirty */
  flush(invalidate: boolean): number {
    let cleaned = 0;
    for (let at = 0; at < this.#tags.length; at++) {
      cleaned += this.#dirty[at] as number;
      if (invalidate && this.#tags[at] !== EMPTY) this.invalidated++;
    }
    this.#dirty.fill(0);
    if (invalidate) {
      this.#tags.fill(EMPTY);
      this.#used.fill(0);
    }
    this.cleaned += cleaned;
    return cleaned;
  }
}
