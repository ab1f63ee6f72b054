import { AccessFlag, FaultKind, type Mmu, Permission, type TranslationRequest } from '../../../emulator/index.ts';
import { encodeInto } from '../../../formats/index.ts';
import type { RegisterBlock } from '../../registers/index.ts';
import type { Smmuv3Features, StreamTableEntry } from '../spec/index.ts';
import {
  Cr0,
  Eats,
  Gerror,
  PAGE_REQUEST,
  PAGE_REQUEST_WORDS,
  type PageRequestFields,
  PageResponse,
  REGISTERS,
  type RegisterName,
  StreamConfig,
} from '../spec/index.ts';
import { type AtsClient, AtsStatus } from './ats.ts';
import type { FaultReporter, Transaction } from './fault-reporter.ts';
import { type Interrupts, Wire } from './interrupts.ts';
import type { OutputQueue } from './output-queue.ts';
import { STREAM_ABORTED, type StreamContexts } from './stream-contexts.ts';

/**
 * The SMMU's end of ATS and of the page request interface (Arm IHI 0070, sections 3.9 and 8).
 */
export class AtsPort {
  /** Bits of `Permission` that the last successful request was granted; 0 where nothing is mapped. */
  permissions = 0;
  readonly #clients = new Map<number, AtsClient>();
  readonly #words = new Uint32Array(PAGE_REQUEST_WORDS);
  readonly #mmu: Mmu;
  readonly #contexts: StreamContexts;
  readonly #faults: FaultReporter;
  readonly #registers: RegisterBlock<RegisterName>;
  readonly #interrupts: Interrupts;
  readonly #queue: OutputQueue;
  readonly #features: Smmuv3Features;

  constructor(parts: {
    mmu: Mmu;
    contexts: StreamContexts;
    faults: FaultReporter;
    registers: RegisterBlock<RegisterName>;
    interrupts: Interrupts;
    queue: OutputQueue;
    features: Smmuv3Features;
  }) {
    this.#mmu = parts.mmu;
    this.#contexts = parts.contexts;
    this.#faults = parts.faults;
    this.#registers = parts.registers;
    this.#interrupts = parts.interrupts;
    this.#queue = parts.queue;
    this.#features = parts.features;
  }

  /** Connects a device's end of ATS to a stream. */
  connect(streamId: number, client: AtsClient): void {
    this.#clients.set(streamId, client);
  }

  client(streamId: number): AtsClient | undefined {
    return this.#clients.get(streamId);
  }

  /**
   * A translation request (section 3.9.1.2). On SUCCESS the translation is in the request (`pa`, `pageShift`), and what it grants in
   * {@link permissions}: all that was asked for, a part of it (a page that may only be read, asked for writing), or nothing.
   */
  translate(request: TranslationRequest): AtsStatus {
    this.permissions = 0;
    if (!this.#mmu.enabled || !this.#features.ats) return this.#refuse(request);
    const translated = this.#mmu.translate(request);
    if (request.contextFault !== 0) return this.#unusable(request);
    if (!this.#allowed(request.streamId, request.substreamId)) return this.#refuse(request);
    const writes = (request.flags & AccessFlag.WRITE) !== 0;
    if (translated) this.#grant(request, writes);
    else if (request.fault === FaultKind.EXTERNAL_ABORT || request.fault === FaultKind.TLB_CONFLICT) {
      return AtsStatus.ABORT;
    } else if (request.fault === FaultKind.PERMISSION && writes) {
      // Not the writing, but perhaps the reading.
      const { flags } = request;
      request.flags = flags & ~AccessFlag.WRITE;
      if (this.#mmu.translate(request)) this.#grant(request, false);
      request.flags = flags;
    }
    return AtsStatus.SUCCESS;
  }

  /** A device that did not ask for writing is not told of it: the page would not be marked dirty. */
  #grant(request: TranslationRequest, writes: boolean): void {
    this.permissions = writes ? request.permissions : request.permissions & ~Permission.WRITE;
  }

  /** ATS is off for the stream, or for all of them: Unsupported Request, and a record. */
  #refuse(request: TranslationRequest): AtsStatus {
    this.#faults.record('F_BAD_ATS_TREQ', { InputAddress: request.iova }, request);
    return AtsStatus.UNSUPPORTED;
  }

  /**
   * The stream has no usable configuration. One that aborts (STE.Config 0) makes the request unsupported without a record; one whose
   * entry turns ATS off comes before errors further on; errors end it with Completer Abort, unrecorded, as CR2.REC_CFG_ATS is not
   * offered.
   */
  #unusable(request: TranslationRequest): AtsStatus {
    if (request.contextFault === STREAM_ABORTED) return AtsStatus.UNSUPPORTED;
    const entry = this.#contexts.lastEntry;
    if (entry !== null && !usesAts(entry)) return this.#refuse(request);
    return AtsStatus.ABORT;
  }

  /** An access whose address is a translation that the device was given. @returns false when it is aborted. */
  access(streamId: number, substreamId: number, pa: number, flags: number): boolean {
    if (this.#mmu.enabled) {
      if ((this.#registers.get(REGISTERS.CR0ACK) & Cr0.ATSCHK) === 0) return true;
      // A wrong configuration aborts without a record.
      if (typeof this.#contexts.lookUp(streamId, substreamId) === 'number') return false;
      if (this.#allowed(streamId, substreamId)) return true;
    }
    const transaction: Transaction = { streamId, substreamId, iova: pa, flags };
    const read = (flags & AccessFlag.WRITE) === 0;
    this.#faults.record('F_TRANSL_FORBIDDEN', { RnW: Number(read), InputAddress: pa }, transaction);
    return false;
  }

  /** A page request. A full queue answers the last request of a group by itself. @returns false when it was lost. */
  requestPage(fields: PageRequestFields): boolean {
    if ((this.#registers.get(REGISTERS.CR0ACK) & Cr0.PRIQEN) === 0) return false;
    const words = this.#words.fill(0);
    encodeInto(PAGE_REQUEST, words, 0, fields);
    const queue = this.#queue;
    const wasEmpty = queue.empty;
    const result = queue.write(words);
    if (result === 'aborted') this.#interrupts.fail(Gerror.PRIQ_ABT_ERR);
    else if (result === 'full' && fields.Last === 1) {
      const { StreamID = 0, SubstreamID = 0, SSV = 0, PRGIndex = 0 } = fields;
      this.client(StreamID)?.pageResponse?.(StreamID, SSV === 0 ? -1 : SubstreamID, PRGIndex, PageResponse.SUCCESS);
    } else if (wasEmpty && result === 'written') this.#interrupts.raise(Wire.PRIQ);
    return result === 'written';
  }

  /** Whether the stream may use ATS. A bypassed one never may (section 5.2, EATS). */
  #allowed(streamId: number, substreamId: number): boolean {
    // A stage 2 fault on the way to the context descriptor comes before any context is known.
    const ste = this.#contexts.known(streamId, substreamId)?.ste ?? this.#contexts.lastEntry;
    return ste !== null && usesAts(ste);
  }
}

function usesAts(ste: StreamTableEntry): boolean {
  return ste.EATS === Eats.FULL && ste.Config !== StreamConfig.BYPASS;
}
