import type { PageAllocator } from '../../emulator/index.ts';
import { type AllocatorStack, type ProtectedOwner, SYSTEM_PAGE } from '../../formats/index.ts';

/** What a run made of the system's memory, besides allocating from it. Plain JSON. */
export interface MemoryUse {
  /** Times an allocation found memory below the low watermark, and the background shrinker ran. */
  readonly wakeups: number;
  /** Times an allocation had to reclaim before it could go on. */
  readonly reclaims: number;
  /** Pages of tables kept for later that went back under pressure. */
  readonly shrunkPages: number;
  /** Pages given to the protected owner of a `carve-out`: in all, and the most at once. */
  readonly assignedPages: number;
  readonly peakAssignedPages: number;
}

/** What one reclaim asks for (Linux `SWAP_CLUSTER_MAX`), in pages. */
const RECLAIM_PAGES = 32;

/**
 * Stands between the system's memory and the table allocator: passes memory pressure on to the stock of tables, which is all that
 * can be reclaimed on this machine, and is the protected owner of a carved-out region, who takes every page. Counts both.
 */
export class MemoryMeter implements ProtectedOwner {
  readonly #pages: PageAllocator;
  #shrunkPages = 0;
  #assignedPages = 0;
  #assignedNow = 0;
  #peakAssignedPages = 0;

  constructor(pages: PageAllocator) {
    this.#pages = pages;
  }

  /** From now on memory pressure shrinks the stock of `tables`. */
  shrinks(tables: AllocatorStack): void {
    const shrink = (pages: number): number => {
      const given = tables.shrink(pages * SYSTEM_PAGE) / SYSTEM_PAGE;
      this.#shrunkPages += given;
      return given;
    };
    this.#pages.onReclaim = (order) => shrink(Math.max(RECLAIM_PAGES, 2 ** order));
    this.#pages.onPressure = () => {
      shrink(RECLAIM_PAGES);
    };
  }

  assign(_pa: number, size: number): boolean {
    this.#assignedPages += size / SYSTEM_PAGE;
    this.#assignedNow += size / SYSTEM_PAGE;
    if (this.#assignedNow > this.#peakAssignedPages) this.#peakAssignedPages = this.#assignedNow;
    return true;
  }

  takeBack(_pa: number, size: number): void {
    this.#assignedNow -= size / SYSTEM_PAGE;
  }

  report(): MemoryUse {
    const { wakeups, reclaims } = this.#pages.stats;
    return {
      wakeups,
      reclaims,
      shrunkPages: this.#shrunkPages,
      assignedPages: this.#assignedPages,
      peakAssignedPages: this.#peakAssignedPages,
    };
  }
}
