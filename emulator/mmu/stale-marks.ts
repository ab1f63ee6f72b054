import { type AssociativeCache, ENTRY_WORDS } from './cache.ts';
import { ENTRY } from './entry-attributes.ts';
import type { MmuCaches } from './mmu-caches.ts';
import { covers, overlaps } from './mmu-invalidation.ts';
import { SECTION_SHIFT, tagHigh, tagLow } from './tag.ts';
import { WALK_LEVELS } from './walk-caches.ts';

/** Told when a marked entry is invalidated, evicted or overwritten. */
export type MarkDropped = (mark: number, cacheName: string) => void;

const PAGE_SHIFT = 12;
const PAGE_BYTES = 2 ** PAGE_SHIFT;
/** Pages up to which probing sets is quicker than sweeping every entry. */
const MOST_PROBED = 64;

/**
 * What the sanitizer asks of the TLBs: which entries still hold a mapping that the tables no longer have. It marks them with a number
 * of its own; a translation that such an entry serves reports the number (`Mmu.staleMark`), copies made of it (a micro-TLB filled
 * from the main TLB) carry it on, and when it goes the sanitizer is told. Without marks, translations pay one comparison.
 */
export class StaleMarks {
  readonly #caches: MmuCaches;

  constructor(caches: MmuCaches) {
    this.#caches = caches;
  }

  /**
   * Sets who is told about each entry that gets a mark, copies included, and about each marked entry that goes. An entry keeps
   * its first mark until then.
   */
  watch(marked: (mark: number) => void, dropped: MarkDropped): void {
    const drop = (mark: number, cache: AssociativeCache): void => dropped(mark, cache.name);
    for (const cache of this.#caches.translations()) {
      cache.onMarked = marked;
      cache.onMarkedDrop = drop;
    }
  }

  /**
   * Marks every leaf entry (TLBs, walk-cache leaves) of an address space that covers any part of [start, end).
   *
   * @returns how many
   */
  mark(asid: number, vmid: number, start: number, end: number, markId: number, upper = false): number {
    return this.#each(asid, vmid, start, end, upper, true, markId);
  }

  /** As {@link mark}, for walk-cache entries that lead to tables. */
  markTables(asid: number, vmid: number, start: number, end: number, markId: number, upper = false): number {
    return this.#each(asid, vmid, start, end, upper, false, markId);
  }

  /** Marks walk-cache entries, of any stage and address space, that lead into the table memory [pa, pa + size). */
  markTable(pa: number, size: number, markId: number): number {
    let marked = 0;
    for (const cache of this.#caches.walk.arrays) {
      if (cache.valid === 0) continue;
      for (let entry = 0; entry < cache.entries; entry++) {
        if (!cache.holds(entry) || (cache.attributesOf(entry) & ENTRY.LEAF) !== 0) continue;
        const table = cache.values[entry] as number;
        if (table < pa || table >= pa + size) continue;
        if (cache.mark(entry, markId)) marked++;
      }
    }
    return marked;
  }

  /** Entries that carry a mark now, in all caches. */
  get count(): number {
    let marked = 0;
    for (const cache of this.#caches.translations()) marked += cache.marked;
    return marked;
  }

  /** Whether a TLB or a walk-cache leaf holds a translation of the address. */
  holds(asid: number, vmid: number, iova: number, upper = false): boolean {
    const low = tagLow(iova);
    const high = tagHigh(iova, upper);
    for (const cache of this.#caches.translations()) {
      if (cache === this.#caches.ipa || cache.valid === 0) continue;
      for (let entry = 0; entry < cache.entries; entry++) {
        if (
          this.#isStage1Leaf(cache, entry) &&
          this.#isOf(cache, entry, asid, vmid) &&
          covers(cache, entry, low, high)
        ) {
          return true;
        }
      }
    }
    return false;
  }

  #each(
    asid: number,
    vmid: number,
    start: number,
    end: number,
    upper: boolean,
    leaves: boolean,
    markId: number,
  ): number {
    const caches = this.#caches;
    // A few pages are looked for in the sets where they would be, unless a fault of the index hides entries from that.
    if (leaves && (end - start) / PAGE_BYTES <= MOST_PROBED && !caches.config.faults.blocksFoundByFirstPageOnly) {
      let marked = 0;
      for (const { microTlb, mainTlb } of caches.interfaces) {
        marked += this.#probe(microTlb, 0, asid, vmid, start, end, upper, markId);
        marked += this.#probe(mainTlb, 0, asid, vmid, start, end, upper, markId);
      }
      marked += this.#probe(
        caches.tlb,
        caches.config.indexMixesAddressSpace ? asid ^ vmid : 0,
        asid,
        vmid,
        start,
        end,
        upper,
        markId,
      );
      for (let section = 0; section < WALK_LEVELS; section++) {
        const cache = caches.walk.sections[section] ?? null;
        marked += this.#probe(cache, caches.walk.salt(section), asid, vmid, start, end, upper, markId);
      }
      return marked;
    }
    let marked = 0;
    for (const cache of caches.translations()) {
      if (cache === caches.ipa || cache.valid === 0) continue;
      for (let entry = 0; entry < cache.entries; entry++) {
        if (!cache.holds(entry) || this.#isStage1Leaf(cache, entry) !== leaves) continue;
        if (!this.#isOf(cache, entry, asid, vmid) || !overlaps(cache, entry, start, end, upper)) continue;
        if (cache.mark(entry, markId)) marked++;
      }
    }
    return marked;
  }

  /** Marks the leaves of [start, end) in one cache, page by page. */
  #probe(
    cache: AssociativeCache | null,
    salt: number,
    asid: number,
    vmid: number,
    start: number,
    end: number,
    upper: boolean,
    markId: number,
  ): number {
    if (cache === null || cache.valid === 0) return 0;
    let marked = 0;
    for (let iova = start - (start % PAGE_BYTES); iova < end; iova += PAGE_BYTES) {
      const low = tagLow(iova);
      const high = tagHigh(iova, upper);
      for (let size = cache.liveSizes - 1; size >= 0; size--) {
        const first = cache.setStart(cache.liveShift(size), low, high, salt);
        for (let entry = first; entry < first + cache.ways; entry++) {
          if (!covers(cache, entry, low, high) || !this.#isOf(cache, entry, asid, vmid)) continue;
          if (this.#isStage1Leaf(cache, entry) && cache.mark(entry, markId)) marked++;
        }
      }
    }
    return marked;
  }

  #isOf(cache: AssociativeCache, entry: number, asid: number, vmid: number): boolean {
    const space = cache.spaceOf(entry);
    return this.#caches.spaces.first[space] === asid && this.#caches.spaces.second[space] === vmid;
  }

  #isStage1Leaf(cache: AssociativeCache, entry: number): boolean {
    if (!cache.holdsTables) return true;
    const section = ((cache.words[entry * ENTRY_WORDS + 1] as number) >>> SECTION_SHIFT) & 7;
    return section < 4 && (cache.attributesOf(entry) & ENTRY.LEAF) !== 0;
  }
}
