import * as v from 'valibot';
import { Gfp, NO_PAGES } from '../../table/index.ts';
import type { AllocatorContext, AllocatorLayer } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';
import { TableList } from '../table-list.ts';

export const BatchOptionsSchema = v.strictObject({
  /** Tables taken from the layer below at once, 1 or more. Assumed. */
  tables: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1 << 20)), 32),
});

export type BatchOptions = v.InferOutput<typeof BatchOptionsSchema>;

/**
 * Tables are taken N at a time, and nothing is kept on free: the cheapest way to save system calls, and what a pool without reuse
 * is worth. The stock is what is left of the last batch.
 */
export class BatchAllocator extends UpperLayer {
  readonly kind = 'batch';
  readonly #stock: TableList;
  /** Where a batch is collected, and whether one is. */
  readonly #batch: Float64Array;
  #collecting = false;

  constructor(context: AllocatorContext, below: AllocatorLayer, options: BatchOptions) {
    super(context, below);
    this.#batch = new Float64Array(options.tables);
    this.#stock = new TableList(options.tables);
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    const stock = this.#stock;
    if (size !== this.context.tableSize) return this.pass(cookie, size, gfp);
    if (stock.count > 0) stats.hits++;
    else this.#refill(cookie, gfp & ~Gfp.ZERO);
    const pa = stock.pop();
    if (pa < 0) {
      stats.failures++;
      return NO_PAGES;
    }
    stats.held(-size);
    stats.gave(1, size);
    this.context.charge(stats, this.context.costs.cachePop);
    if ((gfp & Gfp.ZERO) !== 0) this.context.zero(stats, pa, size);
    return pa;
  }

  /** The batch is collected apart: reclaim inside the request may come back to this layer. */
  #refill(cookie: unknown, gfp: number): void {
    const { stats } = this;
    const { tableSize } = this.context;
    stats.systemCalls++;
    if (this.#collecting) {
      const pa = this.below.alloc(cookie, tableSize, gfp);
      if (pa < 0) return;
      this.#stock.push(pa);
      stats.held(tableSize);
      return;
    }
    stats.bulkCalls++;
    this.#collecting = true;
    const got = this.below.allocBulk(cookie, tableSize, this.#batch.length, gfp, this.#batch, 0);
    this.#collecting = false;
    for (let i = 0; i < got; i++) this.#stock.push(this.#batch[i] as number);
    stats.held(got * tableSize);
  }

  override shrink(bytes: number): number {
    const { tableSize } = this.context;
    const count = Math.min(this.#stock.count, Math.ceil(bytes / tableSize));
    this.#stock.removed(count);
    this.stats.held(-count * tableSize);
    // The stock belongs to nobody: it goes back without an owner.
    this.below.freeBulk(null, tableSize, count, this.#stock.pages, this.#stock.count);
    return count * tableSize;
  }
}
