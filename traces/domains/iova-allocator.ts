import { LiveRanges } from '../../emulator/index.ts';

/** Orders of sizes whose freed addresses are kept for reuse: Linux `IOVA_RANGE_CACHE_MAX_SIZE`. */
const CACHED_ORDERS = 6;
/** Freed addresses in one magazine: Linux `IOVA_MAG_SIZE` since 6.3 (128 before). */
const MAGAZINE = 127;
/** The DMA API of a PCI device asks below 4 GiB first. */
const LIMIT = 2 ** 32;

/** How an address stands to what the allocator would hand out next. */
export const Fit = {
  /** The very one. */
  NEXT: 0,
  /** It is kept for reuse in its size, though not on top: another CPU's, or the order is off by what was lost or guessed wrong. */
  KEPT: 1,
  /** The allocator would have handed out another one. */
  OTHER: 2,
  /** It is in use, or kept in another size. */
  TAKEN: 3,
} as const;
export type Fit = (typeof Fit)[keyof typeof Fit];

/** Freed addresses of one size on one CPU: two stacks, so that a thread that allocates and frees at their border moves no whole one. */
class Magazines {
  loaded: number[] = [];
  previous: number[] = [];
}

/**
 * What the IOVA allocator of one domain would hand out next (Linux drivers/iommu/iova.c): sizes up to 32 pages are rounded up to a power of
 * two, and freed addresses of each such size wait in magazines of the CPU that freed them, last in first out; what no magazine holds comes from a tree,
 * top-down from the last allocation, each aligned to its size rounded up. An address in a magazine stays taken in the tree.
 *
 * It follows what it is told and repairs itself where that differs from what it would have done. It does not model devices whose DMA mask is below 32 bits,
 * addresses above 4 GiB, and the flush queue of lazy mode, which holds freed addresses back.
 */
export class IovaAllocator {
  readonly #held = new LiveRanges();
  /** By CPU and order. */
  readonly #magazines: Magazines[] = [];
  /** Full magazines of each order, of all CPUs. */
  readonly #depots: number[][][] = Array.from({ length: CACHED_ORDERS }, () => []);
  /** Where the search of the tree goes down from. */
  #cursor = LIMIT;

  /** How `[start, start + size)` fits what would be handed out next on this CPU. */
  fit(start: number, size: number, granule: number, cpu: number): Fit {
    const bytes = allocationSize(size, granule);
    const order = orderOf(bytes / granule);
    if (order < CACHED_ORDERS) {
      const next = this.#top(cpu, order);
      if (next === start) return Fit.NEXT;
      if (this.#held.overlaps(start, start + bytes)) {
        return this.#find(cpu, order, start) ? Fit.KEPT : Fit.TAKEN;
      }
      if (next >= 0) return Fit.OTHER;
    } else if (this.#held.overlaps(start, start + bytes)) return Fit.TAKEN;
    return this.#fromTree(bytes, 2 ** order * granule) === start ? Fit.NEXT : Fit.OTHER;
  }

  /** The address was handed out. */
  allocate(start: number, size: number, granule: number, cpu: number): void {
    const bytes = allocationSize(size, granule);
    const order = orderOf(bytes / granule);
    if (order < CACHED_ORDERS && this.#takeOut(cpu, order, start)) return;
    if (this.#held.overlaps(start, start + bytes)) this.#held.remove(start, start + bytes);
    this.#held.insert(start, start + bytes, 0);
    if (start < LIMIT) this.#cursor = start;
  }

  /** The address was given back. */
  free(start: number, size: number, granule: number, cpu: number): void {
    const bytes = allocationSize(size, granule);
    const order = orderOf(bytes / granule);
    if (order >= CACHED_ORDERS) {
      this.#held.remove(start, start + bytes);
      if (start >= this.#cursor) {
        const next = this.#held.firstStartFrom(start);
        this.#cursor = next < 0 || next > LIMIT ? LIMIT : next;
      }
      return;
    }
    if (!this.#held.overlaps(start, start + bytes)) this.#held.insert(start, start + bytes, 0);
    const magazines = this.#of(cpu, order);
    if (magazines.loaded.length >= MAGAZINE) {
      if (magazines.previous.length < MAGAZINE) swap(magazines);
      else {
        this.#depots[order]?.push(magazines.loaded);
        magazines.loaded = [];
      }
    }
    magazines.loaded.push(start);
  }

  /** What this CPU would reuse next, or -1. */
  #top(cpu: number, order: number): number {
    const { loaded, previous } = this.#of(cpu, order);
    const depot = this.#depots[order]?.at(-1);
    return loaded.at(-1) ?? previous.at(-1) ?? depot?.at(-1) ?? -1;
  }

  #find(cpu: number, order: number, start: number): boolean {
    const { loaded, previous } = this.#of(cpu, order);
    return loaded.includes(start) || previous.includes(start);
  }

  /** Takes the address out of the magazines, wherever it is. */
  #takeOut(cpu: number, order: number, start: number): boolean {
    const magazines = this.#of(cpu, order);
    if (magazines.loaded.length === 0) {
      if (magazines.previous.length > 0) swap(magazines);
      else magazines.loaded = this.#depots[order]?.pop() ?? magazines.loaded;
    }
    if (removeLast(magazines.loaded, start) || removeLast(magazines.previous, start)) return true;
    for (let other = order; other < this.#magazines.length; other += CACHED_ORDERS) {
      const theirs = this.#magazines[other];
      if (theirs !== undefined && (removeLast(theirs.loaded, start) || removeLast(theirs.previous, start))) return true;
    }
    return this.#depots[order]?.some((magazine) => removeLast(magazine, start)) ?? false;
  }

  #fromTree(bytes: number, alignment: number): number {
    const found = this.#search(this.#cursor, bytes, alignment);
    return found >= 0 || this.#cursor === LIMIT ? found : this.#search(LIMIT, bytes, alignment);
  }

  #search(from: number, bytes: number, alignment: number): number {
    let high = from;
    for (;;) {
      const start = Math.floor((high - bytes) / alignment) * alignment;
      if (start < 0 || !this.#held.overlaps(start, start + bytes)) return start;
      high = this.#held.lastStartBelow(start + bytes);
    }
  }

  #of(cpu: number, order: number): Magazines {
    const at = Math.max(cpu, 0) * CACHED_ORDERS + order;
    let one = this.#magazines[at];
    if (one === undefined) {
      one = new Magazines();
      this.#magazines[at] = one;
    }
    return one;
  }
}

function swap(magazines: Magazines): void {
  const { loaded, previous } = magazines;
  magazines.loaded = previous;
  magazines.previous = loaded;
}

function removeLast(magazine: number[], start: number): boolean {
  const at = magazine.lastIndexOf(start);
  if (at < 0) return false;
  magazine.splice(at, 1);
  return true;
}

function orderOf(pages: number): number {
  return pages <= 1 ? 0 : 32 - Math.clz32(Math.min(pages, 2 ** 31) - 1);
}

/** Bytes that a request takes of the address space. */
function allocationSize(size: number, granule: number): number {
  const pages = Math.max(1, Math.ceil(size / granule));
  return granule * (pages < 2 ** (CACHED_ORDERS - 1) ? 2 ** orderOf(pages) : pages);
}
