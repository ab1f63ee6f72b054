import { Coverage, LiveRanges } from '../../../emulator/index.ts';
import { type FreedStack, mix, push, without } from './freed-stack.ts';

/** Orders of sizes whose freed addresses are kept for reuse: Linux `IOVA_RANGE_CACHE_MAX_SIZE`. */
const CACHED_ORDERS = 6;
/** Freed addresses in one magazine: Linux `IOVA_MAG_SIZE` since 6.3 (128 before). */
const MAGAZINE = 127;
/** Seconds between two full magazines that go back to the tree while there are more than CPUs: Linux `IOVA_DEPOT_DELAY`, since 6.7. */
const DEPOT_DELAY = 0.1;
/** The DMA API of a PCI device asks below 4 GiB first. */
const LIMIT = 2 ** 32;
/** Holes too small that a search of the tree steps over before it gives up. */
const PATIENCE = 256;

/** How an address stands to what the allocator would hand out next. */
export const Fit = {
  /** The very one. */
  NEXT: 0,
  /** It is held in its size: kept for reuse but not on top (another CPU's, or the order is off by what was lost or guessed wrong), or in use. */
  KEPT: 1,
  /** The allocator would have handed out another one. */
  OTHER: 2,
  /** It is held in another size. */
  TAKEN: 3,
} as const;
export type Fit = (typeof Fit)[keyof typeof Fit];

/**
 * What the IOVA allocator of one domain would hand out next (Linux drivers/iommu/iova.c): sizes up to 32 pages are rounded up to a power of
 * two, and freed addresses of each such size wait in magazines of the CPU that freed them (two per CPU, full ones in a depot), last in first out; what no
 * magazine holds comes from a tree, top-down from the last allocation, each aligned to its size rounded up. An address in a magazine stays taken in the tree.
 *
 * It follows what it is told and repairs itself where that differs from what it would have done. It does not model devices whose DMA mask is below 32 bits,
 * addresses above 4 GiB, and the flush queue of lazy mode, which holds freed addresses back.
 */
export class IovaAllocator {
  /** Taken in the tree: in use, or in a magazine. */
  readonly #held: LiveRanges;
  /** By CPU and order: the magazine in use, and the one before. */
  readonly #loaded: (FreedStack | null)[];
  readonly #previous: (FreedStack | null)[];
  /** Full magazines of each order, of all CPUs. */
  readonly #depots: (readonly FreedStack[])[];
  /** When the depot of each order is next looked at; 0 when nobody will. */
  readonly #trimAt: number[];
  #trims: boolean;
  /** Where the search of the tree goes down from. */
  #cursor: number;
  #hash = 0;
  #stale = true;

  /** @param from an allocator in whose state the new one begins */
  constructor(from?: IovaAllocator) {
    this.#held = from === undefined ? new LiveRanges() : new LiveRanges(from.#held);
    this.#loaded = from === undefined ? [] : from.#loaded.slice();
    this.#previous = from === undefined ? [] : from.#previous.slice();
    this.#depots = from === undefined ? Array.from({ length: CACHED_ORDERS }, () => []) : from.#depots.slice();
    this.#trimAt = from === undefined ? Array.from({ length: CACHED_ORDERS }, () => 0) : from.#trimAt.slice();
    this.#trims = from === undefined ? false : from.#trims;
    this.#cursor = from === undefined ? LIMIT : from.#cursor;
  }

