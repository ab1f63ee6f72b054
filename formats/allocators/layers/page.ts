import { Gfp, NO_PAGES } from '../../table/index.ts';
import { type AllocatorContext, SYSTEM_PAGE, type SystemPages } from '../allocator.ts';
import { Layer } from '../layer.ts';

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
export class PageAllocator extends Layer {
  readonly kind = 'page';
  readonly below = null;
  readonly #system: SystemPages;
  /** Cycles of the system that were charged to the stack. */
  #paid = 0;

  constructor(context: AllocatorContext, system: SystemPages) {
    super(context);
    this.#system = system;
  }

  alloc(_cookie: unknown, size: number, gfp: number): number {
    const context = this.context;
    const block = systemBlock(size);
    this.#enter(size);
    const before = this.#unpaid();
    const pa = this.#system.alloc(block, this.#systemFlags(gfp));
    this.#pay(before);
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
    const before = this.#unpaid();
    this.#system.free(pa, block);
    this.#pay(before);
    this.stats.took(1, block);
    this.stats.wasted(size - block);
  }

  override allocBulk(cookie: unknown, size: number, count: number, gfp: number, out: Float64Array, at: number): number {
    if (count === 0) return 0;
    const system = this.#system;
    if (system.allocBulk === undefined) return super.allocBulk(cookie, size, count, gfp, out, at);
    const block = systemBlock(size);
    this.#enter(size);
    this.stats.bulkCalls++;
    const before = this.#unpaid();
    const got = system.allocBulk(block, count, this.#systemFlags(gfp), out, at);
    this.#pay(before);
    this.stats.gave(got, got * block);
    this.stats.wasted((block - size) * got);
    if (got < count) this.stats.failures++;
    if ((gfp & Gfp.ZERO) !== 0) {
      for (let i = at; i < at + got; i++) this.context.zero(this.stats, out[i] as number, block);
    }
    return got;
  }

  #enter(size: number): void {
    const context = this.context;
    this.stats.systemCalls++;
    if (context.running || context.noAllocation) this.stats.callsInRun++;
    if (!context.noAllocation) return;
    context.report('allocation-in-run', -1, size, 'the system was asked for memory where that is forbidden');
  }

  /** Zeroing is done here, where it is counted; the system does it only when this stack does not know the memory. */
  #systemFlags(gfp: number): number {
    return this.context.memory === null ? gfp : gfp & ~Gfp.ZERO;
  }

  /** Time that the system has spent and this layer has not charged. */
  #unpaid(): number {
    return this.#system.cycles - this.#paid;
  }

  /** Charges what came on top of `before`. Reclaim inside a call may come back here and pay for its own calls. */
  #pay(before: number): void {
    const cycles = this.#unpaid() - before;
    this.#paid += cycles;
    this.context.charge(this.stats, cycles);
  }
}
