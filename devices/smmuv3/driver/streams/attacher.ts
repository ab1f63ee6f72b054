import { Errno, Quirk } from '../../../../formats/index.ts';
import type { PlantedBugsConfig } from '../../../planted-bugs/index.ts';
import { ATC_INV_ALL, DefaultSubstream } from '../../spec/index.ts';
import type { Attachment, Smmuv3Domain } from '../domains/index.ts';
import type { Invalidator } from '../invalidation/index.ts';
import type { KernelTraits } from '../kernel.ts';
import type { SmmuPlatform } from '../port.ts';
import type { CommandQueue } from '../queues/index.ts';
import type { ProbedSmmu } from '../start/index.ts';
import {
  abortEntry,
  bypassEntry,
  ContextTable,
  contextEntry,
  type StreamTable,
  type StructureMemory,
  stage1Entry,
  stage2Entry,
} from '../tables/index.ts';
import { ContextSource } from './context-source.ts';
import type { DefaultDomain, Master, Masters } from './masters.ts';

/** The traffic whose domain changes, and what becomes of ATS. */
interface Change {
  readonly master: Master;
  readonly substreamId: number;
  /** What it used before, and with or without ATS. */
  readonly old: { readonly domain: Smmuv3Domain; readonly attachment: Attachment } | undefined;
  readonly oldAts: boolean;
  /** ATS is on afterwards. */
  readonly ats: boolean;
}

/**
 * Which domain every device and substream uses, and the steps from one to the next, in the order of Linux's arm-smmu-v3
 * (`arm_smmu_attach_dev`, `arm_smmu_attach_dev_ste`, `arm_smmu_set_pasid`, `arm_smmu_remove_dev_pasid`): whatever can fail comes
 * first, then the context descriptor, the stream table entry, and the caches of the device.
 */
export class Attacher {
  readonly #probed: ProbedSmmu;
  readonly #queue: CommandQueue;
  readonly #table: StreamTable;
  readonly #memory: StructureMemory;
  readonly #invalidator: Invalidator;
  readonly #masters: Masters;
  readonly #platform: SmmuPlatform;
  readonly #traits: KernelTraits;
  readonly #source: ContextSource;

  constructor(parts: {
    probed: ProbedSmmu;
    queue: CommandQueue;
    table: StreamTable;
    memory: StructureMemory;
    invalidator: Invalidator;
    masters: Masters;
    platform: SmmuPlatform;
    traits: KernelTraits;
    bugs: PlantedBugsConfig;
  }) {
    this.#probed = parts.probed;
    this.#queue = parts.queue;
    this.#table = parts.table;
    this.#memory = parts.memory;
    this.#invalidator = parts.invalidator;
    this.#masters = parts.masters;
    this.#platform = parts.platform;
    this.#traits = parts.traits;
    this.#source = new ContextSource(parts.bugs);
  }

