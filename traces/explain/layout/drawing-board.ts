/** A small memory for tables that are built to be looked at, which keeps what the page-table code does to it. */
import type { Machine, SystemPages, TableMemory, TlbFlushOps } from '../../../formats/index.ts';
import { NO_PAGES } from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';

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
      written: (pa, size) => {
        const value = this.#value(pa, size);
        if (leadsToTable(value, size))
          this.#step('barrier (dma_wmb): the table is visible before the entry that leads to it');
        this.#step(`store ${size} bytes at ${hexText(pa)}: ${hexText(value)}${size > 8 ? ' ...' : ''}`);
      },
    };
    this.machine = {
      memory,
      dma: {
        mapSingle: (pa, size) => {
          this.#step(`dma_map_single: clean ${size} bytes at ${hexText(pa)}`);
          return pa;
        },
        unmapSingle: () => {},
        syncSingleForDevice: (pa, size) =>
          this.#step(`dma_sync_single_for_device: clean ${size} bytes at ${hexText(pa)}`),
      },
      pages: {
        alloc: (_cookie, size) => this.#alloc(size),
        free: (_cookie, pa, size) => this.#step(`free the table of ${size} bytes at ${hexText(pa)}`),
      },
      warn: (code, ...values) => this.#step(`warning ${code}: ${values.map(hexText).join(', ')}`),
    };
    this.system = {
      cycles: 0,
      alloc: (size) => this.#alloc(size, 'ask the system for'),
      free: (pa, size) => this.#step(`give ${size} bytes at ${hexText(pa)} back to the system`),
    };
    this.tlb = {
      flushAll: () => this.#step('TLBI: the whole address space'),
      flushWalk: (iova, size) =>
        this.#step(`TLBI with walk caches, and wait: ${hexText(iova)}, ${hexText(size)} bytes`),
      addPage: (_gather, iova, granule) =>
        this.#step(`gather for the TLBI: ${hexText(iova)}, ${hexText(granule)} bytes`),
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
    this.#step(`${what} ${size} bytes at ${hexText(pa)}`);
    return pa;
  }

  #step(text: string): void {
    if (this.#records) this.steps.push(text);
  }
}

/**
 * Whether what is stored makes a new way to a table (Linux io-pgtable-arm.c and io-pgtable-arm-v7s.c, install_table). LPAE's tables have
 * type 3 as its pages have, but no access flag; a second store only sets the software bit for "synced". Short descriptors' have type 1, as large
 * pages, which are stored sixteen at once.
 */
function leadsToTable(value: bigint, size: number): boolean {
  if (size === WORD) return (value & 3n) === 1n;
  return size === 8 && (value & 3n) === 3n && (value & ((1n << 10n) | (1n << 55n))) === 0n;
}
