import * as v from 'valibot';
import { Gfp } from '../../table/index.ts';
import type { AllocatorContext, AllocatorLayer } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';
import { TableList } from '../table-list.ts';

export const GenericCacheOptionsSchema = v.strictObject({
  /** The most bytes kept for later, over all sizes. Assumed: 1024 tables of 4 KiB. */
  limitBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 4 << 20),
});

export type GenericCacheOptions = v.InferOutput<typeof GenericCacheOptionsSchema>;

/**
 * One cache inside the format code for all its users, the alternative to a hook: every table of every size that any domain frees
 * is kept up to a limit and serves the next domain that asks. It knows nothing of drivers, so it can neither fill ahead nor
 * set tables aside for an operation.
 */
export class GenericCacheAllocator extends UpperLayer {
  readonly kind = 'generic-cache';
  readonly #limitBytes: number;
  /** Free tables by size; a format uses two sizes at most, so the list used last is nearly always the right one. */
  readonly #lists = new Map<number, TableList>();
  #lastSize = -1;
  #last = new TableList(0);

  constructor(context: AllocatorContext, below: AllocatorLayer, options: GenericCacheOptions) {
    super(context, below);
    this.#limitBytes = options.limitBytes;
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    const pa = this.#listOf(size).pop();
    if (pa < 0) return this.pass(cookie, size, gfp);
    stats.hits++;
    stats.held(-size);
    stats.gave(1, size);
    this.context.charge(stats, this.context.costs.cachePop);
    if ((gfp & Gfp.ZERO) !== 0) this.context.zero(stats, pa, size);
    return pa;
  }

  override free(cookie: unknown, pa: number, size: number): void {
    this.stats.took(1, size);
    if (this.stats.heldBytes + size > this.#limitBytes) {
      this.below.free(cookie, pa, size);
      return;
    }
    this.#listOf(size).push(pa);
    this.stats.held(size);
    this.context.charge(this.stats, this.context.costs.cachePush);
  }

  override shrink(bytes: number): number {
    let given = 0;
    for (const [size, list] of this.#lists) {
      const count = Math.min(list.count, Math.ceil((bytes - given) / size));
      if (count <= 0) continue;
      list.removed(count);
      this.stats.held(-count * size);
      this.below.freeBulk(null, size, count, list.pages, list.count);
      given += count * size;
    }
    return given;
  }

  #listOf(size: number): TableList {
    if (size === this.#lastSize) return this.#last;
    let list = this.#lists.get(size);
    if (list === undefined) {
      list = new TableList();
      this.#lists.set(size, list);
    }
    this.#lastSize = size;
    this.#last = list;
    return list;
  }
}
