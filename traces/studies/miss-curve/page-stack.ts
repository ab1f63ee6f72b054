import { Depths } from './depths.ts';
import { LruStack } from './lru-stack.ts';
import { FIRST_PAGE_SHIFT, OWNER_SHIFT, type Sample } from './sample.ts';

const FIRST_SLOTS = 1024;
const EMPTY = -1;

/**
 * What a TLB's curve would be if every translation were of pages of one size, whatever the tables have: the same lookups, by page number
 * of that size. An invalidation takes every page that it touches: of smaller pages those inside it, of a larger page the whole.
 */
export class PageStack {
  /** log2 of the page size. */
  readonly shift: number;
  readonly depths: Depths;
  readonly #sample: Sample;
  readonly #stack = new LruStack(FIRST_SLOTS);
  // Pages by number and owner: a hash table with linear probing, from which nothing is taken.
  #low = new Int32Array(2 * FIRST_SLOTS);
  #high = new Int32Array(2 * FIRST_SLOTS).fill(EMPTY);
  #page = new Int32Array(2 * FIRST_SLOTS);
  #pages = 0;

  constructor(shift: number, sample: Sample) {
    this.shift = shift;
    this.depths = new Depths(sample);
    this.#sample = sample;
  }

  /** A lookup of an address. @param low tag words of it, with their owner */
  lookup(low: number, high: number): void {
    const owner = high >>> OWNER_SHIFT;
    this.depths.ask(owner);
    const pageLow = this.#low32(low, high);
    const pageHigh = this.#high32(high);
    if (!this.#sample.takes(pageLow, pageHigh)) return;
    this.depths.add(owner, this.#stack.use(this.#numberOf(pageLow, pageHigh, true)), this.#sample.group);
  }

  /** What was at an address is invalidated. @param shift log2 of its size */
  drop(low: number, high: number, shift: number): void {
    if (shift <= this.shift) {
      this.#dropPage(this.#low32(low, high), this.#high32(high));
      return;
    }
    const pages = 2 ** Math.min(shift - this.shift, 31);
    const pageHigh = this.#high32(high);
    const pageLow = this.#low32(low, high);
    if (pages > this.#pages) {
      for (let slot = 0; slot < this.#high.length; slot++) {
        const inside = (((this.#low[slot] as number) ^ pageLow) & -pages) === 0 && this.#high[slot] === pageHigh;
        if (inside) this.#stack.drop(this.#page[slot] as number);
      }
      return;
    }
    for (let page = 0; page < pages; page++) this.#dropPage((pageLow + page) | 0, pageHigh);
  }

  #dropPage(low: number, high: number): void {
    const page = this.#numberOf(low, high, false);
    if (page >= 0) this.#stack.drop(page);
  }

  /** The page number in units of the size: its low 32 bits. */
  #low32(low: number, high: number): number {
    const bits = this.shift - FIRST_PAGE_SHIFT;
    return bits === 0 ? low : (low >>> bits) | ((high & 0xff) << (32 - bits));
  }

  /** The rest of the page number, with half and owner. */
  #high32(high: number): number {
    return (high & ~0xff) | ((high & 0xff) >>> (this.shift - FIRST_PAGE_SHIFT));
  }

  #numberOf(low: number, high: number, adds: boolean): number {
    const mask = this.#low.length - 1;
    let slot = (Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1) >>> 7) & mask;
    for (; this.#high[slot] !== EMPTY; slot = (slot + 1) & mask) {
      if (this.#low[slot] === low && this.#high[slot] === high) return this.#page[slot] as number;
    }
    if (!adds) return -1;
    if (2 * this.#pages >= this.#low.length) {
      this.#grow();
      return this.#numberOf(low, high, true);
    }
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#page[slot] = this.#pages;
    return this.#pages++;
  }

  #grow(): void {
    const [low, high, page] = [this.#low, this.#high, this.#page];
    this.#low = new Int32Array(2 * low.length);
    this.#high = new Int32Array(2 * low.length).fill(EMPTY);
    this.#page = new Int32Array(2 * low.length);
    const mask = this.#low.length - 1;
    for (let from = 0; from < low.length; from++) {
      if (high[from] === EMPTY) continue;
      const [one, other] = [low[from] as number, high[from] as number];
      let slot = (Math.imul(one ^ Math.imul(other, 0x85ebca6b), 0x9e3779b1) >>> 7) & mask;
      while (this.#high[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.#low[slot] = one;
      this.#high[slot] = other;
      this.#page[slot] = page[from] as number;
    }
  }
}
