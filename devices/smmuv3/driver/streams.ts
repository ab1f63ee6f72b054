import { ConfigError, Quirk } from '../../../formats/index.ts';
import type { Smmuv3Features } from '../spec/index.ts';
import { DefaultSubstream } from '../spec/index.ts';
import type { DriverQueue } from './command-queue.ts';
import type { Attachment, Smmuv3Domain } from './domain.ts';
import type { Invalidator } from './invalidator.ts';
import type { DriverTables } from './tables.ts';

/**
 * How a stream uses its domains. All of it is the stream's: what is attached to a stream that has domains already must ask for the
 * same, or for nothing.
 */
export interface AttachOptions {
  /** log2 of the stream's context descriptors, 0 to IDR1.SSIDSIZE. Default: as many as it has, one where it has none. */
  readonly substreamBits?: number;
  /** Faults stall instead of terminating. Default false. */
  readonly stalls?: boolean;
  /** The device asks for translations and keeps them (ATS). Default false. */
  readonly ats?: boolean;
}

/** What the driver knows of one stream. */
interface StreamState {
  /** By substream; 0 is what traffic without a SubstreamID uses. */
  readonly attached: Map<number, { readonly domain: Smmuv3Domain; readonly attachment: Attachment }>;
  /** Traffic without a SubstreamID passes through while nothing is attached for it. */
  bypass: boolean;
  stalls: boolean;
  ats: boolean;
}

/**
 * Which domain every stream and substream uses, and the steps from one to the next, in the order of Linux 6.12's arm-smmu-v3
 * (`arm_smmu_attach_dev`, `arm_smmu_set_pasid`, `arm_smmu_remove_dev_pasid`): whatever can fail comes first, then the context
 * descriptor, the stream table entry, and the caches of the device.
 */
export class DriverStreams {
  readonly #features: Smmuv3Features;
  readonly #queue: DriverQueue;
  readonly #tables: DriverTables;
  readonly #invalidator: Invalidator;
  readonly #states = new Map<number, StreamState>();

  constructor(features: Smmuv3Features, queue: DriverQueue, tables: DriverTables, invalidator: Invalidator) {
    this.#features = features;
    this.#queue = queue;
    this.#tables = tables;
    this.#invalidator = invalidator;
  }

  /**
   * Lets a stream, or one substream of it, use a domain instead of what it used before.
   * @throws ConfigError for what the stream cannot do; nothing has changed then.
   */
  attach(domain: Smmuv3Domain, streamId: number, substreamId: number, options: AttachOptions): void {
    const state = this.#stateOf(streamId);
    const { stalls, ats } = this.#settled(state, domain, substreamId, options);
    const first = domain.stage === 'stage-1';
    this.#tables.entry(streamId);
    if (first) this.#reserve(state, streamId, substreamId, options.substreamBits);

    const before = state.attached.get(substreamId);
    const attachment: Attachment = { streamId, substreamId, ats };
    // Until the change is done, both domains invalidate.
    domain.attachments.add(attachment);
    const atsBefore = state.attached.size > 0 && state.ats;
    // The descriptors of a stream's substreams stay as they are, and its entry too, where it points to them already.
    const pointsThere = first && substreamId > 0 && this.#usesContexts(state) && state.ats === ats;
    state.attached.set(substreamId, { domain, attachment });
    if (substreamId === 0) state.bypass = false;
    state.stalls = stalls;
    state.ats = ats;
    if (first) this.#writeContext(domain, streamId, substreamId, stalls);
    if (!pointsThere) this.#writeEntry(streamId, state);
    if (!first) this.#clearContext(streamId, 0);
    if (ats || atsBefore) this.#invalidator.dropDeviceCache(streamId, ats && atsBefore ? substreamId : 0);
    before?.domain.attachments.delete(before.attachment);
    this.#states.set(streamId, state);
  }

  /** Traffic without a SubstreamID passes untranslated. */
  attachBypass(streamId: number): void {
    const state = this.#stateOf(streamId);
    this.#tables.entry(streamId);
    state.bypass = true;
    this.#states.set(streamId, state);
    this.#leaveDefault(streamId, state);
  }

  /** Takes a stream or one substream away from a domain that it uses: that traffic aborts from now on. Others stay as they are. */
  detach(domain: Smmuv3Domain, streamId: number, substreamId: number): void {
    const state = this.#states.get(streamId);
    const used = state?.attached.get(substreamId);
    if (state === undefined || used?.domain !== domain) return;
    if (substreamId === 0) {
      state.bypass = false;
      this.#leaveDefault(streamId, state);
      return;
    }
    this.#clearContext(streamId, substreamId);
    if (state.ats) this.#invalidator.dropDeviceCache(streamId, substreamId);
    state.attached.delete(substreamId);
    domain.attachments.delete(used.attachment);
    // The last user of the context descriptors is gone.
    if (state.attached.size === 0) this.#leaveDefault(streamId, state);
  }

