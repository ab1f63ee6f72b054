import * as v from 'valibot';
import { Gfp, NO_PAGES } from '../../table/index.ts';
import { type AllocatorContext, type AllocatorLayer, SYSTEM_PAGE } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';
import { TableList } from '../table-list.ts';

/** Smallest slab object in bytes: the alignment that TTBR needs anyway for a table of up to eight entries (Arm ARM, TTBR0_EL1.BADDR). */
const LEAST_OBJECT = 64;

export const SizingOptionsSchema = v.strictObject({
  /**
   * How much memory a first-level table smaller than the granule takes. `whole-page`: a whole granule, as the first version of the
   * LPAE allocator did; `exact`: its size, in whole system pages (`alloc_pages_exact`); `slab`: its size and alignment, packed with
   * others of its size into system pages.
   */
  policy: v.optional(v.picklist(['whole-page', 'exact', 'slab']), 'exact'),
});

export type SizingOptions = v.InferOutput<typeof SizingOptionsSchema>;

/** Objects of one size, packed into system pages. */
interface Slab {
  readonly objectSize: number;
  readonly free: TableList;
  /** Objects in use, by page address. */
  readonly used: Map<number, number>;
}

/**
 * Decides how large a block an odd-sized table takes. Tables of the granule's size pass through. Since a first-level table is made
 * once per domain, this layer is never busy; it exists to show what each policy wastes.
 */
export class SizingAllocator extends UpperLayer {
  readonly kind = 'sizing';
  readonly #policy: SizingOptions['policy'];
  readonly #slabs = new Map<number, Slab>();

  constructor(context: AllocatorContext, below: AllocatorLayer, options: SizingOptions) {
    super(context, below);
    this.#policy = options.policy;
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    if (this.#policy === 'slab' && size <= SYSTEM_PAGE / 2) return this.#allocObject(size, gfp);
    const block = this.#blockOf(size);
    this.stats.systemCalls++;
    const pa = this.below.alloc(cookie, block, gfp);
    if (pa < 0) {
      this.stats.failures++;
      return NO_PAGES;
    }
    this.stats.gave(1, block);
    this.stats.wasted(block - size);
    return pa;
  }

  override free(cookie: unknown, pa: number, size: number): void {
    if (this.#policy === 'slab' && size <= SYSTEM_PAGE / 2) {
      this.#freeObject(pa, size);
      return;
    }
    const block = this.#blockOf(size);
    this.stats.took(1, block);
    this.stats.wasted(size - block);
    this.below.free(cookie, pa, block);
  }

  #blockOf(size: number): number {
    if (this.#policy === 'whole-page') return Math.max(size, this.context.tableSize);
    return Math.max(size, SYSTEM_PAGE);
  }

  #slabOf(size: number): Slab {
    let objectSize = LEAST_OBJECT;
    while (objectSize < size) objectSize *= 2;
    let slab = this.#slabs.get(objectSize);
    if (slab === undefined) {
      slab = { objectSize, free: new TableList(), used: new Map() };
      this.#slabs.set(objectSize, slab);
    }
    return slab;
  }

  #allocObject(size: number, gfp: number): number {
    const { stats } = this;
    const slab = this.#slabOf(size);
    let fresh = 0;
    if (slab.free.count > 0) stats.hits++;
    else {
      stats.systemCalls++;
      const page = this.below.alloc(null, SYSTEM_PAGE, gfp & ~Gfp.ZERO);
      if (page < 0) {
        stats.failures++;
        return NO_PAGES;
      }
      slab.used.set(page, 0);
      for (let pa = page + SYSTEM_PAGE - slab.objectSize; pa >= page; pa -= slab.objectSize) slab.free.push(pa);
      stats.held(SYSTEM_PAGE);
      fresh = SYSTEM_PAGE;
    }
    const pa = slab.free.pop();
    const page = Math.floor(pa / SYSTEM_PAGE) * SYSTEM_PAGE;
    slab.used.set(page, (slab.used.get(page) ?? 0) + 1);
    stats.held(-slab.objectSize);
    stats.gave(1, slab.objectSize);
    stats.wasted(fresh - size);
    this.context.charge(stats, this.context.costs.cachePop);
    if ((gfp & Gfp.ZERO) !== 0) this.context.zero(stats, pa, slab.objectSize);
    return pa;
  }

  #freeObject(pa: number, size: number): void {
    const { stats } = this;
    const slab = this.#slabOf(size);
    const page = Math.floor(pa / SYSTEM_PAGE) * SYSTEM_PAGE;
    const used = (slab.used.get(page) ?? 0) - 1;
    stats.took(1, slab.objectSize);
    stats.wasted(used > 0 ? size : size - SYSTEM_PAGE);
    stats.held(slab.objectSize);
    this.context.charge(stats, this.context.costs.cachePush);
    slab.free.push(pa);
    slab.used.set(page, used);
    if (used > 0) return;
    // The page is empty: its objects leave the free list, and it goes back.
    slab.used.delete(page);
    const kept: number[] = [];
    for (let object = slab.free.pop(); object >= 0; object = slab.free.pop()) {
      if (object < page || object >= page + SYSTEM_PAGE) kept.push(object);
    }
    for (const object of kept.reverse()) slab.free.push(object);
    stats.held(-SYSTEM_PAGE);
    this.below.free(null, page, SYSTEM_PAGE);
  }
}
