import { Prng } from '../../../formats/index.ts';
import type { AccessConfig, AccessPattern } from '../../config/index.ts';

/**
 * Pages of one operation that the device touches, as many as 1 GiB has of 4 KiB: of a larger range it touches so many at most, at equal
 * distances from the first on. A line of a capture can name 64 GiB and more, of which each page would cost a translation, or a fault.
 */
const MOST_TOUCHED = 2 ** 18;

const Step = { DONE: 0, PER_PAGE: 1, SEQUENTIAL: 2, RANDOM: 3 } as const;

/**
 * Makes the addresses of a pattern, one at a time, in its own fields:
 *
 *     accesses.afterMap(iova, size);
 *     while (accesses.next()) mmu.translate(... accesses.iova, accesses.size ...);
 *
 * No access leaves its mapping or crosses a page.
 */
export class AccessStream {
  /** First byte of the access. */
  iova = 0;
  /** Bytes of the access. */
  size = 0;

  readonly #pattern: AccessPattern;
  readonly #accessSize: number;
  readonly #accessesPerMap: number;
  readonly #pageSize: number;
  readonly #prng: Prng;
  #step: number = Step.DONE;
  #start = 0;
  #end = 0;
  #at = 0;
  /** From one touched page to the next, in bytes. */
  #stride = 0;
  #slots = 0;
  #left = 0;

  /** @param pageSize what `touch` and `probe` take as a page: the granule, in bytes (a power of two of at least 4096). */
  constructor(config: AccessConfig, pageSize: number) {
    this.#pattern = config.pattern;
    this.#accessSize = config.accessSize;
    this.#accessesPerMap = config.accessesPerMap;
    this.#pageSize = pageSize;
    this.#prng = new Prng(config.seed);
  }

  /** Starts what the device does right after `[iova, iova + size)` was mapped. */
  afterMap(iova: number, size: number): void {
    const pattern = this.#pattern;
    if (touches(pattern)) this.#begin(Step.PER_PAGE, iova, size);
    else if (pattern === 'sequential') this.#begin(Step.SEQUENTIAL, iova, size);
    else if (pattern === 'random') this.#begin(Step.RANDOM, iova, size);
    else this.#step = Step.DONE;
  }

  /** Starts what the device does just before `[iova, iova + size)` is unmapped. */
  beforeUnmap(iova: number, size: number): void {
    const pattern = this.#pattern;
    if (touches(pattern)) this.#begin(Step.PER_PAGE, iova, size);
    else this.#step = Step.DONE;
  }

  /** Starts what the device does right after `[iova, iova + size)` was unmapped. */
  afterUnmap(iova: number, size: number): void {
    if (this.#pattern === 'probe') this.#begin(Step.PER_PAGE, iova, size);
    else this.#step = Step.DONE;
  }

  /** One access, at this address. */
  at(iova: number): void {
    this.#begin(Step.PER_PAGE, iova, this.#accessSize);
  }

  /** Moves to the next access; false when there is none left. */
  next(): boolean {
    if (this.#step === Step.PER_PAGE) {
      if (this.#at >= this.#end) return false;
      this.iova = this.#at;
      this.#at += this.#stride;
      return true;
    }
    if (this.#step === Step.DONE || this.#left === 0) return false;
    this.#left--;
    if (this.#step === Step.SEQUENTIAL) {
      this.iova = this.#at;
      this.#at += this.size;
      if (this.#at + this.size > this.#end) this.#at = this.#start;
    } else {
      this.iova = this.#start + this.#prng.below(this.#slots) * this.size;
    }
    return true;
  }

  #begin(step: number, iova: number, size: number): void {
    this.#start = iova;
    this.#end = iova + size;
    this.#at = iova;
    // A mapping smaller than an access is taken whole.
    this.size = Math.min(size, this.#accessSize);
    this.#step = size > 0 ? step : Step.DONE;
    this.#stride = this.#pageSize * Math.ceil(size / this.#pageSize / MOST_TOUCHED);
    if (step === Step.PER_PAGE) return;
    this.#left = this.#accessesPerMap;
    this.#slots = Math.floor(size / this.size);
  }
}

function touches(pattern: AccessPattern): boolean {
  return pattern === 'touch' || pattern === 'probe' || pattern === 'linger';
}
