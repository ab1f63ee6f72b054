/** Freed addresses in one magazine: Linux `IOVA_MAG_SIZE` since 6.3. */
const MAGAZINE = 127;
/** Orders of sizes whose freed addresses are kept: Linux `IOVA_RANGE_CACHE_MAX_SIZE`. */
const CACHED_ORDERS = 6;

/** Where an address came from, or went. */
export const IovaStep = {
  /** A magazine of this CPU. */
  MAGAZINE: 0,
  /** A full magazine of the depot that all CPUs share. */
  DEPOT: 1,
  /** The tree of all addresses, under its lock. */
  TREE: 2,
} as const;
export type IovaStep = (typeof IovaStep)[keyof typeof IovaStep];

/**
 * How the IOVA allocator of one domain serves requests, after Linux 6.3 to 7.3 `drivers/iommu/iova.c`: each CPU keeps freed addresses of sizes up
 * to 32 pages in two magazines per size, full ones go to a depot, and what no magazine holds comes from the tree. Only how many there are is followed,
 * not which: what a request costs depends on that, and the addresses themselves stand in the capture. Not modelled: the depot's slow emptying
 * (Linux 6.7 and later), a tree that is full, and how long the search of a fragmented tree takes.
 */
export class IovaStock {
  /** Requests and returns by {@link IovaStep}. */
  readonly allocations = new Float64Array(3);
  readonly frees = new Float64Array(3);
  readonly #granule: number;
  /** By CPU and order: addresses in the loaded and in the previous magazine. */
  readonly #loaded: number[] = [];
  readonly #previous: number[] = [];
  readonly #depots = new Float64Array(CACHED_ORDERS);

  /** @param granule smallest page, in bytes */
  constructor(granule: number) {
    this.#granule = granule;
  }

  /** An address for so many bytes is asked for on a CPU. */
  allocate(size: number, cpu: number): IovaStep {
    const step = this.#take(size, cpu);
    this.allocations[step] = (this.allocations[step] as number) + 1;
    return step;
  }

  /** An address of so many bytes comes back on a CPU. */
  free(size: number, cpu: number): IovaStep {
    const step = this.#put(size, cpu);
    this.frees[step] = (this.frees[step] as number) + 1;
    return step;
  }

  #take(size: number, cpu: number): IovaStep {
    const order = this.#orderOf(size);
    if (order >= CACHED_ORDERS) return IovaStep.TREE;
    const at = this.#slot(cpu, order);
    if (this.#loaded[at] === 0) {
      if (this.#previous[at] === 0) {
        if (this.#depots[order] === 0) return IovaStep.TREE;
        this.#depots[order] = (this.#depots[order] as number) - 1;
        this.#loaded[at] = MAGAZINE - 1;
        return IovaStep.DEPOT;
      }
      this.#swap(at);
    }
    this.#loaded[at] = (this.#loaded[at] as number) - 1;
    return IovaStep.MAGAZINE;
  }

  #put(size: number, cpu: number): IovaStep {
    const order = this.#orderOf(size);
    if (order >= CACHED_ORDERS) return IovaStep.TREE;
    const at = this.#slot(cpu, order);
    let step: IovaStep = IovaStep.MAGAZINE;
    if (this.#loaded[at] === MAGAZINE) {
      if (this.#previous[at] === MAGAZINE) {
        this.#depots[order] = (this.#depots[order] as number) + 1;
        this.#loaded[at] = 0;
        step = IovaStep.DEPOT;
      } else this.#swap(at);
    }
    this.#loaded[at] = (this.#loaded[at] as number) + 1;
    return step;
  }

  #swap(at: number): void {
    const loaded = this.#loaded[at] as number;
    this.#loaded[at] = this.#previous[at] as number;
    this.#previous[at] = loaded;
  }

  #slot(cpu: number, order: number): number {
    const at = Math.max(cpu, 0) * CACHED_ORDERS + order;
    while (this.#loaded.length <= at) {
      this.#loaded.push(0);
      this.#previous.push(0);
    }
    return at;
  }

  /** Of the size rounded up to a power of two of pages. */
  #orderOf(size: number): number {
    const pages = Math.ceil(size / this.#granule);
    return pages <= 1 ? 0 : 32 - Math.clz32(Math.min(pages, 2 ** 31) - 1);
  }
}
