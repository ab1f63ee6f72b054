import type { MmuConfig } from '../config/index.ts';
import {
  ANY_SET,
  type AssociativeCache,
  ENTRY_WORDS,
  type MmuCaches,
  maskHigh,
  maskLow,
  OWNER_SHIFT,
  RangeSearch,
  SECTION_SHIFT,
  tagHigh,
  tagLow,
  WALK_LEVELS,
} from '../tlb/index.ts';
import { ENTRY } from '../walk/index.ts';
import type { InvalidationObserver } from './observer.ts';

/** Any ASID (TLBI VAA), or any VMID. */
export const ANY = -1;

/** Page number bits and upper-half bit of the high tag word: what an invalidation compares, which names no stream. */
const ADDRESS_BITS = (1 << SECTION_SHIFT) - 1;

/** Which entries of a cache an invalidation means, besides their address. */
const Scope = {
  /** Entries of an ASID and VMID; global pages of the VMID too. */
  STAGE1: 0,
  /** Stage-2 entries of a VMID, and TLB entries that are a stage 2 alone. */
  STAGE2: 1,
  /** Everything of a VMID. */
  VMID: 2,
} as const;
type Scope = (typeof Scope)[keyof typeof Scope];

/**
 * Drops entries from the caches of an MMU, and says what that costs. Each operation is one command of an SMMU's queue (or one write to
 * a TLBI register) and returns the cycles for which it keeps the invalidation machinery busy; `sync` adds the wait at the end.
 *
 * The cost has three parts, all from `config.invalidation`: reading and issuing the command, matching in each TLB (the slowest one
 * counts, since they all get the broadcast), and at the SYNC the way there and back and the translations in flight.
 */
export class MmuInvalidation {
  /** Commands so far, SYNCs not among them. */
  commands = 0;
  syncs = 0;
  /** Cycles of all commands and SYNCs. */
  cycles = 0;
  /** Entries dropped by the last operation. */
  dropped = 0;
  /** Told of every command that drops translations. */
  observer: InvalidationObserver | null = null;

  readonly #config: MmuConfig;
  readonly #caches: MmuCaches;
  readonly #range = new RangeSearch();
  /** Cycles in which the slowest cache matched the operation under way. */
  #busy = 0;

  constructor(config: MmuConfig, caches: MmuCaches) {
    this.#config = config;
    this.#caches = caches;
  }

  resetCounters(): void {
    this.commands = 0;
    this.syncs = 0;
    this.cycles = 0;
  }

