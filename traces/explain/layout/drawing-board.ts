/** A small memory for tables that are built to be looked at, which keeps what the page-table code does to it. */
import type { Machine, SystemPages, TableMemory, TlbFlushOps } from '../../../formats/index.ts';
import { NO_PAGES } from '../../../formats/index.ts';

/** Where the first table stands: in range of the 32-bit formats. */
const BASE = 0x8000_0000;
const WORD = 4;

/** Memory of a fixed size that hands out tables one after the other. Does not: free and reuse, model caches. */
export class DrawingBoard {
  /** What was done, in order, one line each; empty unless `records`. */
  readonly steps: string[] = [];
  readonly machine: Machine;
  readonly tlb: TlbFlushOps;
  /** The same memory as the system below an allocator of tables. */
  readonly system: SystemPages;
  readonly #words: Uint32Array;
  readonly #records: boolean;
  #next = BASE;

  /** @param bytes room for all tables */
  constructor(bytes: number, records: boolean) {
    this.#words = new Uint32Array(bytes / WORD);
    this.#records = records;
    const words = this.#words;
    const memory: TableMemory = {
      words,
      index: (pa) => (pa - BASE) / WORD,
      written: (pa, size) =>
        this.#step(`store ${size} bytes at ${hex(pa)}: ${hex(this.#value(pa, size))}${size > 8 ? ' ...' : ''}`),
    };
    this.machine = {
      memory,
      dma: {
        mapSingle: (pa, size) => {
          this.#step(`dma_map_single: clean ${size} bytes at ${hex(pa)}`);
          return pa;
        },
        unmapSingle: () => {},
        syncSingleForDevice: (pa, size) => this.#step(`dma_sync_single_for_device: clean ${size} bytes at ${hex(pa)}`),
      },
      pages: {
        alloc: (_cookie, size) => this.#alloc(size),
        free: (_cookie, pa, size) => this.#step(`free the table of ${size} bytes at ${hex(pa)}`),
      },
      warn: (code, ...values) => this.#step(`warning ${code}: ${values.map(hex).join(', ')}`),
    };
    this.system = {
      cycles: 0,
      alloc: (size) => this.#alloc(size, 'ask the system for'),
      free: (pa, size) => this.#step(`give ${size} bytes at ${hex(pa)} back to the system`),
    };
    this.tlb = {
      flushAll: () => this.#step('TLBI: the whole address space'),
      flushWalk: (iova, size) => this.#step(`TLBI with walk caches, and wait: ${hex(iova)}, ${hex(size)} bytes`),
      addPage: (_gather, iova, granule) => this.#step(`gather for the TLBI: ${hex(iova)}, ${hex(granule)} bytes`),
    };
  }

  /** A line of its own between the steps. */
  heading(text: string): void {
    this.#step(text);
  }

  /** The descriptor at `pa`, of 4 or 8 bytes. */
  entry(pa: number, bytes: number): bigint {
    const at = (pa - BASE) / WORD;
    const low = BigInt(this.#words[at] ?? 0);
    return bytes === WORD ? low : low | (BigInt(this.#words[at + 1] ?? 0) << 32n);
  }

  #value(pa: number, size: number): bigint {
    return this.entry(pa, Math.min(size, 8));
  }

  #alloc(size: number, what = 'allocate a table of'): number {
    const align = 2 ** Math.ceil(Math.log2(Math.max(size, 64)));
    const pa = Math.ceil(this.#next / align) * align;
    if (pa + size > BASE + this.#words.length * WORD) return NO_PAGES;
    this.#next = pa + size;
    this.#step(`${what} ${size} bytes at ${hex(pa)}`);
    return pa;
  }

  #step(text: string): void {
    if (this.#records) this.steps.push(text);
  }
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
