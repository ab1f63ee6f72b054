import { Gfp, NO_PAGES } from '../ports.ts';
import {
  type AllocatorContext,
  type AllocatorLayer,
  allocOneByOne,
  freeOneByOne,
  SYSTEM_PAGE,
  type SystemPages,
} from './allocator.ts';
import { AllocatorStats } from './stats.ts';

/** The block the system hands out for `size` bytes: the next power of two, at least one page (Linux `get_order`). */
export function systemBlock(size: number): number {
  let block = SYSTEM_PAGE;
  while (block < size) block *= 2;
  return block;
}

/**
 * One block at a time from the system's page allocator: what io-pgtable does without a hook (Linux `alloc_pages_node`), and the
 * bottom of most stacks. Tables smaller than a page still cost a page.
 */
export class PageAllocator implements AllocatorLayer {
  readonly kind = 'page';
  readonly below = null;
  readonly stats = new AllocatorStats();
  readonly #context: AllocatorContext;
  readonly #system: SystemPages;

  constructor(context: AllocatorContext, system: SystemPages) {
    this.#context = context;
    this.#system = system;
  }

  alloc(_cookie: unknown, size: number, gfp: number): number {
    const context = this.#context;
    const block = systemBlock(size);
    this.#enter(size);
    const before = this.#system.cycles;
    const pa = this.#system.alloc(block, this.#systemFlags(gfp));
    this.#charge(before, context.costs.systemAlloc);
    if (pa < 0) {
      this.stats.failures++;
      return NO_PAGES;
    }
    this.stats.gave(1, block);
    this.stats.wasted(block - size);
    if ((gfp & Gfp.ZERO) !== 0) context.zero(this.stats, pa, block);
    return pa;
  }

  free(_cookie: unknown, pa: number, size: number): void {
    const block = systemBlock(size);
    const before = this.#system.cycles;
    this.#system.free(pa, block);
    this.#charge(before, this.#context.costs.systemFree);
    this.stats.took(1, block);
    this.stats.wasted(size - block);
  }

  allocBulk(cookie: unknown, size: number, count: number, gfp: number, out: Float64Array, at: number): number {
    if (count === 0) return 0;
    const system = this.#system;
    if (system.allocBulk === undefined) return allocOneByOne(this, cookie, size, count, gfp, out, at);
    const { costs } = this.#context;
    const block = systemBlock(size);
    this.#enter(size);
    this.stats.bulkCalls++;
    const before = system.cycles;
    const got = system.allocBulk(block, count, this.#systemFlags(gfp), out, at);
    this.#charge(before, costs.bulkFirst + costs.bulkFurther * Math.max(0, got - 1));
    this.stats.gave(got, got * block);
    this.stats.wasted((block - size) * got);
    if (got < count) this.stats.failures++;
    if ((gfp & Gfp.ZERO) !== 0) {
      for (let i = at; i < at + got; i++) this.#context.zero(this.stats, out[i] as number, block);
    }
    return got;
  }

  freeBulk(cookie: unknown, size: number, count: number, pages: Float64Array, at: number): void {
    freeOneByOne(this, cookie, size, count, pages, at);
  }

  shrink(): number {
    return 0;
  }

  #enter(size: number): void {
    const context = this.#context;
    this.stats.systemCalls++;
    if (context.running || context.noAllocation) this.stats.callsInRun++;
    if (!context.noAllocation) return;
    context.report('allocation-in-run', -1, size, 'the system was asked for memory where that is forbidden');
  }

  /** Zeroing is done here, where it is counted; the system does it only when this stack does not know the memory. */
  #systemFlags(gfp: number): number {
    return this.#context.memory === null ? gfp : gfp & ~Gfp.ZERO;
  }

  #charge(before: number | undefined, fixed: number): void {
    const after = this.#system.cycles;
    this.#context.charge(this.stats, before === undefined || after === undefined ? fixed : after - before);
  }
}
