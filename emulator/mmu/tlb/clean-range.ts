import { type AssociativeCache, FIRST_SHIFT } from '../cache/index.ts';

const PAGE_BYTES = 2 ** FIRST_SHIFT;

/** Every ASID of a VMID. */
const ANY_ASID = -1;

/**
 * What is known to be gone: the range of which the last invalidations by input address dropped every leaf, good until a cache changes. The
 * sanitizer asks right after an unmap for just what the driver has invalidated, and is spared the search.
 */
export class CleanRange {
  readonly #caches: readonly AssociativeCache[];
  #start = 0;
  #end = 0;
  #asid = 0;
  #vmid = 0;
  #upper = false;
  /** Changes of all caches when the range became clean. */
  #version = 0;
  /** The range was still clean when the invalidation under way began. */
  #goesOn = false;

  /** @param caches all that hold leaves */
  constructor(caches: readonly AssociativeCache[]) {
    this.#caches = caches;
  }

  /** An invalidation begins. */
  begin(): void {
    this.#goesOn = this.#end > this.#start && this.#version === this.#changes();
  }

  /** It has dropped every leaf that covers a part of the pages of [start, end). */
  dropped(start: number, end: number, asid: number, vmid: number, upper: boolean): void {
    const first = Math.floor(start / PAGE_BYTES) * PAGE_BYTES;
    const last = Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
    const same = this.#asid === asid && this.#vmid === vmid && this.#upper === upper;
    if (this.#goesOn && same && first <= this.#end && last >= this.#start) {
      if (first < this.#start) this.#start = first;
      if (last > this.#end) this.#end = last;
    } else {
      this.#start = first;
      this.#end = last;
      this.#asid = asid;
      this.#vmid = vmid;
      this.#upper = upper;
    }
    this.#version = this.#changes();
  }

  /** Whether no cache holds a leaf of an address space that covers a part of [start, end), as far as invalidations tell. */
  holds(start: number, end: number, asid: number, vmid: number, upper: boolean): boolean {
    if (start < this.#start || end > this.#end || vmid !== this.#vmid || upper !== this.#upper) return false;
    return (asid === this.#asid || this.#asid === ANY_ASID) && this.#version === this.#changes();
  }

  #changes(): number {
    let changes = 0;
    const caches = this.#caches;
    for (let at = 0; at < caches.length; at++) changes += (caches[at] as AssociativeCache).version;
    return changes;
  }
}
