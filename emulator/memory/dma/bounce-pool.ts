/**
 * Bounce buffers: memory that the device can address stands in for memory that it cannot (Linux kernel/dma/swiotlb.c).
 * Slots of 2 KiB, at most 128 in a row for one mapping; the search goes on where the last one ended.
 */

import type { TableMemory } from '../../../formats/index.ts';

const SLOT_SIZE = 2048;
const LONGEST_RUN = 128;
const NONE = -1;

export class BouncePool {
  readonly base: number;
  readonly size: number;
  readonly #view: TableMemory;
  /** Slots in the run that begins here; 0 when free, -1 inside a run. */
  readonly #run: Int16Array;
  /** Address that the run that begins here stands for. */
  readonly #original: Float64Array;
  #next = 0;
  /** Bytes copied in either direction. */
  bytesCopied = 0;

  /** @param view the CPU's view of memory: the CPU does the copying. */
  constructor(view: TableMemory, base: number, size: number) {
    this.#view = view;
    this.base = base;
    this.size = size;
    this.#run = new Int16Array(size / SLOT_SIZE);
    this.#original = new Float64Array(size / SLOT_SIZE);
  }

  /** True when `pa` is in the pool. */
  holds(pa: number): boolean {
    return pa >= this.base && pa < this.base + this.size;
  }

  /** Physical address of a run of slots that stands for `[pa, pa + size)`, at the same offset within a page; -1 when there is none. */
  take(pa: number, size: number): number {
    const offset = pa % 4096;
    const slots = Math.ceil((offset + size) / SLOT_SIZE);
    if (slots > LONGEST_RUN || slots > this.#run.length) return NONE;
    // A run begins on a page, so that the offset within the page can be kept.
    const step = 4096 / SLOT_SIZE;
    for (let tried = 0; tried < this.#run.length; tried += step) {
      const first = (this.#next + tried) % this.#run.length;
      if (!this.#isFree(first, slots)) continue;
      this.#run.fill(-1, first, first + slots);
      this.#run[first] = slots;
      this.#original[first] = pa - offset;
      this.#next = (first + Math.ceil(slots / step) * step) % this.#run.length;
      return this.base + first * SLOT_SIZE + offset;
    }
    return NONE;
  }

  /** Frees the run that holds `pa`. */
  give(pa: number): void {
    const first = this.#firstSlot(pa);
    if (first >= 0) this.#run.fill(0, first, first + (this.#run[first] as number));
  }

  /** The CPU copies `[pa, pa + size)` of the pool from or to the memory it stands for. */
  copy(pa: number, size: number, toPool: boolean): void {
    const first = this.#firstSlot(pa);
    if (first < 0) return;
    const original = (this.#original[first] as number) + (pa - (this.base + first * SLOT_SIZE));
    const [from, to] = toPool ? [original, pa] : [pa, original];
    for (let done = 0; done < size; done += 4 - ((from + done) % 4))
      this.#copyWord(from + done, to + done, size - done);
    this.#view.written(to, size);
    this.bytesCopied += size;
  }

  /** Up to one word, from `from` to `to`, which lie at the same offset within a word. */
  #copyWord(from: number, to: number, size: number): void {
    const first = from % 4;
    const last = Math.min(first + size, 4);
    const mask = last - first === 4 ? 0xffff_ffff : (2 ** (8 * (last - first)) - 1) * 2 ** (8 * first);
    const source = this.#view.index(from - first);
    const value = this.#view.words[source] as number;
    const target = this.#view.index(to - first);
    this.#view.words[target] = ((this.#view.words[target] as number) & ~mask) | (value & mask);
  }

  #firstSlot(pa: number): number {
    let slot = Math.floor((pa - this.base) / SLOT_SIZE);
    while (slot >= 0 && this.#run[slot] === -1) slot--;
    return slot >= 0 && (this.#run[slot] as number) > 0 ? slot : NONE;
  }

  #isFree(first: number, slots: number): boolean {
    if (first + slots > this.#run.length) return false;
    for (let slot = first; slot < first + slots; slot++) if (this.#run[slot] !== 0) return false;
    return true;
  }
}
