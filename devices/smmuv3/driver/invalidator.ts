import { type IotlbGather, Prng, resetGather, type TlbFlushOps, TWO_64 } from '../../../formats/index.ts';
import { ATC_INV_ALL } from '../spec/index.ts';
import type { AddressCommand, DriverQueue } from './command-queue.ts';
import type { DriverConfig } from './config.ts';
import type { Smmuv3Domain } from './domain.ts';

/** An invalidation of [iova, iova + size), in leaves of `pageSize` bytes. */
interface DueInvalidation {
  readonly domain: Smmuv3Domain;
  readonly iova: number;
  readonly size: number;
  readonly pageSize: number;
}

/**
 * TLB maintenance of a domain, as Linux 6.12's arm-smmu-v3 and IOMMU core do it: the callbacks that page-table code makes, the
 * gathering of leaves, and the commands that follow.
 */
export class Invalidator implements TlbFlushOps {
  /** Invalidations of leaves, each in as many commands as its range takes. */
  byAddress = 0;
  /** Invalidations because a table went away, tables included. */
  byWalkRange = 0;
  /** Invalidations of a whole address space. */
  all = 0;
  /** Invalidations that a planted bug left out. */
  skipped = 0;

  readonly #queue: DriverQueue;
  readonly #bugs: DriverConfig['bugs'];
  readonly #prng: Prng;
  /** The invalidations of leaves and of tables that a planted bug holds back. */
  #lateLeaves: DueInvalidation | null = null;
  #lateWalk: DueInvalidation | null = null;

  constructor(queue: DriverQueue, bugs: DriverConfig['bugs']) {
    this.#queue = queue;
    this.#bugs = bugs;
    this.#prng = new Prng(bugs.seed);
  }

  // What page-table code calls; the cookie is the domain.

  flushAll(cookie: unknown): void {
    this.flushDomain(cookie as Smmuv3Domain);
  }

  flushWalk(iova: number, size: number, granule: number, cookie: unknown): void {
    if (this.#prng.chance(this.#bugs.skipWalkFlush)) {
      this.skipped++;
      return;
    }
    let due: DueInvalidation | null = { domain: cookie as Smmuv3Domain, iova, size, pageSize: granule };
    if (this.#bugs.lateWalkFlush) [due, this.#lateWalk] = [this.#lateWalk, due];
    if (due === null) return;
    this.byWalkRange++;
    this.#range(due.domain, due.iova, due.size, due.pageSize, false);
  }

  addPage(gather: IotlbGather | null, iova: number, granule: number, cookie: unknown): void {
    const domain = cookie as Smmuv3Domain;
    if (gather === null) {
      // Kernel 6.1's block split: there is nothing to gather in, so the page goes at once.
      this.#leaves(domain, iova, granule, granule);
      return;
    }
    const last = iova + granule - 1;
    const disjoint = gather.end !== 0 && (last + 1 < gather.start || iova > gather.end + 1);
    if ((gather.pageSize !== 0 && gather.pageSize !== granule) || disjoint) this.sync(domain, gather);
    gather.pageSize = granule;
    if (gather.start > iova) gather.start = iova;
    if (gather.end < last) gather.end = last;
  }

  /** Invalidates what was gathered and waits for it (Linux `iommu_iotlb_sync`); the gather is empty afterwards. */
  sync(domain: Smmuv3Domain, gather: IotlbGather): void {
    if (gather.pageSize !== 0) this.#leaves(domain, gather.start, gather.end - gather.start + 1, gather.pageSize);
    resetGather(gather);
  }

  /** Invalidates a whole address space and waits for it. */
  flushDomain(domain: Smmuv3Domain): void {
    this.all++;
    const queue = this.#queue;
    if (domain.stage === 'stage-1') queue.add('TLBI_NH_ASID', { ASID: domain.tag });
    else queue.add('TLBI_S12_VMALL', { VMID: domain.tag });
    queue.sync();
    this.#atc(domain, 0, 0);
  }

  #leaves(domain: Smmuv3Domain, iova: number, size: number, pageSize: number): void {
    const bugs = this.#bugs;
    if (this.#prng.chance(bugs.skipInvalidation)) {
      this.skipped++;
      return;
    }
    if (this.#prng.chance(bugs.wholeSpace)) {
      this.flushDomain(domain);
      return;
    }
    let due: DueInvalidation | null = { domain, iova, size, pageSize };
    if (bugs.lateInvalidation) [due, this.#lateLeaves] = [this.#lateLeaves, due];
    if (due === null) return;
    this.byAddress++;
    this.#range(due.domain, due.iova, due.size, due.pageSize, !this.#prng.chance(bugs.needlessWalkFlush));
  }

  #range(domain: Smmuv3Domain, iova: number, size: number, granule: number, leaf: boolean): void {
    const queue = this.#queue;
    const { cover, stage } = domain;
    const stage1 = stage === 'stage-1';
    const name: AddressCommand = stage1 ? 'TLBI_NH_VA' : 'TLBI_S2_IPA';
    const asid = stage1 ? domain.tag : 0;
    const vmid = stage1 ? 0 : domain.tag;
    const above = domain.upper ? TWO_64 - 2 ** domain.table.config.ias : 0;
    cover.begin(iova, size, granule, leaf);
    while (cover.next()) queue.addAddress(name, cover, above + cover.address, asid, vmid, Number(leaf));
    queue.sync();
    this.#atc(domain, above + iova, size);
  }

  /**
   * Drops everything that a device holds for one of its substreams and waits for it; 0 is every substream, because an
   * invalidation without a SubstreamID reaches them all.
   */
  dropDeviceCache(streamId: number, substreamId: number): void {
    this.#addAtc(streamId, substreamId, ATC_INV_ALL, 0);
    this.#queue.sync();
  }

  /** Drops what devices hold in caches of their own: the naturally aligned power of two around the range; size 0 is everything. */
  #atc(domain: Smmuv3Domain, iova: number, size: number): void {
    let log2Pages = ATC_INV_ALL;
    let address = 0;
    if (size > 0) {
      const first = Math.floor(iova / 4096);
      // Both are whole pages: 1 less than the end would not be exact near 2^64.
      const last = Math.ceil((iova + size) / 4096) - 1;
      log2Pages = 0;
      while (Math.floor(first / 2 ** log2Pages) !== Math.floor(last / 2 ** log2Pages)) log2Pages++;
      address = Math.floor(first / 2 ** log2Pages) * 2 ** log2Pages * 4096;
    }
    let sent = false;
    for (const { streamId, substreamId, ats } of domain.attachments) {
      if (!ats) continue;
      this.#addAtc(streamId, substreamId, log2Pages, address);
      sent = true;
    }
    if (sent) this.#queue.sync();
  }

  #addAtc(StreamID: number, SubstreamID: number, Size: number, Address: number): void {
    this.#queue.add('ATC_INV', { StreamID, SubstreamID, SSV: Number(SubstreamID > 0), Size, Address });
  }
}
