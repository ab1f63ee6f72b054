import { Errno } from '../../../../formats/index.ts';
import type { Attachment, Smmuv3Domain } from '../domains/index.ts';
import type { KernelTraits } from '../kernel.ts';
import type { SmmuPlatform } from '../port.ts';
import type { ProbedSmmu } from '../start/index.ts';
import { type ContextTable, LINEAR_CONTEXT_BITS, type StreamTable } from '../tables/index.ts';

/** A device as the firmware and PCI describe it. */
export interface MasterDescription {
  /** Names it to the platform; any number. */
  readonly device: number;
  readonly streamIds: readonly number[];
  readonly pci: boolean;
  /** The device has ATS, and the root complex forwards it. */
  readonly atsCapable: boolean;
  readonly rootComplexAts: boolean;
  /** log2 of the substreams that it wants. */
  readonly pasidBits: number;
  readonly canStall: boolean;
}

/** What traffic without a SubstreamID does. */
export type DefaultDomain = Smmuv3Domain | 'identity' | 'blocked';

/** A device behind the SMMU (Linux `arm_smmu_master`). */
export interface Master {
  readonly device: number;
  /** Its streams, in the order in which they are written; duplicates are possible (bridged PCI devices). */
  readonly streamIds: readonly number[];
  /** log2 of its context descriptors. */
  substreamBits: number;
  stalls: boolean;
  /** It may use ATS at all. */
  atsSupported: boolean;
  /** It uses ATS now. */
  ats: boolean;
  contexts: ContextTable | null;
  /** The stream table entry points to the context descriptors, and says that ATS is on. */
  usesContexts: boolean;
  entryAts: boolean;
  domain: DefaultDomain;
  /** Attachments by substream. */
  readonly attached: Map<number, { readonly domain: Smmuv3Domain; readonly attachment: Attachment }>;
}

/** The devices behind the SMMU, and which streams are whose. */
export class Masters {
  readonly #probed: ProbedSmmu;
  readonly #traits: KernelTraits;
  readonly #table: StreamTable;
  readonly #platform: SmmuPlatform;
  readonly #byStream = new Map<number, Master>();

  constructor(probed: ProbedSmmu, traits: KernelTraits, table: StreamTable, platform: SmmuPlatform) {
    this.#probed = probed;
    this.#traits = traits;
    this.#table = table;
    this.#platform = platform;
  }

  /** The device that a stream is of. */
  byStream(streamId: number): Master | undefined {
    return this.#byStream.get(streamId);
  }

  /** Streams that the stream table covers. */
  get streams(): number {
    return this.#table.streams;
  }

  /** log2 of the smallest translation that a device may ask for. */
  get atsUnit(): number {
    return Math.log2(this.#probed.pageSizes & -this.#probed.pageSizes);
  }

  /** A device appears (`arm_smmu_probe_device`). @returns it, or a negative errno */
  add(description: MasterDescription): Master | number {
    const { features } = this.#probed;
    const { device, pci } = description;
    const streamIds = [...description.streamIds];
    if (this.#traits.sortsStreams) streamIds.sort((a, b) => a - b);
    const mostBits = features.twoLevelContexts
      ? features.substreamBits
      : Math.min(features.substreamBits, LINEAR_CONTEXT_BITS);
    const master: Master = {
      device,
      streamIds,
      substreamBits: Math.min(description.pasidBits, mostBits),
      stalls: features.stallModel === 2 || (features.stallModel === 0 && description.canStall),
      atsSupported: features.ats && pci && description.atsCapable && description.rootComplexAts,
      ats: false,
      contexts: null,
      usesContexts: false,
      entryAts: false,
      domain: 'blocked',
      attached: new Map(),
    };
    const error = this.#claim(master);
    if (error !== 0) return error;
    if (pci && (master.atsSupported || !this.#traits.preparesUsableAtsOnly)) {
      this.#platform.prepareAts?.(device, this.atsUnit);
    }
    return master;
  }

  /** Makes the streams of a device its own; none of them, when one is out of range or another's. */
  #claim(master: Master): number {
    const claimed: number[] = [];
    for (const streamId of master.streamIds) {
      const owner = this.#byStream.get(streamId);
      const inRange = streamId >= 0 && streamId < this.#table.streams;
      if (inRange) this.#table.prepare(streamId);
      if (!inRange || (owner !== undefined && owner !== master)) {
        for (const taken of claimed) this.#byStream.delete(taken);
        return -(inRange ? this.#traits.foreignStream : Errno.ERANGE);
      }
      if (owner === undefined) claimed.push(streamId);
      this.#byStream.set(streamId, master);
    }
    return 0;
  }

  /** A device is gone; its entries must be blocked or bypassed already. */
  remove(master: Master): void {
    for (const streamId of master.streamIds) this.#byStream.delete(streamId);
    master.contexts?.free();
    master.contexts = null;
  }
}
