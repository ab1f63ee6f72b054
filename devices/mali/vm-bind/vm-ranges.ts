/**
 * What a GPU's virtual machine has mapped, as the driver remembers it: disjoint ranges in order of address, each with the physical
 * address it starts at and its protection. A new mapping takes the place of what it overlaps; a range that sticks out on either side
 * is cut down to its previous and next parts, as Linux's GPU VM manager does (drm_gpuvm).
 */

/** One mapping. Plain JSON. */
export interface VmRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Physical address of `start`. */
  readonly pa: number;
  /** `Prot` bits. */
  readonly prot: number;
}

/** What happens to one mapping that a new one or an unmap overlaps. */
export interface Overlap {
  /** The part that goes: `[start, end)`. */
  readonly start: number;
  readonly end: number;
  /** What stays before it, or null. */
  readonly previous: VmRange | null;
  /** What stays behind it, or null. */
  readonly next: VmRange | null;
}

export class VmRanges {
  #count = 0;
  #starts = new Float64Array(16);
  #ends = new Float64Array(16);
  #pas = new Float64Array(16);
  #prots = new Uint32Array(16);

  get count(): number {
    return this.#count;
  }

  /** The range that holds `iova`, or null. */
  find(iova: number): VmRange | null {
    const at = this.#firstEndingAfter(iova);
    return at < this.#count && (this.#starts[at] as number) <= iova ? this.#range(at) : null;
  }

  /** All ranges, in order of address. */
  list(): VmRange[] {
    return Array.from({ length: this.#count }, (_, at) => this.#range(at));
  }

  /** What `[start, end)` overlaps, in order of address. Changes nothing. */
  overlaps(start: number, end: number): Overlap[] {
    const found: Overlap[] = [];
    for (let at = this.#firstEndingAfter(start); at < this.#count; at++) {
      const range = this.#range(at);
      if (range.start >= end) break;
      const from = Math.max(start, range.start);
      const to = Math.min(end, range.end);
      found.push({
        start: from,
        end: to,
        previous: from > range.start ? { ...range, end: from } : null,
        next: to < range.end ? { ...range, start: to, pa: range.pa + (to - range.start) } : null,
      });
    }
    return found;
  }

  /** Forgets whatever is mapped in `[start, end)`; ranges that stick out keep their outer parts. */
  cut(start: number, end: number): void {
    for (const { previous, next } of this.overlaps(start, end)) {
      const at = this.#firstEndingAfter(start);
      this.#delete(at);
      if (next !== null) this.#insert(at, next);
      if (previous !== null) this.#insert(at, previous);
    }
  }

  /** Adds a range where nothing is mapped. */
  add(range: VmRange): void {
    this.#insert(this.#firstEndingAfter(range.start), range);
  }

  #range(at: number): VmRange {
    return {
      start: this.#starts[at] as number,
      end: this.#ends[at] as number,
      pa: this.#pas[at] as number,
      prot: this.#prots[at] as number,
    };
  }

  /** Index of the first range that ends above `iova`: the ranges are disjoint, so the ends are in order too. */
  #firstEndingAfter(iova: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] as number) > iova) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #insert(at: number, range: VmRange): void {
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts.copyWithin(at + 1, at, this.#count);
    this.#ends.copyWithin(at + 1, at, this.#count);
    this.#pas.copyWithin(at + 1, at, this.#count);
    this.#prots.copyWithin(at + 1, at, this.#count);
    this.#starts[at] = range.start;
    this.#ends[at] = range.end;
    this.#pas[at] = range.pa;
    this.#prots[at] = range.prot;
    this.#count++;
  }

  #delete(at: number): void {
    this.#starts.copyWithin(at, at + 1, this.#count);
    this.#ends.copyWithin(at, at + 1, this.#count);
    this.#pas.copyWithin(at, at + 1, this.#count);
    this.#prots.copyWithin(at, at + 1, this.#count);
    this.#count--;
  }

  #grow(): void {
    const starts = new Float64Array(this.#count * 2);
    const ends = new Float64Array(this.#count * 2);
    const pas = new Float64Array(this.#count * 2);
    const prots = new Uint32Array(this.#count * 2);
    starts.set(this.#starts);
    ends.set(this.#ends);
    pas.set(this.#pas);
    prots.set(this.#prots);
    this.#starts = starts;
    this.#ends = ends;
    this.#pas = pas;
    this.#prots = prots;
  }
}
