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
  /** Places that hold a line, in the order in which they were filled: a flush looks at these only. */
  readonly #filled: Int32Array;
  #filledCount = 0;
  #dirtyCount = 0;
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
    this.#filled = new Int32Array(lines);
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
        if (write) this.#soil(at);
        return this.#hitCycles;
      }
      if ((this.#used[at] as number) < (this.#used[oldest] as number)) oldest = at;
    }
    this.misses++;
    if (this.#tags[oldest] === EMPTY) this.#filled[this.#filledCount++] = oldest;
    this.evictions += this.#dirty[oldest] as number;
    this.#dirtyCount -= this.#dirty[oldest] as number;
    this.#tags[oldest] = line;
    this.#dirty[oldest] = 0;
    if (write) this.#soil(oldest);
    this.#used[oldest] = this.#clock;
    return this.#missCycles;
  }

  /** Cleans, and with `invalidate` drops, every line. @returns how many were dirty */
  flush(invalidate: boolean): number {
    const cleaned = this.#dirtyCount;
    for (let i = 0; i < this.#filledCount; i++) {
      const at = this.#filled[i] as number;
      this.#dirty[at] = 0;
      if (!invalidate) continue;
      this.#tags[at] = EMPTY;
      this.#used[at] = 0;
    }
    this.#dirtyCount = 0;
    this.cleaned += cleaned;
    if (invalidate) {
      this.invalidated += this.#filledCount;
      this.#filledCount = 0;
    }
    return cleaned;
  }

  #soil(at: number): void {
    this.#dirtyCount += 1 - (this.#dirty[at] as number);
    this.#dirty[at] = 1;
  }
}
