import {
  ANY_SALT,
  type AssociativeCache,
  ENTRY_WORDS,
  maskHigh,
  maskLow,
  NO_SALT,
  OWNER_SHIFT,
  RangeSearch,
  SECTION_SHIFT,
} from '../cache/index.ts';
import type { MmuConfig } from '../config/index.ts';
import { type MmuCaches, WALK_LEVELS } from '../tlb/index.ts';
import { ENTRY } from '../walk/index.ts';

/** Any ASID (TLBI VAA), or any VMID. */
export const ANY = -1;

/** Page number bits and upper-half bit of the high tag word: what an invalidation compares, which names no stream. */
const ADDRESS_BITS = (1 << SECTION_SHIFT) - 1;

/** Which entries of a cache an invalidation means, besides their address. */
export const Scope = {
  /** Entries of an ASID and VMID; global pages of the VMID too. */
  STAGE1: 0,
  /** Stage-2 entries of a VMID, and TLB entries that are a stage 2 alone. */
  STAGE2: 1,
  /** Everything of a VMID. */
  VMID: 2,
} as const;
export type Scope = (typeof Scope)[keyof typeof Scope];

/**
 * Finds the entries of an MMU's caches that an invalidation means, and drops them; it looks only into the sets and chains where they
 * can be. It counts what it drops, and how long the slowest cache is busy with it.
 */
export class EntryDropper {
  /** Entries dropped since `begin`. */
  dropped = 0;
  /** Cycles in which the slowest cache matched the operation under way. */
  busy = 0;
  readonly #config: MmuConfig;
  readonly #caches: MmuCaches;
  readonly #range = new RangeSearch();

  constructor(config: MmuConfig, caches: MmuCaches) {
    this.#config = config;
    this.#caches = caches;
  }

  begin(): void {
    this.dropped = 0;
    this.busy = 0;
  }

  /** Everything of one cache. */
  dropAll(cache: AssociativeCache): void {
    this.dropped += cache.dropAll();
  }

  /** Entries of an address space. @param keepsGlobal global pages stay */
  dropSpace(cache: AssociativeCache, asid: number, vmid: number, keepsGlobal: boolean): void {
    if (!this.#sweeps(cache)) return;
    const { spaces } = this.#caches;
    for (let entry = 0; entry < cache.reach; entry++) {
      const space = cache.spaceOf(entry);
      if (!cache.holds(entry) || spaces.first[space] !== asid || spaces.second[space] !== vmid) continue;
      const attributes = cache.attributesOf(entry);
      if (keepsGlobal && isLeaf(cache, attributes) && (attributes & ENTRY.NOT_GLOBAL) === 0) continue;
      this.#drop(cache, entry);
    }
  }

  /** Counts the time of going through all sets; false when there is nothing to find. */
  #sweeps(cache: AssociativeCache): boolean {
    this.busy = Math.max(this.busy, cache.sets / this.#config.invalidation.setsPerCycle);
    return cache.valid > 0;
  }

  #drop(cache: AssociativeCache, entry: number): void {
    cache.drop(entry);
    this.dropped++;
  }

