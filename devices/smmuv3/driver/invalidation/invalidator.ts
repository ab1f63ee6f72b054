import { type IotlbGather, Prng, resetGather, type TlbFlushOps, TWO_64 } from '../../../../formats/index.ts';
import type { PlantedBugsConfig } from '../../../planted-bugs/index.ts';
import { ATC_INV_ALL, type CommandName } from '../../spec/index.ts';
import type { Attachment, Smmuv3Domain } from '../domains/index.ts';
import type { KernelTraits } from '../kernel.ts';
import type { AddressCommand, CommandQueue } from '../queues/index.ts';
import type { ProbedSmmu } from '../start/index.ts';
import { type Invalidation, InvalidationKind } from './invalidation-array.ts';

/** Makes another ASID or VMID of one. */
const OTHER_TAG = 0x80;

/** An invalidation of [iova, iova + size), in leaves of `pageSize` bytes. */
interface DueInvalidation {
  readonly domain: Smmuv3Domain;
  readonly iova: number;
  readonly size: number;
  readonly pageSize: number;
}

/**
 * TLB maintenance of a domain, as Linux's arm-smmu-v3 and IOMMU core do it: the callbacks that page-table code makes, the
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

  readonly #queue: CommandQueue;
  readonly #probed: ProbedSmmu;
  readonly #traits: KernelTraits;
  /** Commands name ranges. */
  readonly #ranges: boolean;
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;
  /** The invalidations of leaves and of tables that a planted bug holds back. */
  #lateLeaves: DueInvalidation | null = null;
  #lateWalk: DueInvalidation | null = null;

  /** @param options.ranges use range invalidation where the SMMU has it */
  constructor(
    queue: CommandQueue,
    probed: ProbedSmmu,
    traits: KernelTraits,
    { ranges, bugs }: { ranges: boolean; bugs: PlantedBugsConfig },
  ) {
    this.#queue = queue;
    this.#probed = probed;
    this.#traits = traits;
    this.#ranges = probed.features.rangeInvalidation && ranges;
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
    this.#range(due.domain, due.iova, due.size, due.pageSize, this.#prng.chance(this.#bugs.leafWalkFlush));
  }

  addPage(gather: IotlbGather | null, iova: number, granule: number, cookie: unknown): void {
    this.addPages(gather, iova, granule, 1, cookie);
  }

  /** Only the first page can be of another size than what was gathered, or apart from it: each of the others touches the one before. */
  addPages(gather: IotlbGather | null, iova: number, granule: number, count: number, cookie: unknown): void {
    const domain = cookie as Smmuv3Domain;
    const size = count * granule;
    if (gather === null) {
      // Kernel 6.1's block split: there is nothing to gather in, so each page goes at once.
      for (let at = iova; at < iova + size; at += granule) this.#leaves(domain, at, granule, granule);
      return;
    }
    const disjoint = gather.end !== 0 && (iova + granule < gather.start || iova > gather.end + 1);
    if ((gather.pageSize !== 0 && gather.pageSize !== granule) || disjoint) this.sync(domain, gather);
    const last = iova + size - 1;
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
    if (this.#traits.invalidationArray) {
      this.#byArray(domain, 0, 0, 0, false);
      return;
    }
    this.#addWhole(this.#wholeCommand(domain), domain.tag);
    this.#queue.sync();
    this.#devices(domain, 0, 0);
  }

  /** Something uses the domain from now on. @param ats its device may keep translations */
  join(domain: Smmuv3Domain, attachment: Attachment, ats: boolean): void {
    if (ats) domain.atsUsers++;
    if (this.#traits.invalidationArray) domain.invalidations.add(this.#needsOf(domain, attachment, ats));
  }

  /** Something does not use the domain any more. @param ats its device kept translations */
  leave(domain: Smmuv3Domain, attachment: Attachment, ats: boolean): void {
    if (ats) domain.atsUsers--;
    if (!this.#traits.invalidationArray) return;
    // With nothing attached, unmaps invalidate nothing, so that the tag must be clean from here on.
    domain.invalidations.remove(this.#needsOf(domain, attachment, ats), ({ kind, whole, id }) => {
      // The command for a VMID drops the guests' entries too.
      if (kind !== InvalidationKind.ASID && kind !== InvalidationKind.VMID) return;
      this.#addWhole(whole, id);
      this.#queue.sync();
    });
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
    const short = due.size > due.pageSize && this.#prng.chance(bugs.shortInvalidation);
    const from = this.#prng.chance(bugs.shiftedInvalidation) ? due.iova + due.pageSize : due.iova;
    const bytes = short ? due.size - due.pageSize : due.size;
    this.#range(due.domain, from, bytes, due.pageSize, !this.#prng.chance(bugs.needlessWalkFlush));
  }

  /** Waits for the invalidations so far, unless a planted bug forgets that. */
  #wait(): void {
    const { skipSync } = this.#bugs;
    if (skipSync > 0 && this.#prng.chance(skipSync)) this.#queue.flush();
    else this.#queue.sync();
  }

  #range(domain: Smmuv3Domain, iova: number, size: number, granule: number, leaf: boolean): void {
    if (this.#traits.invalidationArray) {
      this.#byArray(domain, iova, size, granule, leaf);
      return;
    }
    this.#addRange(domain, iova, size, granule, leaf);
    this.#wait();
    this.#devices(domain, this.#above(domain) + iova, size);
  }

  /** What Linux 7.3 does (`__arm_smmu_domain_inv_range`); size 0 is everything. */
  #byArray(domain: Smmuv3Domain, iova: number, size: number, asked: number, leaf: boolean): void {
    const { entries } = domain.invalidations;
    const granule = this.#traits.granuleOf32Bits ? asked % 2 ** 32 : asked;
    const whole = this.#isLarge(size, granule);
    let pending = false;
    for (let i = 0; i < entries.length; i++) {
      const { kind, id, substreamId, whole: command } = entries[i] as Invalidation;
      if (kind >= InvalidationKind.ATS) {
        const all = kind === InvalidationKind.ATS_ALL;
        this.#addDevice(id, all ? 0 : substreamId, this.#above(domain) + iova, all ? 0 : size);
      } else if (kind === InvalidationKind.NESTED) {
        // The command for the VMID has dropped the guests' entries too.
        if (whole) continue;
        this.#addWhole(command, id);
      } else if (whole) this.#addWhole(command, id);
      else this.#addRange(domain, iova, size, granule, leaf);
      pending = true;
      const next = entries[i + 1];
      // Guests' entries come after the stage 2 below them, devices after the TLBs that they would ask.
      const ends =
        next === undefined ||
        (kind === InvalidationKind.VMID && next.kind === InvalidationKind.NESTED) ||
        (kind < InvalidationKind.ATS && next.kind >= InvalidationKind.ATS);
      if (!ends) continue;
      this.#wait();
      pending = false;
    }
    if (pending) this.#wait();
  }

  /** Whether a range is better dropped with its whole tag: without range commands it takes as many as a table has entries. */
  #isLarge(size: number, granule: number): boolean {
    if (size === 0) return true;
    return !this.#ranges && size >= 2 ** (Math.floor(Math.log2(granule)) - 3) * granule;
  }

  #addRange(domain: Smmuv3Domain, iova: number, size: number, granule: number, leaf: boolean): void {
    const { cover, stage } = domain;
    const tag = this.#prng.chance(this.#bugs.wrongTag) ? domain.tag ^ OTHER_TAG : domain.tag;
    const stage1 = stage === 'stage-1';
    const name: AddressCommand = stage1 ? (this.#probed.e2h ? 'TLBI_EL2_VA' : 'TLBI_NH_VA') : 'TLBI_S2_IPA';
    const above = this.#above(domain);
    cover.begin(iova, size, granule, leaf);
    const { wrongLevel } = this.#bugs;
    // Leaves are at level 3 or above: level 2 is wrong for the ones, level 3 for the others.
    if (wrongLevel > 0 && cover.ttl > 0 && this.#prng.chance(wrongLevel)) cover.ttl = cover.ttl === 3 ? 2 : 3;
    while (cover.next()) {
      if (cover.scale > 0 && this.#prng.chance(this.#bugs.wrongScale)) cover.scale--;
      this.#queue.addAddress(name, cover, above + cover.address, stage1 ? tag : 0, stage1 ? 0 : tag, Number(leaf));
    }
  }

  /** The command that drops everything of a domain's tag. */
  #wholeCommand({ stage }: Smmuv3Domain): CommandName {
    if (stage === 'stage-2') return 'TLBI_S12_VMALL';
    return this.#probed.e2h ? 'TLBI_EL2_ASID' : 'TLBI_NH_ASID';
  }

  #addWhole(command: CommandName | null, tag: number): void {
    if (command === 'TLBI_NH_ASID' || command === 'TLBI_EL2_ASID') this.#queue.add(command, { ASID: tag });
    else if (command === 'TLBI_S12_VMALL' || command === 'TLBI_NH_ALL') this.#queue.add(command, { VMID: tag });
  }

  /** What one attachment needs to be invalidated, sorted (`arm_smmu_master_build_invs`). */
  #needsOf(domain: Smmuv3Domain, { master, substreamId }: Attachment, ats: boolean): Invalidation[] {
    const { tag, nestParent } = domain;
    const users = 1;
    const kind = domain.stage === 'stage-1' ? InvalidationKind.ASID : InvalidationKind.VMID;
    const needs: Invalidation[] = [{ kind, id: tag, substreamId: 0, whole: this.#wholeCommand(domain), users }];
    if (nestParent) {
      needs.push({ kind: InvalidationKind.NESTED, id: tag, substreamId: 0, whole: 'TLBI_NH_ALL', users });
    }
    if (!ats) return needs;
    for (const id of master.streamIds) {
      const kind = nestParent ? InvalidationKind.ATS_ALL : InvalidationKind.ATS;
      needs.push({ kind, id, substreamId, whole: null, users });
    }
    return needs;
  }

  /** What is added to an address of the domain's table to make it an input address. */
  #above({ upper, table }: Smmuv3Domain): number {
    return upper ? TWO_64 - 2 ** table.config.ias : 0;
  }

  /** Drops what devices hold in caches of their own, newest attachment first (Linux 6.12, `arm_smmu_atc_inv_domain`). */
  #devices(domain: Smmuv3Domain, iova: number, size: number): void {
    if (!this.#probed.features.ats || domain.atsUsers === 0) return;
    for (const { master, substreamId } of [...domain.attachments].reverse()) {
      if (!master.ats) continue;
      for (const streamId of master.streamIds) this.#addDevice(streamId, substreamId, iova, size);
    }
    this.#queue.sync();
  }

  /** The naturally aligned power of two around the range; size 0 is everything (`arm_smmu_atc_inv_to_cmd`). */
  #addDevice(StreamID: number, SubstreamID: number, iova: number, size: number): void {
    let Size = ATC_INV_ALL;
    let Address = 0;
    if (size > 0) {
      const first = Math.floor(iova / 4096);
      // Both are whole pages: 1 less than the end would not be exact near 2^64.
      const last = Math.ceil((iova + size) / 4096) - 1;
      Size = 0;
      while (Math.floor(first / 2 ** Size) !== Math.floor(last / 2 ** Size)) Size++;
      Address = Math.floor(first / 2 ** Size) * 2 ** Size * 4096;
    }
    this.#queue.add('ATC_INV', { StreamID, SubstreamID, SSV: Number(SubstreamID > 0), Size, Address });
  }
}
