import { tagHigh, tagLow } from '../cache/index.ts';
import type { MmuConfig } from '../config/index.ts';
import type { MmuCaches } from '../tlb/index.ts';
import { ANY, EntryDropper, Scope } from './entry-dropper.ts';
import type { InvalidationObserver } from './observer.ts';

/**
 * The one way to make an MMU forget: the commands of an SMMUv3's queue, the TLBI registers of an SMMUv2, LOCK and FLUSH of a Mali and
 * the flush bits of an IPMMU all end here, and whoever watches invalidations watches this. It drops entries and says what that costs:
 * each operation is one command (or one register write) and returns the cycles for which it keeps the invalidation machinery busy;
 * `sync` adds the wait at the end.
 *
 * The cost has three parts, all from `config.invalidation`: reading and issuing the command, matching in each TLB (the slowest one
 * counts, since they all get the broadcast), and at the SYNC the way there and back and the translations in flight.
 */
export class InvalidationPort {
  /** Commands so far, SYNCs not among them. */
  commands = 0;
  syncs = 0;
  /** Cycles of all commands and SYNCs. */
  cycles = 0;
  /** Told of every command that drops translations. */
  observer: InvalidationObserver | null = null;

  readonly #config: MmuConfig;
  readonly #caches: MmuCaches;
  readonly #entries: EntryDropper;
  /** Invalidations by input address find every entry that they mean. */
  readonly #findsAll: boolean;

  constructor(config: MmuConfig, caches: MmuCaches) {
    this.#config = config;
    this.#caches = caches;
    this.#entries = new EntryDropper(config, caches);
    const { invalidationScansOneSet, blocksFoundByFirstPageOnly } = config.deviations;
    this.#findsAll = !invalidationScansOneSet && !blocksFoundByFirstPageOnly;
  }