  /**
   * By input address: TLBI NH_VA, and with `asid` {@link ANY} TLBI NH_VAA.
   *
   * @param leafOnly walk-cache entries of tables stay
   * @returns cycles
   */
  byAddress(iova: number, asid: number, vmid: number, leafOnly: boolean, upper = false): number {
    this.#begin();
    this.observer?.addresses(1, iova, iova + 1, asid, vmid, leafOnly);
    const low = tagLow(iova);
    const high = tagHigh(iova, upper);
    for (const { microTlb, mainTlb } of this.#caches.interfaces) {
      this.#covering(microTlb, low, high, Scope.STAGE1, asid, vmid, false, 0);
      this.#covering(mainTlb, low, high, Scope.STAGE1, asid, vmid, false, 0);
    }
    const mixes = this.#config.indexMixesAddressSpace;
    if (mixes && (asid === ANY || !this.#config.deviations.invalidationScansOneSet)) {
      this.#sweepCovering(this.#caches.tlb, low, high, Scope.STAGE1, asid, vmid, false);
    } else {
      this.#covering(this.#caches.tlb, low, high, Scope.STAGE1, asid, vmid, false, mixes ? asid ^ vmid : 0);
    }
    this.#coveringWalks(low, high, Scope.STAGE1, asid, vmid, leafOnly);
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** By a range of input addresses [start, end): TLBI with NUM, SCALE and TG (SMMUv3.2 range invalidation). */
  byRange(start: number, end: number, asid: number, vmid: number, leafOnly: boolean, upper = false): number {
    this.#begin();
    this.observer?.addresses(1, start, end, asid, vmid, leafOnly);
    for (const cache of this.#caches.translations) {
      if (cache === this.#caches.ipa) continue;
      this.#overlapping(cache, start, end, upper, Scope.STAGE1, asid, vmid, leafOnly);
    }
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** All entries of an ASID, global pages excepted: TLBI NH_ASID. */
  byAsid(asid: number, vmid: number): number {
    this.#begin();
    this.observer?.addressSpace(asid, vmid);
    const keepsGlobal = !this.#config.deviations.globalPagesBelongToAsid;
    const { spaces } = this.#caches;
    for (const cache of this.#caches.translations) {
      if (cache === this.#caches.ipa || !this.#sweeps(cache)) continue;
      for (let entry = 0; entry < cache.reach; entry++) {
        const space = cache.spaceOf(entry);
        if (!cache.holds(entry) || spaces.first[space] !== asid || spaces.second[space] !== vmid) continue;
        const attributes = cache.attributesOf(entry);
        if (keepsGlobal && isLeaf(cache, attributes) && (attributes & ENTRY.NOT_GLOBAL) === 0) continue;
        this.#drop(cache, entry);
      }
    }
    return this.#end(0);
  }

  /**
   * All entries of a VMID: TLBI NH_ALL, and with `stage2` TLBI S12_VMALL.
   *
   * @param stage2 stage-2 entries too
   */
  byVmid(vmid: number, stage2: boolean): number {
    this.#begin();
    this.observer?.virtualMachine(vmid, stage2);
    for (const cache of this.#caches.translations) {
      if (cache === this.#caches.ipa && !stage2) continue;
      this.#dropVmid(cache, vmid);
    }
    return this.#end(0);
  }

  /** By intermediate physical address: TLBI S2_IPA. */
  byIpa(ipa: number, vmid: number, leafOnly: boolean): number {
    this.#begin();
    this.observer?.addresses(2, ipa, ipa + 1, ANY, vmid, leafOnly);
    const low = tagLow(ipa);
    const high = tagHigh(ipa, false);
    const { ipa: ipaCache, walk, interfaces, tlb } = this.#caches;
    this.#covering(ipaCache, low, high, Scope.VMID, ANY, vmid, false, this.#config.indexMixesAddressSpace ? vmid : 0);
    if (this.#config.deviations.ipaInvalidationMissesTlbs) {
      if (!leafOnly) for (const cache of walk.arrays) this.#dropVmid(cache, vmid);
      return this.#end(this.#config.invalidation.byAddress);
    }
    for (const { microTlb, mainTlb } of interfaces) {
      this.#covering(microTlb, low, high, Scope.STAGE2, ANY, vmid, false, 0);
      this.#covering(mainTlb, low, high, Scope.STAGE2, ANY, vmid, false, 0);
    }
    this.#sweepCovering(tlb, low, high, Scope.STAGE2, ANY, vmid, false);
    this.#coveringWalks(low, high, Scope.STAGE2, ANY, vmid, leafOnly);
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** By a range of intermediate physical addresses [start, end). */
  byIpaRange(start: number, end: number, vmid: number, leafOnly: boolean): number {
    this.#begin();
    this.observer?.addresses(2, start, end, ANY, vmid, leafOnly);
    for (const cache of this.#caches.translations) {
      const scope = cache === this.#caches.ipa ? Scope.VMID : Scope.STAGE2;
      this.#overlapping(cache, start, end, false, scope, ANY, vmid, leafOnly);
    }
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** Everything but configurations: TLBI NSNH_ALL. */
  all(): number {
    this.#begin();
    this.observer?.everything();
    for (const cache of this.#caches.translations) this.dropped += cache.dropAll();
    return this.#end(0);
  }

  /**
   * Configuration of the streams `first` to `last` with all their substreams, and what their interfaces hold: CFGI_STE,
   * CFGI_STE_RANGE, CFGI_CD_ALL; with 0 and Infinity CFGI_ALL.
   */
  streams(first: number, last: number): number {
    this.#begin();
    const { streams } = this.#caches;
    this.#dropStreams((stream) => {
      const id = streams.first[stream] as number;
      return id >= first && id <= last;
    }, -1);
    return this.#end(0);
  }

  /** Configuration of one substream: CFGI_CD. */
  substream(streamId: number, substreamId: number): number {
    this.#begin();
    const { streams } = this.#caches;
    // Traffic without a substream uses context descriptor 0 (S1DSS), so that is dropped with it.
    const wanted = Math.max(substreamId, 0);
    const set = streamId ^ wanted;
    this.#dropStreams(
      (stream) => {
        const substream = Math.max(streams.second[stream] as number, 0);
        return streams.first[stream] === streamId && substream === wanted;
      },
      this.#config.deviations.invalidationScansOneSet ? set : -1,
    );
    return this.#end(0);
  }

  /**
   * Waits until every command before it has taken effect: CMD_SYNC, or the sync register of an SMMUv2.
   *
   * @param now cycle at which it is issued
   * @param inFlightUntil cycle at which the last translation in flight will be done
   * @returns cycles until completion is seen
   */
  sync(now: number, inFlightUntil = 0): number {
    this.syncs++;
    if (this.#config.deviations.invalidationIsFree) return 0;
    const { broadcast, sync, syncDrains } = this.#config.invalidation;
    const drain = syncDrains ? Math.max(inFlightUntil - now, 0) : 0;
    const cycles = Math.max(broadcast, drain) + sync;
    this.cycles += cycles;
    return cycles;
  }

  #begin(): void {
    this.dropped = 0;
    this.#busy = 0;
  }

  #end(least: number): number {
    this.commands++;
    if (this.#config.deviations.invalidationIsFree) return 0;
    const { issue, commandsPerRead } = this.#config.invalidation;
    const fetched = (1 + this.#config.memory.latency) / commandsPerRead;
    const cycles = Math.max(fetched + issue, least, this.#busy);
    this.cycles += cycles;
    return cycles;
  }

  /** Counts the time of going through all sets; false when there is nothing to find. */
  #sweeps(cache: AssociativeCache): boolean {
    this.#busy = Math.max(this.#busy, cache.sets / this.#config.invalidation.setsPerCycle);
    return cache.valid > 0;
  }

  #drop(cache: AssociativeCache, entry: number): void {
    cache.drop(entry);
    this.dropped++;
  }

  #dropVmid(cache: AssociativeCache, vmid: number): void {
    if (!this.#sweeps(cache)) return;
    const { spaces } = this.#caches;
    for (let entry = 0; entry < cache.reach; entry++) {
      if (cache.holds(entry) && spaces.second[cache.spaceOf(entry)] === vmid) this.#drop(cache, entry);
    }
  }

  /** @param set the one set of the main TLBs to look into, or -1 for all */
  #dropStreams(means: (stream: number) => boolean, set: number): void {
    const { configuration, interfaces } = this.#caches;
    this.#dropOwned(configuration, means, -1);
    for (const { microTlb, mainTlb } of interfaces) {
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
  #covering(
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
      this.#sweepCovering(cache, low, high, scope, asid, vmid, leafOnly);
      return;
    }
    const oneSet = this.#config.deviations.invalidationScansOneSet && !cache.holdsTables;
    const sizes = oneSet ? 1 : cache.liveSizes;
    for (let size = sizes - 1; size >= 0; size--) {
      const shift = oneSet ? 12 : cache.liveShift(size);
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
    this.#busy = Math.max(this.#busy, this.#config.invalidation.byAddress * Math.max(sizes, 1));
  }

  #coveringWalks(low: number, high: number, scope: Scope, asid: number, vmid: number, leafOnly: boolean): void {
    const { walk } = this.#caches;
    for (const cache of walk.arrays) {
      // The levels of a unified array begin their sets at different places.
      const sections = walk.unified ? 2 * WALK_LEVELS : 1;
      for (let section = 0; section < sections; section++) {
        this.#covering(cache, low, high, scope, asid, vmid, leafOnly, walk.salt(section));
      }
    }
  }

  #sweepCovering(
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
    for (let size = cache.liveSizes - 1; size >= 0; size--) {
      let next = cache.chainOf(cache.liveShift(size), low, high);
      while (next >= 0) {
        const entry = next;
        next = cache.chainNext(entry);
        if (covers(cache, entry, low, high) && this.#means(cache, entry, scope, asid, vmid, leafOnly)) {
          this.#drop(cache, entry);
        }
      }
    }
  }

  #overlapping(
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
    const count = this.#range.find(cache, start, end, upper, this.#setsFollowOwner(cache) ? ANY_SET : 0);
    for (let found = 0; found < count; found++) {
      const entry = this.#range.found[found] as number;
      if (this.#means(cache, entry, scope, asid, vmid, leafOnly)) this.#drop(cache, entry);
    }
  }

  /** Whether address spaces or levels are spread over a cache's sets differently. */
  #setsFollowOwner(cache: AssociativeCache): boolean {
    if (cache.holdsTables) return this.#caches.walk.unified;
    return this.#config.indexMixesAddressSpace && (cache === this.#caches.tlb || cache === this.#caches.ipa);
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
