import * as v from 'valibot';
import { Prng } from '../prng.ts';
import { NO_PAGES } from '../table/index.ts';
import { type AllocatorContext, type AllocatorLayer, allocOneByOne, freeOneByOne } from './allocator.ts';
import { AllocatorStats } from './stats.ts';

export const FailingOptionsSchema = v.strictObject({
  /** Fail the allocation of this number, counted from 1. 0: none. */
  nth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  /** Fail this share of allocations at random, 0 to 1. */
  fraction: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0),
  /** Seed of the random choice. */
  seed: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 1),
});

export type FailingOptions = v.InferOutput<typeof FailingOptionsSchema>;

/** Refuses chosen allocations without asking the layer below: fault injection. */
export class FailingAllocator implements AllocatorLayer {
  readonly kind = 'failing';
  readonly below: AllocatorLayer;
  readonly stats = new AllocatorStats();
  readonly #nth: number;
  readonly #fraction: number;
  readonly #random: Prng;
  #asked = 0;

  constructor(_context: AllocatorContext, below: AllocatorLayer, options: FailingOptions) {
    this.below = below;
    this.#nth = options.nth;
    this.#fraction = options.fraction;
    this.#random = new Prng(options.seed);
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    this.#asked++;
    if (this.#asked === this.#nth || this.#random.chance(this.#fraction)) {
      this.stats.failures++;
      return NO_PAGES;
    }
    this.stats.systemCalls++;
    const pa = this.below.alloc(cookie, size, gfp);
    if (pa < 0) this.stats.failures++;
    else this.stats.gave(1, size);
    return pa;
  }

  free(cookie: unknown, pa: number, size: number): void {
    this.stats.took(1, size);
    this.below.free(cookie, pa, size);
  }

  allocBulk(cookie: unknown, size: number, count: number, gfp: number, out: Float64Array, at: number): number {
    return allocOneByOne(this, cookie, size, count, gfp, out, at);
  }

  freeBulk(cookie: unknown, size: number, count: number, pages: Float64Array, at: number): void {
    freeOneByOne(this, cookie, size, count, pages, at);
  }

  shrink(): number {
    return 0;
  }
}
