import { CPU_PAGE, NO_PAGES } from '../../../../formats/index.ts';
import type { Segment } from '../scatter-list.ts';
import type { PanfrostContext } from './context.ts';

/** A buffer object at its place in the address space of one context (`panfrost_gem_object` with its one `panfrost_gem_mapping`). */
export class PanfrostBuffer {
  readonly context: PanfrostContext;
  readonly iova: number;
  /** Bytes; of a heap a multiple of 2 MiB. */
  readonly size: number;
  /** Backed when the GPU touches it, 2 MiB at a time. */
  readonly heap: boolean;
  readonly noexec: boolean;
  /** Memory behind it; of a heap nothing. */
  readonly segments: readonly Segment[];
  /** Something of it may be mapped. */
  active = false;
  #pages: Float64Array | null = null;

  constructor(
    context: PanfrostContext,
    place: { readonly iova: number; readonly size: number; readonly heap: boolean; readonly noexec: boolean },
    segments: readonly Segment[] = [],
  ) {
    this.context = context;
    this.iova = place.iova;
    this.size = place.size;
    this.heap = place.heap;
    this.noexec = place.noexec;
    this.segments = segments;
  }

  /** Heaps: the pages that back it so far, by number; `NO_PAGES` where there is none. */
  get pages(): Float64Array {
    this.#pages ??= new Float64Array(this.size / CPU_PAGE).fill(NO_PAGES);
    return this.#pages;
  }
}
