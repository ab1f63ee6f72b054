import * as v from 'valibot';
import { ConfigError } from '../../config/index.ts';
import { Gfp, NO_PAGES } from '../../table/index.ts';
import type { AllocatorContext, AllocatorLayer } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';
import { OwnerLists, type TableList } from '../table-list.ts';

const tables = (fallback: number, least = 0) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(1 << 24)), fallback);

export const PoolOptionsSchema = v.strictObject({
  /** Refill when at most this many tables are left. Tables, 0 or more. Assumed. */
  low: tables(8),
  /** Give tables back to the layer below when more than this many are kept. Tables. Assumed. */
  high: tables(256, 1),
  /** Tables taken at once on a refill, and given back at once above `high`. 0: one at a time, and only when none is left. Assumed. */
  batch: tables(32),
  /** `owner`: each owner (cookie) keeps a pool of its own, as a driver does; `all`: one pool for everybody. */
  scope: v.optional(v.picklist(['owner', 'all']), 'owner'),
});

export type PoolOptions = v.InferOutput<typeof PoolOptionsSchema>;

/**
 * A driver's pool: freed tables are kept and reused. Tables of another size than the granule (a first-level table) pass through.
 * A kept table still holds what it held when it was freed; it is zeroed when it is given out.
 */
export class PoolAllocator extends UpperLayer {
  readonly kind = 'pool';
  readonly #options: PoolOptions;
  readonly #lists: OwnerLists;
  /** Where a batch is collected, and whether one is. */
  readonly #batch: Float64Array;
  #collecting = false;

  /** @throws ConfigError when the watermarks contradict each other. */
  constructor(context: AllocatorContext, below: AllocatorLayer, options: PoolOptions) {
    super(context, below);
    if (options.low + options.batch > options.high) {
      throw new ConfigError(
        'allocator.pool.high',
        options.high,
        `at least low + batch (${options.low + options.batch})`,
      );
    }
    this.#options = options;
    this.#lists = new OwnerLists(options.scope === 'owner');
    this.#batch = new Float64Array(options.batch);
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    if (size !== this.context.tableSize) return this.pass(cookie, size, gfp);
    const list = this.#lists.of(cookie);
    if (list.count > 0) stats.hits++;
    // In a phase without allocation the last kept tables are used up rather than refilled.
    if (list.count === 0 || (list.count <= this.#options.low && !this.context.noAllocation)) {
      this.#refill(cookie, list, gfp & ~Gfp.ZERO);
    }
    const pa = list.pop();
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

  override free(cookie: unknown, pa: number, size: number): void {
    this.stats.took(1, size);
    if (size !== this.context.tableSize) {
      this.below.free(cookie, pa, size);
      return;
    }
    const list = this.#lists.of(cookie);
    list.push(pa);
    this.stats.held(size);
    this.context.charge(this.stats, this.context.costs.cachePush);
    if (list.count > this.#options.high) this.#release(cookie, list, Math.max(1, this.#options.batch));
  }

  override allocBulk(cookie: unknown, size: number, count: number, gfp: number, out: Float64Array, at: number): number {
    const { stats } = this;
    const list = this.#lists.of(cookie);
    const kept = size === this.context.tableSize ? Math.min(count, list.count) : 0;
    for (let i = 0; i < kept; i++) out[at + i] = list.pop();
    stats.held(-kept * size);
    stats.hits += kept;
    let got = kept;
    if (kept < count) {
      stats.systemCalls++;
      stats.bulkCalls++;
      got += this.below.allocBulk(cookie, size, count - kept, gfp & ~Gfp.ZERO, out, at + kept);
      if (got < count) stats.failures++;
    }
    stats.gave(got, got * size);
    this.context.charge(stats, this.context.costs.cachePop * kept);
    if ((gfp & Gfp.ZERO) !== 0) {
      for (let i = at; i < at + got; i++) this.context.zero(stats, out[i] as number, size);
    }
    return got;
  }

  override shrink(bytes: number): number {
    const { tableSize } = this.context;
    let left = Math.ceil(bytes / tableSize);
    for (const [owner, list] of this.#lists.entries()) {
      const count = Math.min(left, list.count);
      this.#release(owner, list, count);
      left -= count;
      if (left === 0) break;
    }
    return (Math.ceil(bytes / tableSize) - left) * tableSize;
  }

  #refill(cookie: unknown, list: TableList, gfp: number): void {
    const { tableSize } = this.context;
    const { batch } = this.#options;
    // Asking the system may reclaim, and reclaim may come back here to shrink, free or even allocate: the batch is collected apart,
    // and whoever comes while it is makes do with single tables.
    if (batch === 0 || this.#collecting) {
      if (list.count > 0) return;
      this.stats.systemCalls++;
      const pa = this.below.alloc(cookie, tableSize, gfp);
      if (pa < 0) return;
      list.push(pa);
      this.stats.held(tableSize);
      return;
    }
    this.stats.systemCalls++;
    this.stats.bulkCalls++;
    this.#collecting = true;
    const got = this.below.allocBulk(cookie, tableSize, batch, gfp, this.#batch, 0);
    this.#collecting = false;
    for (let i = 0; i < got; i++) list.push(this.#batch[i] as number);
    this.stats.held(got * tableSize);
  }

  #release(cookie: unknown, list: TableList, count: number): void {
    const { tableSize } = this.context;
    list.removed(count);
    this.stats.held(-count * tableSize);
    this.below.freeBulk(cookie, tableSize, count, list.pages, list.count);
  }
}
