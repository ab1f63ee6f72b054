import type { SystemPages } from '../../../formats/index.ts';
import { PAGE_SIZE } from './buddy-zone.ts';
import type { PageAllocator } from './page-allocator.ts';

/** The buddy allocator as the bottom of an allocator stack: its real failures, and its own cycles as the cost. */
export class BuddySystemPages implements SystemPages {
  readonly #pages: PageAllocator;

  constructor(pages: PageAllocator) {
    this.#pages = pages;
  }

  get cycles(): number {
    return this.#pages.stats.cycles;
  }

  alloc(size: number, gfp: number): number {
    return this.#pages.alloc(null, size, gfp);
  }

  free(pa: number, size: number): void {
    this.#pages.free(null, pa, size);
  }

  /** Single pages come in bulk; there is no bulk call for larger blocks, as in Linux. */
  allocBulk(size: number, count: number, gfp: number, out: Float64Array, at: number): number {
    if (size === PAGE_SIZE) return this.#pages.allocBulk(count, gfp, out.subarray(at, at + count));
    for (let i = 0; i < count; i++) {
      const pa = this.#pages.alloc(null, size, gfp);
      if (pa < 0) return i;
      out[at + i] = pa;
    }
    return count;
  }
}