  /** Entries dropped by the last operation. */
  get dropped(): number {
    return this.#entries.dropped;
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
    const { clean } = this.#caches;
    clean.begin();
    this.#entries.begin();
    this.observer?.addresses(1, iova, iova + 1, asid, vmid, leafOnly);
    const low = tagLow(iova);
    const high = tagHigh(iova, upper);
    for (const { microTlb, mainTlb } of this.#caches.tbus) {
      this.#entries.covering(microTlb, low, high, Scope.STAGE1, asid, vmid, false, 0);
      this.#entries.covering(mainTlb, low, high, Scope.STAGE1, asid, vmid, false, 0);
    }
    const mixes = this.#config.indexMixesAddressSpace;
    if (mixes && (asid === ANY || !this.#config.deviations.invalidationScansOneSet)) {
      this.#entries.sweepCovering(this.#caches.tlb, low, high, Scope.STAGE1, asid, vmid, false);
    } else {
      this.#entries.covering(this.#caches.tlb, low, high, Scope.STAGE1, asid, vmid, false, mixes ? asid ^ vmid : 0);
    }
    this.#entries.coveringWalks(low, high, Scope.STAGE1, asid, vmid, leafOnly);
    if (this.#findsAll) clean.dropped(iova, iova + 1, asid, vmid, upper);
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** By a range of input addresses [start, end): TLBI with NUM, SCALE and TG (SMMUv3.2 range invalidation). */
  byRange(start: number, end: number, asid: number, vmid: number, leafOnly: boolean, upper = false): number {
    const { clean } = this.#caches;
    clean.begin();
    this.#entries.begin();
    this.observer?.addresses(1, start, end, asid, vmid, leafOnly);
    for (const cache of this.#caches.translations) {
      if (cache === this.#caches.ipa) continue;
      this.#entries.overlapping(cache, start, end, upper, Scope.STAGE1, asid, vmid, leafOnly);
    }
    if (this.#findsAll) clean.dropped(start, end, asid, vmid, upper);
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** All entries of an ASID, global pages excepted: TLBI NH_ASID. */
  byAsid(asid: number, vmid: number): number {
    this.#entries.begin();
    this.observer?.addressSpace(asid, vmid);
    const keepsGlobal = !this.#config.deviations.globalPagesBelongToAsid;
    for (const cache of this.#caches.translations) {
      if (cache !== this.#caches.ipa) this.#entries.dropSpace(cache, asid, vmid, keepsGlobal);
    }
    return this.#end(0);
  }

  /**
   * All entries of a VMID: TLBI NH_ALL, and with `stage2` TLBI S12_VMALL.
   *
   * @param stage2 stage-2 entries too
   */
  byVmid(vmid: number, stage2: boolean): number {
    this.#entries.begin();
    this.observer?.virtualMachine(vmid, stage2);
    for (const cache of this.#caches.translations) {
      if (cache === this.#caches.ipa && !stage2) continue;
      this.#entries.dropVmid(cache, vmid);
    }
    return this.#end(0);
  }

  /** By intermediate physical address: TLBI S2_IPA. */
  byIpa(ipa: number, vmid: number, leafOnly: boolean): number {
    this.#entries.begin();
    this.observer?.addresses(2, ipa, ipa + 1, ANY, vmid, leafOnly);
    const low = tagLow(ipa);
    const high = tagHigh(ipa, false);
    const { ipa: ipaCache, walk, tbus, tlb } = this.#caches;
    this.#entries.covering(
      ipaCache,
      low,
      high,
      Scope.VMID,
      ANY,
      vmid,
      false,
      this.#config.indexMixesAddressSpace ? vmid : 0,
    );
    if (this.#config.deviations.ipaInvalidationMissesTlbs) {
      if (!leafOnly) for (const cache of walk.arrays) this.#entries.dropVmid(cache, vmid);
      return this.#end(this.#config.invalidation.byAddress);
    }
    for (const { microTlb, mainTlb } of tbus) {
      this.#entries.covering(microTlb, low, high, Scope.STAGE2, ANY, vmid, false, 0);
      this.#entries.covering(mainTlb, low, high, Scope.STAGE2, ANY, vmid, false, 0);
    }
    this.#entries.sweepCovering(tlb, low, high, Scope.STAGE2, ANY, vmid, false);
    this.#entries.coveringWalks(low, high, Scope.STAGE2, ANY, vmid, leafOnly);
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** By a range of intermediate physical addresses [start, end). */
  byIpaRange(start: number, end: number, vmid: number, leafOnly: boolean): number {
    this.#entries.begin();
    this.observer?.addresses(2, start, end, ANY, vmid, leafOnly);
    for (const cache of this.#caches.translations) {
      const scope = cache === this.#caches.ipa ? Scope.VMID : Scope.STAGE2;
      this.#entries.overlapping(cache, start, end, false, scope, ANY, vmid, leafOnly);
    }
    return this.#end(this.#config.invalidation.byAddress);
  }

  /** Everything but configurations: TLBI NSNH_ALL. */
  all(): number {
    this.#entries.begin();
    this.observer?.everything();
    for (const cache of this.#caches.translations) this.#entries.dropAll(cache);
    return this.#end(0);
  }

  /**
   * Configuration of the streams `first` to `last` with all their substreams, and what their tbus hold: CFGI_STE,
   * CFGI_STE_RANGE, CFGI_CD_ALL; with 0 and Infinity CFGI_ALL.
   */
  streams(first: number, last: number): number {
    this.#entries.begin();
    const { streams } = this.#caches;
    this.#entries.dropStreams((stream) => {
      const id = streams.first[stream] as number;
      return id >= first && id <= last;
    }, -1);
    return this.#end(0);
  }

  /** Configuration of one substream: CFGI_CD. */
  substream(streamId: number, substreamId: number): number {
    this.#entries.begin();
    const { streams } = this.#caches;
    // Traffic without a substream uses context descriptor 0 (S1DSS), so that is dropped with it.
    const wanted = Math.max(substreamId, 0);
    const set = streamId ^ wanted;
    this.#entries.dropStreams(
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

  #end(least: number): number {
    this.commands++;
    if (this.#config.deviations.invalidationIsFree) return 0;
    const { issue, commandsPerRead } = this.#config.invalidation;
    const fetched = (1 + this.#config.memory.latency) / commandsPerRead;
    const cycles = Math.max(fetched + issue, least, this.#entries.busy);
    this.cycles += cycles;
    return cycles;
  }
}
