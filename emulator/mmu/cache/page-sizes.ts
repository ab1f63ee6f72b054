import { maskHigh, maskLow } from './tag.ts';

const SHIFT_LIMIT = 64;

/** The page sizes that are in a cache, and how many entries each has: a search probes once for each. */
export class PageSizes {
  /** How many sizes there are: as many of the lists below as count. */
  count = 0;
  /** Sizes, as a shift, in no order. */
  readonly shifts = new Int32Array(SHIFT_LIMIT);
  /** Tag masks of each. */
  readonly masksLow = new Int32Array(SHIFT_LIMIT);
  readonly masksHigh = new Int32Array(SHIFT_LIMIT);
  readonly #entries = new Int32Array(SHIFT_LIMIT);

  /** Sizes in the cache but this one. */
  countBut(shift: number): number {
    return this.count - (this.#entries[shift] === 0 ? 0 : 1);
  }

  /** An entry of a size came (1) or went (-1). */
  change(shift: number, by: number): void {
    const entries = (this.#entries[shift] as number) + by;
    this.#entries[shift] = entries;
    if (entries === 1 && by === 1) {
      const at = this.count++;
      this.shifts[at] = shift;
      this.masksLow[at] = maskLow(shift);
      this.masksHigh[at] = maskHigh(shift);
    } else if (entries === 0) {
      const at = this.shifts.indexOf(shift);
      const last = --this.count;
      this.shifts[at] = this.shifts[last] as number;
      this.masksLow[at] = this.masksLow[last] as number;
      this.masksHigh[at] = this.masksHigh[last] as number;
    }
  }
}
