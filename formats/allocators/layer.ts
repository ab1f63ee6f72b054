/**
 * The bases of every layer: what nearly all layers do alike. A layer overrides what it does differently; its own work is `alloc`, and
 * mostly `free`.
 */
import { NO_PAGES } from '../table/index.ts';
import type { AllocatorContext, AllocatorLayer } from './allocator.ts';
import { AllocatorStats } from './stats.ts';

/** A layer that keeps nothing for later, and does many of a thing one by one. */
export abstract class Layer implements AllocatorLayer {
  abstract readonly kind: string;
  abstract readonly below: AllocatorLayer | null;
  readonly stats = new AllocatorStats();
  protected readonly context: AllocatorContext;

  constructor(context: AllocatorContext) {
    this.context = context;
  }

  abstract alloc(cookie: unknown, size: number, gfp: number): number;
  abstract free(cookie: unknown, pa: number, size: number): void;

  allocBulk(cookie: unknown, size: number, count: number, gfp: number, out: Float64Array, at: number): number {
    for (let i = 0; i < count; i++) {
      const pa = this.alloc(cookie, size, gfp);
      if (pa < 0) return i;
      out[at + i] = pa;
    }
    return count;
  }

  freeBulk(cookie: unknown, size: number, count: number, pages: Float64Array, at: number): void {
    for (let i = at; i < at + count; i++) this.free(cookie, pages[i] as number, size);
  }

  shrink(_bytes: number): number {
    return 0;
  }
}

/** A layer on top of another one: what it does not serve itself passes through, and is counted. */
export abstract class UpperLayer extends Layer {
  readonly below: AllocatorLayer;

  constructor(context: AllocatorContext, below: AllocatorLayer) {
    super(context);
    this.below = below;
  }

  /** One table from the layer below. */
  protected pass(cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    stats.systemCalls++;
    const pa = this.below.alloc(cookie, size, gfp);
    if (pa < 0) {
      stats.failures++;
      return NO_PAGES;
    }
    stats.gave(1, size);
    return pa;
  }

  free(cookie: unknown, pa: number, size: number): void {
    this.stats.took(1, size);
    this.below.free(cookie, pa, size);
  }
}
