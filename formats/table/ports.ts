/**
 * What page-table software needs from the machine it runs on, and nothing more. The emulator implements these;
 * tests implement them with a few lines. All addresses are plain numbers (at most 52 bits, exact in a double).
 */
import type { IotlbGather } from './gather.ts';

/**
 * Memory as the CPU that edits page tables sees it: 32-bit little-endian words.
 *
 * Editors index `words` directly, because one call per descriptor would cost more than the edit itself:
 *
 *     const at = memory.index(tablePa) + 2 * entry;   // a 64-bit descriptor is two words, low half first
 *     memory.words[at] = low;
 *     memory.words[at + 1] = high;
 *     memory.written(tablePa + 8 * entry, 8);
 */
export interface TableMemory {
  /** The words. The array is replaced when memory grows: read this property again after every `index` or allocation. */
  readonly words: Uint32Array;
  /**
   * Index into `words` of the word at physical address `pa` (a multiple of 4). The words that follow are contiguous up to the
   * end of the naturally aligned 64 KiB frame of `pa`, so a table of any granule is one run of words.
   * The index of an address never changes.
   * @throws a bus error if no RAM is there.
   */
  index(pa: number): number;
  /**
   * Tells the coherency model that the CPU stored `bytes` bytes from `pa` on. Call it once per run, after the stores.
   * @param at the index of `pa`, then a multiple of 4, from a caller that knows it: finding it is most of the work.
   */
  written(pa: number, bytes: number, at?: number): void;
}

/** `dma_map_single` failed (Linux `DMA_MAPPING_ERROR`). */
export const DMA_MAPPING_ERROR = -1;

/** The streaming DMA API of one device, as far as page tables use it (Linux `Documentation/core-api/dma-api.rst`). */
export interface DmaPort {
  /** Makes `[pa, pa + size)` visible to the device; its bus address, or {@link DMA_MAPPING_ERROR}. */
  mapSingle(pa: number, size: number): number;
  unmapSingle(busAddress: number, size: number): void;
  /** Cleans the CPU cache over the range, so that the device sees what the CPU wrote. */
  syncSingleForDevice(busAddress: number, size: number): void;
}

/** Allocation flags, the part of Linux `gfp_t` that page-table code uses. */
export const Gfp = {
  /** May sleep and reclaim (`GFP_KERNEL`). */
  KERNEL: 1,
  /** Must not sleep (`GFP_ATOMIC`). */
  ATOMIC: 2,
  /** The memory must read as zero (`__GFP_ZERO`). */
  ZERO: 4,
  /** Below 4 GiB (`GFP_DMA32`, used by the short-descriptor format). */
  DMA32: 8,
} as const;

/** What an allocator returns when it has no memory. */
export const NO_PAGES = -1;

/**
 * Where tables come from: the `alloc` and `free` hooks of the io-pgtable config, and the built-in allocator alike.
 * `cookie` is the value the owner of the table gave at creation.
 */
export interface TableAllocator {
  /** Physical address of `size` bytes, aligned to the next power of two of `size`, or {@link NO_PAGES}. */
  alloc(cookie: unknown, size: number, gfp: number): number;
  /** Gives back what `alloc` returned, with the same cookie and size. */
  free(cookie: unknown, pa: number, size: number): void;
}

/** TLB maintenance callbacks of the driver (Linux `struct iommu_flush_ops`). */
export interface TlbFlushOps {
  /** Drop everything of this address space. */
  flushAll(cookie: unknown): void;
  /** A table that covered `[iova, iova + size)` went away: drop leaves and walk-cache entries, and wait. */
  flushWalk(iova: number, size: number, granule: number, cookie: unknown): void;
  /** One leaf of `granule` bytes at `iova` went away: note it in the gather (null in kernel 6.1 and block splits). */
  addPage(gather: IotlbGather | null, iova: number, granule: number, cookie: unknown): void;
  /**
   * The same for `count` leaves that follow one another from `iova` on, in one call; where it is absent, {@link addPage} is called
   * for each. Linux has only that, which for a driver that widens a range is most of what an unmap costs.
   */
  addPages?(gather: IotlbGather | null, iova: number, granule: number, count: number, cookie: unknown): void;
}
