/**
 * The layers behind the `alloc` / `free` hooks. A stack of them serves one machine: each layer is a `TableAllocator` that asks the
 * layer below, down to the one that asks the system's page allocator. All layers of a stack share one {@link AllocatorContext}:
 * the operation under way, the clock, the cost figures and the place findings go to.
 */
import type { TableAllocator, TableMemory } from '../table/index.ts';
import type { AllocatorCosts } from './costs.ts';
import type { AllocatorStats } from './stats.ts';

/** Size of the system's page, the unit of its allocator (Linux `PAGE_SIZE` with 4 KiB pages), in bytes. */
export const SYSTEM_PAGE = 4096;

/** The system's page allocator as the bottom layer sees it: blocks of a power of two of at least 4 KiB. */
export interface SystemPages {
  /** Physical address of `size` bytes aligned to `size`, or -1. `gfp` is a set of `Gfp` flags. */
  alloc(size: number, gfp: number): number;
  free(pa: number, size: number): void;
  /** Up to `count` blocks at once, written to `out` from index `at` on; how many there were. */
  allocBulk?(size: number, count: number, gfp: number, out: Float64Array, at: number): number;
  /** Cycles the system has spent so far: what a call costs is the difference that it makes. */
  readonly cycles: number;
}

/** One layer of an allocator stack. */
export interface AllocatorLayer extends TableAllocator {
  /** Its name in a stack's description: `page`, `pool`, ... */
  readonly kind: string;
  /** The layer it asks, or null for the bottom. */
  readonly below: AllocatorLayer | null;
  readonly stats: AllocatorStats;
  /**
   * Up to `count` tables of `size` bytes, their addresses written to `out` from index `at` on.
   * @returns how many there were; fewer than `count` when memory ran out, and those stay allocated.
   */
  allocBulk(cookie: unknown, size: number, count: number, gfp: number, out: Float64Array, at: number): number;
  /** Gives back the `count` tables whose addresses stand in `pages` from index `at` on. */
  freeBulk(cookie: unknown, size: number, count: number, pages: Float64Array, at: number): void;
  /** Gives up to `bytes` of memory kept for later back to the layer below; how many bytes went. */
  shrink(bytes: number): number;
}

/** What can go wrong in the use of an allocator. */
export type AllocatorFindingKind =
  /** A block was freed that is not allocated any more. */
  | 'double-free'
  /** A block was freed that this stack never gave out. */
  | 'unknown-free'
  /** A block was freed with a size other than that it was allocated with. */
  | 'wrong-size'
  /** A block was freed with a cookie other than that it was allocated with. */
  | 'wrong-cookie'
  /** The system was asked for memory while allocation is forbidden (the run phase of VM_BIND). */
  | 'allocation-in-run'
  /** A run needed more tables than were reserved for it. */
  | 'reservation-exhausted'
  /** An owner asked for more than its limit. */
  | 'over-limit'
  /** A block was still allocated when the stack was closed. */
  | 'leak';

/** One misuse, as data for the sanitizer's report. */
export interface AllocatorFinding {
  readonly kind: AllocatorFindingKind;
  /** Number of the operation during which it happened. */
  readonly operation: number;
  /** Block concerned, or -1 when there is none. */
  readonly pa: number;
  /** Size concerned, in bytes. */
  readonly size: number;
  /** One sentence for people. */
  readonly detail: string;
}

export interface AllocatorContextOptions {
  readonly costs: AllocatorCosts;
  /** Size of one table below the first level, in bytes: the granule. */
  readonly tableSize: number;
  /** Where to store zeroes; null: zeroing is asked of the system and only counted here. */
  readonly memory: TableMemory | null;
  readonly onFinding: ((finding: AllocatorFinding) => void) | null;
}

/** End of the run of words that {@link TableMemory.index} promises: a naturally aligned frame of 64 KiB. */
const FRAME = 65536;

/** What all layers of one stack share. */
export class AllocatorContext {
  readonly costs: AllocatorCosts;
  readonly tableSize: number;
  readonly memory: TableMemory | null;
  readonly #onFinding: ((finding: AllocatorFinding) => void) | null;
  /** Number of the operation under way, for findings. */
  operation = 0;
  /** True in a phase that must not ask the system for memory. */
  noAllocation = false;
  /** True while an operation edits the table, its preparation being over. */
  running = false;
  /** Modelled time spent by all layers so far, in cycles. */
  cycles = 0;
  /** Findings so far. */
  findings = 0;

  constructor(options: AllocatorContextOptions) {
    this.costs = options.costs;
    this.tableSize = options.tableSize;
    this.memory = options.memory;
    this.#onFinding = options.onFinding;
  }

  /** Charges `cycles` to a layer and to the stack. */
  charge(stats: AllocatorStats, cycles: number): void {
    stats.cycles += cycles;
    this.cycles += cycles;
  }

  /** Zeroes `[pa, pa + size)` on behalf of a layer and charges the time. */
  zero(stats: AllocatorStats, pa: number, size: number): void {
    stats.zeroedBytes += size;
    this.charge(stats, (this.costs.zero4k * size) / SYSTEM_PAGE);
    const memory = this.memory;
    if (memory === null) return;
    for (let at = pa; at < pa + size; ) {
      const end = Math.min(pa + size, Math.floor(at / FRAME) * FRAME + FRAME);
      const index = memory.index(at);
      memory.words.fill(0, index, index + (end - at) / 4);
      memory.written(at, end - at);
      at = end;
    }
  }

  report(kind: AllocatorFindingKind, pa: number, size: number, detail: string): void {
    this.findings++;
    this.#onFinding?.({ kind, operation: this.operation, pa, size, detail });
  }
}