  /** A device uses a domain from now on. @returns 0, or -EBUSY for a stage 2 while substreams are in use */
  attach(master: Master, domain: Smmuv3Domain): number {
    const { registers } = domain.table;
    if (registers.kind === 'stage-1') this.#reserve(master, 0);
    else if (this.#substreamsInUse(master)) return -Errno.EBUSY;
    const change = this.#prepare(master, 0, domain, master.atsSupported);
    const { ats } = change;
    if (registers.kind === 'stage-1') {
      this.#writeContext(master, 0, domain);
      this.#writeEntry(master, this.#contextsEntry(master, ats, DefaultSubstream.SUBSTREAM_0), true, ats);
    } else if (registers.kind === 'stage-2') {
      const forceWriteBack = (domain.table.config.quirks & Quirk.ARM_S2FWB) !== 0;
      const options = { stalls: master.stalls, ats, forceWriteBack };
      this.#writeEntry(
        master,
        stage2Entry(this.#probed, domain.tag, this.#source.stage2(registers), options),
        false,
        ats,
      );
      this.#clearContext(master, 0);
    }
    master.domain = domain;
    this.#commit(change);
    return 0;
  }

  /** Traffic without a SubstreamID passes untranslated (`identity`) or is aborted (`blocked`); substreams stay with their domains. */
  attachStatic(master: Master, what: Exclude<DefaultDomain, Smmuv3Domain>): void {
    const inUse = this.#substreamsInUse(master);
    // A substream may be using ATS.
    const change = this.#prepare(master, 0, null, inUse && master.atsSupported);
    const blocked = what === 'blocked';
    if (inUse) {
      const mode = blocked ? DefaultSubstream.TERMINATE : DefaultSubstream.BYPASS;
      this.#writeEntry(master, this.#contextsEntry(master, change.ats, mode), true, change.ats);
    } else this.#writeEntry(master, blocked ? abortEntry() : bypassEntry(this.#probed), false, false);
    master.domain = what;
    this.#commit(change);
    this.#clearContext(master, 0);
  }

  /** One substream of a device uses a domain. @returns 0, or -EINVAL where it cannot */
  attachSubstream(master: Master, substreamId: number, domain: Smmuv3Domain): number {
    const byDefault = master.domain;
    if (domain.stage !== 'stage-1') return -Errno.EINVAL;
    if (!master.usesContexts && typeof byDefault !== 'string') return -Errno.EINVAL;
    this.#reserve(master, substreamId);
    const change = this.#prepare(master, substreamId, domain, master.atsSupported);
    this.#writeContext(master, substreamId, domain);
    if (!master.usesContexts || master.entryAts !== change.ats) {
      const mode =
        typeof byDefault !== 'string'
          ? DefaultSubstream.SUBSTREAM_0
          : byDefault === 'identity'
            ? DefaultSubstream.BYPASS
            : DefaultSubstream.TERMINATE;
      this.#writeEntry(master, this.#contextsEntry(master, change.ats, mode), true, change.ats);
    }
    this.#commit(change);
    return 0;
  }

  /** A substream is taken from its domain: its traffic aborts from now on, the other substreams go on. */
  detachSubstream(master: Master, substreamId: number): void {
    const old = master.attached.get(substreamId);
    this.#clearContext(master, substreamId);
    if (master.ats) this.#dropDeviceCache(master, substreamId);
    if (old !== undefined) {
      master.attached.delete(substreamId);
      this.#leave(old.domain, old.attachment, master.ats);
    }
    // The last user of the context descriptors is gone.
    if (!this.#substreamsInUse(master) && typeof master.domain === 'string') this.attachStatic(master, master.domain);
  }

  /** A device goes away (`arm_smmu_release_device`). @param direct its firmware asks for direct mappings */
  release(master: Master, direct: boolean): void {
    this.attachStatic(master, direct && !this.#traits.releasesToBlocked ? 'identity' : 'blocked');
    this.#masters.remove(master);
  }

  #substreamsInUse(master: Master): boolean {
    return (master.contexts?.substreams ?? 0) > 0;
  }

  #reserve(master: Master, substreamId: number): void {
    master.contexts ??= new ContextTable(this.#memory, master.substreamBits);
    master.contexts.reserve(substreamId, () => this.#contextChanged(master, substreamId, 0));
  }

  /** Old and new domain both invalidate until the change is done; ATS ends in the device before it ends in the entry. */
  #prepare(master: Master, substreamId: number, domain: Smmuv3Domain | null, ats: boolean): Change {
    const old = master.attached.get(substreamId);
    master.attached.delete(substreamId);
    if (domain !== null) {
      // Attached once more, it keeps its place among the users of the domain.
      const attachment: Attachment = old?.domain === domain ? old.attachment : { master, substreamId };
      master.attached.set(substreamId, { domain, attachment });
      domain.attachments.add(attachment);
      this.#invalidator.join(domain, attachment, ats);
    }
    if (!ats && master.ats) this.#platform.disableAts?.(master.device);
    return { master, substreamId, old, oldAts: master.ats, ats };
  }

  #commit({ master, substreamId, old, oldAts, ats }: Change): void {
    if (ats && !master.ats) {
      this.#dropDeviceCache(master, 0);
      this.#platform.enableAts?.(master.device, this.#masters.atsUnit);
    } else if (ats) this.#dropDeviceCache(master, substreamId);
    else if (master.ats) this.#dropDeviceCache(master, 0);
    master.ats = ats;
    if (old !== undefined) this.#leave(old.domain, old.attachment, oldAts);
  }

  #leave(domain: Smmuv3Domain, attachment: Attachment, ats: boolean): void {
    const { master, substreamId } = attachment;
    if (master.attached.get(substreamId)?.attachment !== attachment) domain.attachments.delete(attachment);
    this.#invalidator.leave(domain, attachment, ats);
  }

  #contextsEntry(master: Master, ats: boolean, defaultSubstream: number): Uint32Array {
    const { contexts, stalls } = master;
    if (contexts === null) throw new TypeError('a stage 1 entry needs context descriptors');
    const bypasses = defaultSubstream === DefaultSubstream.BYPASS;
    return stage1Entry(this.#probed, contexts, { defaultSubstream, bypasses, stalls, ats });
  }

  /** Writes the entry of each stream, and hints that it will soon be used. */
  #writeEntry(master: Master, target: Uint32Array, usesContexts: boolean, ats: boolean): void {
    master.usesContexts = usesContexts;
    master.entryAts = ats;
    const { streamIds } = master;
    for (const [i, streamId] of streamIds.entries()) {
      if (streamIds.indexOf(streamId) < i) continue;
      this.#table.write(streamId, this.#source.entry(target), () => this.streamChanged(streamId));
      this.#queue.add('PREFETCH_CONFIG', { StreamID: streamId });
      this.#queue.flush();
    }
  }

  #writeContext(master: Master, substreamId: number, domain: Smmuv3Domain): void {
    const source = this.#source;
    source.begin(domain);
    const { registers, config } = source.tableOf(domain);
    if (registers.kind !== 'stage-1') return;
    const tracksDirty = (config.quirks & Quirk.ARM_HD) !== 0;
    const target = contextEntry(source.asidOf(domain), source.stage1(registers), {
      upper: domain.upper,
      stalls: master.stalls,
      tracksDirty,
    });
    master.contexts?.write(substreamId, target, () => this.#contextChanged(master, substreamId, 1));
  }

  #clearContext(master: Master, substreamId: number): void {
    master.contexts?.clear(substreamId, () => this.#contextChanged(master, substreamId, 1));
  }

  /** The SMMU is told that a stream table entry has changed, and waited for. */
  streamChanged(streamId: number): void {
    this.#queue.add('CFGI_STE', { StreamID: streamId, Leaf: 1 });
    this.#queue.sync();
  }

  #contextChanged(master: Master, substreamId: number, leaf: 0 | 1): void {
    for (const streamId of master.streamIds) {
      this.#queue.add('CFGI_CD', { StreamID: streamId, SubstreamID: substreamId, Leaf: leaf });
    }
    this.#queue.sync();
  }

  /**
   * Drops everything that a device holds for one of its substreams and waits for it; 0 is every substream, because an
   * invalidation without a SubstreamID reaches them all.
   */
  #dropDeviceCache(master: Master, substreamId: number): void {
    for (const streamId of master.streamIds) {
      this.#queue.add('ATC_INV', {
        StreamID: streamId,
        SubstreamID: substreamId,
        SSV: Number(substreamId > 0),
        Size: ATC_INV_ALL,
      });
    }
    this.#queue.sync();
  }
}
