import { ConfigError } from '../../../../formats/index.ts';
import type { Smmuv3Domain } from '../domains/index.ts';
import type { ProbedSmmu } from '../start/index.ts';
import type { Attacher } from './attacher.ts';
import type { Master, MasterDescription, Masters } from './masters.ts';

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

/**
 * Streams one by one, for callers that have no device with a description: each stream is a device of its own, made when it is first
 * used. What it cannot do is refused before anything changes.
 */
export class Streams {
  readonly #probed: ProbedSmmu;
  readonly #masters: Masters;
  readonly #attacher: Attacher;

  constructor(probed: ProbedSmmu, masters: Masters, attacher: Attacher) {
    this.#probed = probed;
    this.#masters = masters;
    this.#attacher = attacher;
  }

  /**
   * Lets a stream, or one substream of it, use a domain instead of what it used before.
   * @throws ConfigError for what the stream cannot do; nothing has changed then.
   */
  attach(domain: Smmuv3Domain, streamId: number, substreamId: number, options: AttachOptions): void {
    const known = this.#masters.byStream(streamId);
    const settled = this.#settled(known, domain, streamId, substreamId, options);
    const master = known ?? this.#add(streamId);
    this.#settle(master, settled);
    const result =
      substreamId === 0
        ? this.#attacher.attach(master, domain)
        : this.#attacher.attachSubstream(master, substreamId, domain);
    if (result !== 0) throw new ConfigError('streamId', streamId, 'a stream that can use the domain');
  }

  /** Traffic without a SubstreamID passes untranslated. */
  attachBypass(streamId: number): void {
    this.#attacher.attachStatic(this.#masters.byStream(streamId) ?? this.#add(streamId), 'identity');
  }

  /** Takes a stream or one substream away from a domain that it uses: that traffic aborts from now on. Others stay as they are. */
  detach(domain: Smmuv3Domain, streamId: number, substreamId: number): void {
    const master = this.#masters.byStream(streamId);
    if (master?.attached.get(substreamId)?.domain !== domain) return;
    if (substreamId === 0) this.#attacher.attachStatic(master, 'blocked');
    else this.#attacher.detachSubstream(master, substreamId);
  }

  #add(streamId: number): Master {
    const description: MasterDescription = {
      device: streamId,
      streamIds: [streamId],
      pci: true,
      atsCapable: true,
      rootComplexAts: true,
      pasidBits: 0,
      canStall: false,
    };
    const master = this.#masters.add(description);
    if (typeof master === 'number') throw new ConfigError('streamId', streamId, 'a stream of the SMMU that is free');
    return master;
  }

  /** Makes a stream one that can do what was asked: nothing points to its old context descriptors, if their number changes. */
  #settle(master: Master, { stalls, ats, bits }: { stalls: boolean; ats: boolean; bits: number }): void {
    master.stalls = stalls || this.#probed.features.stallModel === 2;
    master.atsSupported = ats;
    if (bits === master.substreamBits) return;
    master.substreamBits = bits;
    master.contexts?.free();
    master.contexts = null;
  }

  /** Checks an attach. @returns what the stream will do. */
  #settled(
    master: Master | undefined,
    domain: Smmuv3Domain,
    streamId: number,
    substreamId: number,
    options: AttachOptions,
  ): { stalls: boolean; ats: boolean; bits: number } {
    const { features } = this.#probed;
    const others = [...(master?.attached.keys() ?? [])].filter((other) => other !== substreamId);
    const refuse = (field: string, value: unknown, allowed: string): never => {
      throw new ConfigError(field, value, allowed);
    };
    if (master === undefined && !(streamId >= 0 && streamId < this.#masters.streams)) {
      refuse('streamId', streamId, `0 to ${this.#masters.streams - 1}, the streams of the SMMU`);
    }
    const inherit = (field: 'stalls' | 'ats', now: boolean): boolean => {
      const asked = options[field] ?? (others.length > 0 && now);
      if (others.length > 0 && asked !== now) refuse(field, asked, `${now}, as the stream is in use`);
      return asked;
    };
    const stalls = inherit('stalls', (master?.stalls ?? false) && features.stallModel !== 2);
    const ats = inherit('ats', master?.atsSupported ?? false);
    if (stalls && features.stallModel === 1) refuse('stalls', true, 'false: the SMMU terminates only');
    if (ats && !features.ats) refuse('ats', true, 'false: the SMMU has no ATS');
    const known = master?.substreamBits ?? 0;
    if (domain.stage === 'stage-2') {
      if (substreamId !== 0) refuse('substreamId', substreamId, '0: a stage 2 has no substreams');
      if (others.length > 0) refuse('domain.stage', domain.stage, 'stage-1, while substreams are in use');
      if (ats && (stalls || features.stallModel === 2)) refuse('ats', true, 'false with a stage 2 that stalls');
      return { stalls, ats, bits: known };
    }
    if (substreamId !== 0 && master?.attached.get(0)?.domain.stage === 'stage-2') {
      refuse('substreamId', substreamId, '0: the stream uses a stage 2');
    }
    const bits = options.substreamBits ?? known;
    if (master !== undefined && bits !== known && [...master.attached.values()].some((used) => isStage1(used.domain))) {
      refuse('substreamBits', bits, `${known}, as the stream's context descriptors are in use`);
    }
    const most = features.substreamBits;
    if (!Number.isInteger(bits) || bits < 0 || bits > most) {
      refuse('substreamBits', bits, `0 to ${most}, the SubstreamID bits of the SMMU`);
    }
    if (!Number.isInteger(substreamId) || substreamId < 0 || substreamId >= 2 ** bits) {
      refuse('substreamId', substreamId, `0 to ${2 ** bits - 1}, the substreams of stream ${streamId}`);
    }
    return { stalls, ats, bits };
  }
}

function isStage1({ stage }: Smmuv3Domain): boolean {
  return stage === 'stage-1';
}