  dropVmid(cache: AssociativeCache, vmid: number): void {
    if (!this.#sweeps(cache)) return;
    const { spaces } = this.#caches;
    for (let entry = 0; entry < cache.reach; entry++) {
      if (cache.holds(entry) && spaces.second[cache.spaceOf(entry)] === vmid) this.#drop(cache, entry);
    }
  }

  /** @param set the one set of the main TLBs to look into, or -1 for all */
  dropStreams(means: (stream: number) => boolean, set: number): void {
    const { configuration, tbus } = this.#caches;
    this.#dropOwned(configuration, means, -1);
    for (const { microTlb, mainTlb } of tbus) {
      this.#dropOwned(microTlb, means, set);
      this.#dropOwned(mainTlb, means, set);
    }
  }

  #dropOwned(cache: AssociativeCache | null, means: (stream: number) => boolean, set: number): void {
    if (cache === null || !this.#sweeps(cache)) return;
    const first = set < 0 ? 0 : (set % cache.sets) * cache.ways;
    const end = set < 0 ? cache.entries : first + cache.ways;
    for (let entry = first; entry < end; entry++) {
      if (cache.holds(entry) && means((cache.words[entry * ENTRY_WORDS + 1] as number) >>> OWNER_SHIFT))
        this.#drop(cache, entry);
    }
  }

  /** Drops what covers an address, looking only into the sets where that can be. */
  covering(
    cache: AssociativeCache | null,
    low: number,
    high: number,
    scope: Scope,
    asid: number,
    vmid: number,
    leafOnly: boolean,
    salt: number,
  ): void {
    if (cache === null || cache.valid === 0) return;
    if (cache.sets === 1) {
      this.sweepCovering(cache, low, high, scope, asid, vmid, leafOnly);
      return;
    }
    const oneSet = this.#config.deviations.invalidationScansOneSet && !cache.holdsTables;
    const sizes = oneSet ? 1 : cache.pageSizes.count;
    for (let size = sizes - 1; size >= 0; size--) {
      const shift = oneSet ? 12 : (cache.pageSizes.shifts[size] as number);
      // Entries lie where their first page says in a cache that indexes by first page.
      const first = oneSet
        ? cache.setStart(shift, low, high, salt)
        : cache.setStart(shift, low & maskLow(shift), high & maskHigh(shift), salt);
      for (let entry = first; entry < first + cache.ways; entry++) {
        if (covers(cache, entry, low, high) && this.#means(cache, entry, scope, asid, vmid, leafOnly)) {
          this.#drop(cache, entry);
        }
      }
    }
    this.busy = Math.max(this.busy, this.#config.invalidation.byAddress * Math.max(sizes, 1));
  }

  coveringWalks(low: number, high: number, scope: Scope, asid: number, vmid: number, leafOnly: boolean): void {
    const { walk } = this.#caches;
    for (const cache of walk.arrays) {
      // The levels of a unified array begin their sets at different places.
      const sections = walk.unified ? 2 * WALK_LEVELS : 1;
      for (let section = 0; section < sections; section++) {
        this.covering(cache, low, high, scope, asid, vmid, leafOnly, walk.salt(section));
      }
    }
  }

  sweepCovering(
    cache: AssociativeCache | null,
    low: number,
    high: number,
    scope: Scope,
    asid: number,
    vmid: number,
    leafOnly: boolean,
  ): void {
    if (cache === null || cache.valid === 0) return;
    if (cache.hashed) {
      this.#coveringChains(cache, low, high, scope, asid, vmid, leafOnly);
      return;
    }
    for (let entry = 0; entry < cache.reach; entry++) {
      if (covers(cache, entry, low, high) && this.#means(cache, entry, scope, asid, vmid, leafOnly)) {
        this.#drop(cache, entry);
      }
    }
  }

  /** In a hashed cache all entries of a page are in one chain for each page size. */
  #coveringChains(
    cache: AssociativeCache,
    low: number,
    high: number,
    scope: Scope,
    asid: number,
    vmid: number,
    leafOnly: boolean,
  ): void {
    for (let size = cache.pageSizes.count - 1; size >= 0; size--) {
      let next = cache.chains.first(cache.pageSizes.shifts[size] as number, low, high);
      while (next >= 0) {
        const entry = next;
        next = cache.chains.next(entry);
        if (covers(cache, entry, low, high) && this.#means(cache, entry, scope, asid, vmid, leafOnly)) {
          this.#drop(cache, entry);
        }
      }
    }
  }

  overlapping(
    cache: AssociativeCache,
    start: number,
    end: number,
    upper: boolean,
    scope: Scope,
    asid: number,
    vmid: number,
    leafOnly: boolean,
  ): void {
    if (!this.#sweeps(cache)) return;
    const count = this.#range.find(cache, start, end, upper, this.#saltsOf(cache));
    for (let found = 0; found < count; found++) {
      const entry = this.#range.found[found] as number;
      if (this.#means(cache, entry, scope, asid, vmid, leafOnly)) this.#drop(cache, entry);
    }
  }

  /** What address spaces or levels mix into the set index of a cache. */
  #saltsOf(cache: AssociativeCache): Int32Array {
    const { tlb, ipa, walk } = this.#caches;
    if (cache.holdsTables) return walk.salts;
    return this.#config.indexMixesAddressSpace && (cache === tlb || cache === ipa) ? ANY_SALT : NO_SALT;
  }

  #means(cache: AssociativeCache, entry: number, scope: Scope, asid: number, vmid: number, leafOnly: boolean): boolean {
    const attributes = cache.attributesOf(entry);
    const leaf = isLeaf(cache, attributes);
    if (leafOnly && !leaf) return false;
    const space = cache.spaceOf(entry);
    const { spaces } = this.#caches;
    if (spaces.second[space] !== vmid) return false;
    if (scope === Scope.VMID) return true;
    const own = spaces.first[space] as number;
    if (scope === Scope.STAGE2) {
      return cache.holdsTables ? stageOf(cache, entry) === 2 : (attributes & ENTRY.STAGE2_ONLY) !== 0;
    }
    const stage2Too = this.#config.deviations.stage2EntriesHaveAsid0 && (asid === ANY || asid === own);
    if (cache.holdsTables && stageOf(cache, entry) === 2 && !stage2Too) return false;
    if (asid === ANY || own === asid) return true;
    return !this.#config.deviations.globalPagesBelongToAsid && leaf && (attributes & ENTRY.NOT_GLOBAL) === 0;
  }
}

/** Whether an entry, of whichever owner, covers an address. */
function covers(cache: AssociativeCache, entry: number, low: number, high: number): boolean {
  const at = entry * ENTRY_WORDS;
  const mismatch =
    (((cache.words[at] as number) ^ low) & (cache.words[at + 2] as number)) |
    (((cache.words[at + 1] as number) ^ high) & (cache.words[at + 3] as number) & ADDRESS_BITS);
  return mismatch === 0 && cache.holds(entry);
}

/** TLB entries are leaves; walk-cache entries say so. */
function isLeaf(cache: AssociativeCache, attributes: number): boolean {
  return !cache.holdsTables || (attributes & ENTRY.LEAF) !== 0;
}

/** Stage of a walk-cache entry, from the section in its tag. */
function stageOf(cache: AssociativeCache, entry: number): 1 | 2 {
  return (((cache.words[entry * ENTRY_WORDS + 1] as number) >>> SECTION_SHIFT) & 7) < 4 ? 1 : 2;
}