  /** Equal for allocators that hand out the same addresses from here on, as far as magazines and cursor tell. */
  get hash(): number {
    if (!this.#stale) return this.#hash;
    let hash = mix(7, this.#cursor / 4096);
    for (let at = 0; at < this.#loaded.length; at++) {
      const loaded = this.#loaded[at]?.hash ?? 0;
      const previous = this.#previous[at]?.hash ?? 0;
      if (loaded !== 0 || previous !== 0) hash = mix(hash + loaded, at ^ previous);
    }
    for (const depot of this.#depots) for (const stack of depot) hash = mix(hash, stack.hash);
    this.#hash = hash;
    this.#stale = false;
    return hash;
  }

  /** How `[start, start + size)` fits what would be handed out next on this CPU. */
  fit(start: number, size: number, granule: number, cpu: number): Fit {
    const bytes = allocationSize(size, granule);
    const order = orderOf(bytes / granule);
    if (order < CACHED_ORDERS) {
      const next = this.#top(cpu, order);
      if (next === start) return Fit.NEXT;
      const taken = this.#held.coverage(start, start + bytes);
      if (taken !== Coverage.NONE) return taken === Coverage.WHOLE ? Fit.KEPT : Fit.TAKEN;
      if (next >= 0) return Fit.OTHER;
    } else if (this.#held.overlaps(start, start + bytes)) return Fit.TAKEN;
    return this.#fromTree(bytes, 2 ** order * granule) === start ? Fit.NEXT : Fit.OTHER;
  }

  /** The address was handed out. */
  allocate(start: number, size: number, granule: number, cpu: number): void {
    this.#stale = true;
    const bytes = allocationSize(size, granule);
    const order = orderOf(bytes / granule);
    if (order < CACHED_ORDERS && this.#takeOut(cpu, order, start, start + bytes)) return;
    if (this.#held.overlaps(start, start + bytes)) this.#held.remove(start, start + bytes);
    this.#held.insert(start, start + bytes, 0);
    if (start < LIMIT) this.#cursor = start;
  }

  /** The address was given back. */
  free(start: number, size: number, granule: number, cpu: number, time = 0): void {
    this.#stale = true;
    const bytes = allocationSize(size, granule);
    const order = orderOf(bytes / granule);
    if (order >= CACHED_ORDERS) {
      this.#giveBack(start, bytes);
      return;
    }
    if (this.#held.coverage(start, start + bytes) !== Coverage.WHOLE) {
      this.#held.remove(start, start + bytes);
      this.#held.insert(start, start + bytes, 0);
    }
    const at = slotOf(cpu, order);
    let loaded = this.#loaded[at] ?? null;
    if (loaded !== null && loaded.count >= MAGAZINE) {
      const previous = this.#previous[at] ?? null;
      if (previous !== null && previous.count >= MAGAZINE) {
        this.#depots[order] = [...(this.#depots[order] as readonly FreedStack[]), loaded];
        if (this.#trimAt[order] === 0) this.#trimAt[order] = time + DEPOT_DELAY;
        this.#trims = true;
        loaded = null;
      } else {
        this.#previous[at] = loaded;
        loaded = previous;
      }
    }
    this.#loaded[at] = push(loaded, start);
  }

  /** It is so late now, in seconds: depots with more magazines than CPUs have given some back to the tree. */
  passTime(time: number, cpus: number, granule: number): void {
    if (!this.#trims) return;
    this.#trims = false;
    for (let order = 0; order < CACHED_ORDERS; order++) {
      let due = this.#trimAt[order] as number;
      while (due > 0 && time >= due) {
        const depot = this.#depots[order] as readonly FreedStack[];
        if (depot.length <= cpus) due = 0;
        else {
          for (let at = depot.at(-1) ?? null; at !== null; at = at.below) this.#giveBack(at.iova, granule * 2 ** order);
          this.#depots[order] = depot.slice(0, -1);
          this.#stale = true;
          due += DEPOT_DELAY;
        }
      }
      this.#trimAt[order] = due;
      if (due > 0) this.#trims = true;
    }
  }

  /** What this CPU would reuse next, or -1. */
  #top(cpu: number, order: number): number {
    const at = slotOf(cpu, order);
    const stack = this.#loaded[at] ?? this.#previous[at] ?? this.#depots[order]?.at(-1);
    return stack === undefined ? -1 : stack.iova;
  }

  /** Takes the address out of the magazines, wherever it is. */
  #takeOut(cpu: number, order: number, start: number, end: number): boolean {
    const at = slotOf(cpu, order);
    if (!this.#loaded[at]) {
      const previous = this.#previous[at];
      const depot = this.#depots[order] as readonly FreedStack[];
      if (previous) {
        this.#loaded[at] = previous;
        this.#previous[at] = null;
      } else if (depot.length > 0) {
        this.#loaded[at] = depot.at(-1) as FreedStack;
        this.#depots[order] = depot.slice(0, -1);
      }
    }
    const loaded = this.#loaded[at];
    if (loaded?.iova === start) {
      this.#loaded[at] = loaded.below;
      return true;
    }
    if (this.#held.coverage(start, end) !== Coverage.WHOLE) return false;
    for (const magazines of [this.#loaded, this.#previous]) {
      for (let other = order; other < magazines.length; other += CACHED_ORDERS) {
        const rest = without(magazines[other] ?? null, start);
        if (rest === undefined) continue;
        magazines[other] = rest;
        return true;
      }
    }
    const depot = this.#depots[order] as readonly FreedStack[];
    for (const [index, stack] of depot.entries()) {
      const rest = without(stack, start);
      if (rest === undefined) continue;
      this.#depots[order] = rest === null ? depot.toSpliced(index, 1) : depot.with(index, rest);
      return true;
    }
    return false;
  }

  #giveBack(start: number, bytes: number): void {
    this.#held.remove(start, start + bytes);
    if (start < this.#cursor) return;
    const next = this.#held.firstStartFrom(start);
    this.#cursor = next < 0 || next > LIMIT ? LIMIT : next;
  }

  #fromTree(bytes: number, alignment: number): number {
    const found = this.#search(this.#cursor, bytes, alignment);
    return found >= 0 || this.#cursor === LIMIT ? found : this.#search(LIMIT, bytes, alignment);
  }

  #search(from: number, bytes: number, alignment: number): number {
    let high = from;
    for (let tries = 0; tries < PATIENCE; tries++) {
      const start = Math.floor((high - bytes) / alignment) * alignment;
      if (start < 0 || !this.#held.overlaps(start, start + bytes)) return start;
      high = this.#held.lastStartBelow(start + bytes);
    }
    return -1;
  }
}

function slotOf(cpu: number, order: number): number {
  return Math.max(cpu, 0) * CACHED_ORDERS + order;
}

function orderOf(pages: number): number {
  return pages <= 1 ? 0 : 32 - Math.clz32(Math.min(pages, 2 ** 31) - 1);
}

/** Bytes that a request takes of the address space. */
function allocationSize(size: number, granule: number): number {
  const pages = Math.max(1, Math.ceil(size / granule));
  return granule * (pages < 1 << (CACHED_ORDERS - 1) ? 1 << orderOf(pages) : pages);
}
