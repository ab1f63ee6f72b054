import { PhysicalMemory } from '../../../emulator/index.ts';
import { type Machine, NO_PAGES, type TableAllocator, type WarningCode } from '../../../formats/index.ts';

const FRAME = 65536;
/** First-level tables lie where they were recorded, at the start of a region of this size; the others behind it. */
const FIRST_LEVELS = 2 ** 24;
const OTHERS = 2 ** 28;

/**
 * Memory for the tables of one case. Where a first-level table lies is recorded, because it shows in registers; where the others lie is
 * not, and they come from elsewhere.
 */
export class TableMachine implements Machine {
  readonly memory: PhysicalMemory;
  readonly dma = { mapSingle: (pa: number): number => pa, unmapSingle(): void {}, syncSingleForDevice(): void {} };
  readonly pages: TableAllocator;
  readonly warn: (code: WarningCode) => void;
  /** Where the next first-level table lies; -1 when it does not matter. */
  firstLevel = -1;
  readonly #free = new Map<number, number[]>();
  #next: number;
  readonly #end: number;

  /** @param base below all recorded first-level tables */
  constructor(base: number, warn: (code: WarningCode) => void) {
    const start = base - (base % FRAME);
    this.memory = new PhysicalMemory({ banks: [{ base: start, size: FIRST_LEVELS + OTHERS, node: 0 }] });
    this.#next = start + FIRST_LEVELS;
    this.#end = this.#next + OTHERS;
    this.warn = warn;
    this.pages = {
      alloc: (_, size) => this.#alloc(size),
      free: (_, pa, size) => this.#give(pa, size),
    };
  }

  #alloc(size: number): number {
    const pa = this.#place(size);
    if (pa === NO_PAGES) return NO_PAGES;
    for (let at = pa; at < pa + size; at += FRAME) {
      const index = this.memory.index(at);
      this.memory.words.fill(0, index, index + Math.min(size, FRAME) / 4);
    }
    return pa;
  }

  #place(size: number): number {
    const recorded = this.firstLevel;
    this.firstLevel = -1;
    if (recorded >= 0) return recorded;
    const freed = this.#free.get(size)?.pop();
    if (freed !== undefined) return freed;
    const pa = Math.ceil(this.#next / size) * size;
    if (pa + size > this.#end) return NO_PAGES;
    this.#next = pa + size;
    return pa;
  }

  #give(pa: number, size: number): void {
    // A recorded place is not ours to give out.
    if (pa < this.#end - OTHERS) return;
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [pa]);
    else list.push(pa);
  }
}