  /** Traffic without a SubstreamID has no domain any more. */
  #leaveDefault(streamId: number, state: StreamState): void {
    const used = state.attached.get(0);
    state.attached.delete(0);
    this.#writeEntry(streamId, state);
    if (state.ats) this.#invalidator.dropDeviceCache(streamId, 0);
    used?.domain.attachments.delete(used.attachment);
    this.#clearContext(streamId, 0);
    if (state.attached.size === 0) state.ats = false;
  }

  /** What is known of a stream; a new record, not yet kept, for one that was never used. */
  #stateOf(streamId: number): StreamState {
    return this.#states.get(streamId) ?? { attached: new Map(), bypass: false, stalls: false, ats: false };
  }

  /** Checks an attach. @returns what the stream will do. */
  #settled(
    state: StreamState,
    domain: Smmuv3Domain,
    substreamId: number,
    options: AttachOptions,
  ): { stalls: boolean; ats: boolean } {
    const features = this.#features;
    const others = [...state.attached.keys()].filter((other) => other !== substreamId);
    const refuse = (field: string, value: unknown, allowed: string): never => {
      throw new ConfigError(field, value, allowed);
    };
    const inherit = (field: 'stalls' | 'ats'): boolean => {
      const asked = options[field] ?? (others.length > 0 && state[field]);
      if (others.length > 0 && asked !== state[field]) refuse(field, asked, `${state[field]}, as the stream is in use`);
      return asked;
    };
    const [stalls, ats] = [inherit('stalls'), inherit('ats')];
    if (stalls && features.stallModel === 1) refuse('stalls', true, 'false: the SMMU terminates only');
    if (ats && !features.ats) refuse('ats', true, 'false: the SMMU has no ATS');
    if (domain.stage === 'stage-2') {
      if (substreamId !== 0) refuse('substreamId', substreamId, '0: a stage 2 has no substreams');
      if (others.length > 0) refuse('domain.stage', domain.stage, 'stage-1, while substreams are in use');
      if (ats && (stalls || features.stallModel === 2)) refuse('ats', true, 'false with a stage 2 that stalls');
    } else if (substreamId !== 0 && state.attached.get(0)?.domain.stage === 'stage-2') {
      refuse('substreamId', substreamId, '0: the stream uses a stage 2');
    }
    return { stalls, ats };
  }

  /** Makes the memory of a stage 1 attach. @throws ConfigError for substreams that the stream cannot have. */
  #reserve(state: StreamState, streamId: number, substreamId: number, asked: number | undefined): void {
    const tables = this.#tables;
    const known = tables.contextBits(streamId);
    const bits = asked ?? known ?? 0;
    if (this.#usesContexts(state) && bits !== known) {
      throw new ConfigError('substreamBits', bits, `${known}, as the stream's context descriptors are in use`);
    }
    const most = this.#features.substreamBits;
    if (!Number.isInteger(bits) || bits < 0 || bits > most) {
      throw new ConfigError('substreamBits', bits, `0 to ${most}, the SubstreamID bits of the SMMU`);
    }
    if (!Number.isInteger(substreamId) || substreamId < 0 || substreamId >= 2 ** bits) {
      throw new ConfigError('substreamId', substreamId, `0 to ${2 ** bits - 1}, the substreams of stream ${streamId}`);
    }
    tables.reserveContexts(streamId, bits);
    tables.reserveContext(streamId, substreamId, () => this.#contextChanged(streamId, substreamId, 0));
  }

  #usesContexts(state: StreamState): boolean {
    for (const { domain } of state.attached.values()) if (domain.stage === 'stage-1') return true;
    return false;
  }

  #writeContext(domain: Smmuv3Domain, streamId: number, substreamId: number, stalls: boolean): void {
    const { registers, config } = domain.table;
    if (registers.kind !== 'stage-1') return;
    const changed = (): void => this.#contextChanged(streamId, substreamId, 1);
    this.#tables.writeContext(streamId, substreamId, domain.tag, registers, changed, {
      upper: domain.upper,
      stalls,
      tracksDirty: (config.quirks & Quirk.ARM_HD) !== 0,
    });
  }

  #clearContext(streamId: number, substreamId: number): void {
    this.#tables.clearContext(streamId, substreamId, () => this.#contextChanged(streamId, substreamId, 1));
  }

  /** Writes the entry that fits what is attached, and hints that the stream will soon be used. */
  #writeEntry(streamId: number, state: StreamState): void {
    const changed = (): void => {
      this.#queue.add('CFGI_STE', { StreamID: streamId, Leaf: 1 });
      this.#queue.sync();
    };
    const tables = this.#tables;
    const { attached, bypass, stalls, ats } = state;
    const used = attached.get(0)?.domain;
    const registers = used?.table.registers;
    if (used !== undefined && registers?.kind === 'stage-2') {
      tables.attachStage2(streamId, used.tag, registers, changed, { stalls, ats });
    } else if (attached.size > 0) {
      const otherwise = bypass ? DefaultSubstream.BYPASS : DefaultSubstream.TERMINATE;
      const defaultSubstream = used === undefined ? otherwise : DefaultSubstream.SUBSTREAM_0;
      tables.attachStage1(streamId, changed, { stalls, ats, defaultSubstream });
    } else if (bypass) tables.attachBypass(streamId, changed);
    else tables.detach(streamId, changed);
    this.#queue.add('PREFETCH_CONFIG', { StreamID: streamId });
    this.#queue.flush();
  }

  #contextChanged(streamId: number, substreamId: number, leaf: 0 | 1): void {
    this.#queue.add('CFGI_CD', { StreamID: streamId, SubstreamID: substreamId, Leaf: leaf });
    this.#queue.sync();
  }
}
