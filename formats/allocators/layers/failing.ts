import * as v from 'valibot';
import { Prng } from '../../prng.ts';
import { NO_PAGES } from '../../table/index.ts';
import type { AllocatorContext, AllocatorLayer } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';

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
export class FailingAllocator extends UpperLayer {
  readonly kind = 'failing';
  readonly #nth: number;
  readonly #fraction: number;
  readonly #random: Prng;
  #asked = 0;

  constructor(context: AllocatorContext, below: AllocatorLayer, options: FailingOptions) {
    super(context, below);
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
    return this.pass(cookie, size, gfp);
  }
}
