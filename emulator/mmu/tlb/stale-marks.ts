import { type AssociativeCache, ENTRY_WORDS, NO_SALT, RangeSearch, SECTION_SHIFT } from '../cache/index.ts';
import { ENTRY } from '../walk/index.ts';
import type { MmuCaches } from './mmu-caches.ts';

/** Told when a marked entry is invalidated, evicted or overwritten. */
export type MarkDropped = (mark: number, cacheName: string) => void;

/**
 * What the sanitizer asks of the TLBs: which entries still hold a mapping that the tables no longer have. It marks them with a number
 * of its own; a translation that such an entry serves reports the number (`Mmu.staleMark`), copies made of it (a micro-TLB filled
 * from the main TLB) carry it on, and when it goes the sanitizer is told. Without marks, translations pay one comparison.
 */
export class StaleMarks {
  readonly #caches: MmuCaches;
  readonly #range = new RangeSearch();
  /** What the address space in question mixes into the set index of the SMMU's TLB. */
  readonly #ofSpace = new Int32Array(1);

  constructor(caches: MmuCaches) {
    this.#caches = caches;
  }

  /**
   * Sets who is told about each entry that gets a mark, copies included, and about each marked entry that goes. An entry keeps
   * its first mark until then.
   */
  watch(marked: (mark: number) => void, dropped: MarkDropped): void {
    const drop = (mark: number, cache: AssociativeCache): void => dropped(mark, cache.name);
    for (const cache of this.#caches.translations) {
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
    if (this.#caches.clean.holds(start, end, asid, vmid, upper)) return 0;
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
      for (let entry = 0; entry < cache.reach; entry++) {
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
    for (const cache of this.#caches.translations) marked += cache.marked;
    return marked;
  }

  /** Whether a TLB or a walk-cache leaf holds a translation of the address. */
  holds(asid: number, vmid: number, iova: number, upper = false): boolean {
    for (const cache of this.#caches.translations) {
      if (cache === this.#caches.ipa) continue;
      const count = this.#range.find(cache, iova, iova + 1, upper, this.#saltsOf(cache, asid, vmid, true));
      for (let at = 0; at < count; at++) {
        const entry = this.#range.found[at] as number;
        if (this.#isStage1Leaf(cache, entry) && this.#isOf(cache, entry, asid, vmid)) return true;
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
    let marked = 0;
    for (const cache of this.#caches.translations) {
      if (cache.valid === 0 || cache === this.#caches.ipa || (!leaves && !cache.holdsTables)) continue;
      const count = this.#range.find(cache, start, end, upper, this.#saltsOf(cache, asid, vmid, leaves));
      for (let at = 0; at < count; at++) {
        const entry = this.#range.found[at] as number;
        if (this.#isStage1Leaf(cache, entry) !== leaves || !this.#isOf(cache, entry, asid, vmid)) continue;
        if (cache.mark(entry, markId)) marked++;
      }
    }
    return marked;
  }

  /** What the entries of an address space mix into the set index of a cache. @param leaves those of stage 1 */
  #saltsOf(cache: AssociativeCache, asid: number, vmid: number, leaves: boolean): Int32Array {
    const { tlb, config, walk } = this.#caches;
    if (cache.holdsTables) return leaves ? walk.salts1 : walk.salts;
    if (cache !== tlb || !config.indexMixesAddressSpace) return NO_SALT;
    this.#ofSpace[0] = asid ^ vmid;
    return this.#ofSpace;
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
