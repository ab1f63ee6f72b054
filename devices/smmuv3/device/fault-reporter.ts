import {
  AccessFlag,
  FaultClass,
  FaultKind,
  Outcome,
  type TranslationRegime,
  type TranslationRequest,
  Walker,
  type WalkMemory,
} from '../../../emulator/index.ts';
import { setField, TWO_32 } from '../../../formats/index.ts';
import type { RegisterBlock } from '../../registers/index.ts';
import type { Smmuv3Features } from '../spec/index.ts';
import {
  Cr0,
  Cr2,
  EVENT_FIELDS,
  EVENT_WORDS,
  EventClass,
  type EventFields,
  EventId,
  type EventName,
  encodeEvent,
  eventName,
  Gerror,
  REGISTERS,
  type RegisterName,
} from '../spec/index.ts';
import { type Interrupts, Wire } from './interrupts.ts';
import type { OutputQueue } from './output-queue.ts';
import { type StalledTransaction, StallTable } from './stalls.ts';
import { STREAM_ABORTED, type StreamContext, type StreamContexts } from './stream-contexts.ts';

/** What a record says of who made the access. */
export type Transaction = Pick<TranslationRequest, 'streamId' | 'substreamId' | 'iova' | 'flags'>;

/** Event of each kind of translation fault that software can be told to handle. */
const FAULT_EVENTS = {
  [FaultKind.TRANSLATION]: 'F_TRANSLATION',
  [FaultKind.ADDRESS_SIZE]: 'F_ADDR_SIZE',
  [FaultKind.ACCESS_FLAG]: 'F_ACCESS',
  [FaultKind.PERMISSION]: 'F_PERMISSION',
} as const;

/** The fields that all translation faults have. */
const FAULT = EVENT_FIELDS.F_TRANSLATION;

/** What a fault asks for, from the structure that configures the faulting stage. */
interface FaultPolicy {
  readonly record: boolean;
  readonly stall: boolean;
  readonly outcome: Outcome;
}

/**
 * What happens when a transaction is refused: the event record, the stall or the termination (Arm IHI 0070, sections 3.12, 7.2, 7.3).
 */
export class FaultReporter {
  readonly stalls: StallTable;
  /** Event records by number, written or lost. */
  readonly byEvent = new Float64Array(256);
  readonly #contexts: StreamContexts;
  readonly #registers: RegisterBlock<RegisterName>;
  readonly #queue: OutputQueue;
  readonly #interrupts: Interrupts;
  readonly #features: Smmuv3Features;
  readonly #walker: Walker;
  readonly #words = new Uint32Array(EVENT_WORDS);
  /** Records of stalled transactions that found the queue full: they may not be lost, so they wait. */
  readonly #held: Uint32Array[] = [];
  #makingRoom = false;

  constructor(parts: {
    contexts: StreamContexts;
    registers: RegisterBlock<RegisterName>;
    queue: OutputQueue;
    interrupts: Interrupts;
    features: Smmuv3Features;
    memory: WalkMemory;
  }) {
    this.#contexts = parts.contexts;
    this.#registers = parts.registers;
    this.#queue = parts.queue;
    this.#interrupts = parts.interrupts;
    this.#features = parts.features;
    this.#walker = new Walker(parts.memory);
    this.stalls = new StallTable(parts.features.stallModel === 1 ? 0 : parts.features.stallMax);
  }

  /**
   * Deals with a request that the MMU refused.
   *
   * @param inFlight an engine holds it: a stalled one is parked itself, not a copy
   */
  report(request: TranslationRequest, inFlight: boolean): Outcome {
    if ((request.flags & AccessFlag.PREFETCH) !== 0) return Outcome.ABORTED;
    if (request.contextFault !== 0) return this.#configurationFault(request, request.contextFault);
    if (request.fault === FaultKind.EXTERNAL_ABORT) return this.#walkAborted(request);
    if (request.fault === FaultKind.TLB_CONFLICT || request.fault === FaultKind.NONE) {
      this.record('F_TLB_CONFLICT', this.#access(request), request);
      return Outcome.ABORTED;
    }
    const policy = this.#policy(request);
    if (!policy.record && !policy.stall) return policy.outcome;
    const event = EventId[FAULT_EVENTS[request.fault]];
    if (policy.stall) {
      const { master, streamId, substreamId, iova, flags, size, start } = request;
      const parked: StalledTransaction = {
        tag: -1,
        master,
        streamId,
        substreamId,
        iova,
        flags,
        size,
        since: start,
        inFlight: inFlight ? request : null,
      };
      if (this.stalls.park(parked)) this.#recordFault(event, request, parked.tag);
      return Outcome.STALLED;
    }
    this.#recordFault(event, request, -1);
    return policy.outcome;
  }

  /** An address beyond what the SMMU outputs, on a stream that bypasses stage 1 (section 7.3.14). */
  reportBypassedAddress(transaction: Transaction): Outcome {
    this.record('F_ADDR_SIZE', { ...this.#access(transaction), CLASS: EventClass.IN }, transaction);
    return Outcome.ABORTED;
  }

  /**
   * Writes the record of a translation fault. The one kind of record that comes in large numbers, so its fields are set one by one.
   * @param tag of the stalled transaction, -1 when it does not stall
   */
  #recordFault(event: number, request: TranslationRequest, tag: number): void {
    const { streamId, substreamId, iova, flags } = request;
    const words = this.#words.fill(0);
    const write = (flags & AccessFlag.WRITE) !== 0;
    words[0] = event;
    if (substreamId >= 0) {
      setField(words, 0, FAULT.SSV, 1);
      setField(words, 0, FAULT.SubstreamID, substreamId);
    }
    setField(words, 0, FAULT.StreamID, streamId);
    if (tag >= 0) {
      setField(words, 0, FAULT.STAG, tag);
      setField(words, 0, FAULT.Stall, 1);
    }
    setField(words, 0, FAULT.PnU, (flags & AccessFlag.PRIVILEGED) === 0 ? 0 : 1);
    // InD is 0 for writes (section 7.3.13).
    setField(words, 0, FAULT.InD, !write && (flags & AccessFlag.EXECUTE) !== 0 ? 1 : 0);
    setField(words, 0, FAULT.RnW, write ? 0 : 1);
    setField(words, 0, FAULT.InputAddress, iova);
    if (request.faultStage === 2) {
      setField(words, 0, FAULT.S2, 1);
      setField(words, 0, FAULT.CLASS, request.faultClass);
      setField(words, 0, FAULT.IPAddress, request.faultIpa);
      setField(words, 0, FAULT.TTRnW, request.faultClass === FaultClass.TABLE && !request.faultOnUpdate ? 1 : 0);
    } else setField(words, 0, FAULT.CLASS, EventClass.IN);
    this.#send(event, iova, flags, tag >= 0);
  }

  /** Writes an event record, with the transaction's stream, substream and (where the event has it) input address. */
  record<N extends EventName>(
    name: N,
    fields: EventFields<N>,
    { streamId, substreamId, iova, flags }: Transaction,
  ): void {
    const words = this.#words;
    const ids = { StreamID: streamId, SubstreamID: Math.max(substreamId, 0) };
    const ssv = 'SSV' in EVENT_FIELDS[name] ? { SSV: Number(substreamId >= 0) } : {};
    encodeEvent(name, { ...ids, ...ssv, ...fields }, words, 0);
    this.#send(EventId[name], 'InputAddress' in fields ? iova : -1, flags, false);
  }

  /**
   * Sends off the record in `#words`.
   * @param iova its input address, -1 when it has none
   * @param held it may not be lost to a full queue
   */
  #send(event: number, iova: number, flags: number, held: boolean): void {
    const words = this.#words;
    if (iova >= 0 && (flags & AccessFlag.UPPER) !== 0) this.#signExtend(words, iova);
    this.byEvent[event] = (this.byEvent[event] as number) + 1;
    if ((this.#registers.get(REGISTERS.CR0ACK) & Cr0.EVENTQEN) === 0) return;
    if (held && this.#queue.full) this.#held.push(words.slice());
    else this.#write(words);
  }

  /** Software has made room in the event queue: writes the records that waited for it. */
  roomMade(): void {
    // Its interrupt may be an MSI that makes room in turn.
    if (this.#makingRoom) return;
    this.#makingRoom = true;
    while (this.#held.length > 0 && !this.#queue.full) this.#write(this.#held.shift() as Uint32Array);
    this.#makingRoom = false;
  }

  #write(words: Uint32Array): void {
    const wasEmpty = this.#queue.empty;
    const result = this.#queue.write(words);
    if (result === 'aborted') this.#interrupts.fail(Gerror.EVENTQ_ABT_ERR);
    else if (wasEmpty && result === 'written') this.#interrupts.raise(Wire.EVENTQ);
  }

  #configurationFault(transaction: Transaction, fault: number): Outcome {
    if (fault === STREAM_ABORTED) return Outcome.ABORTED;
    const name = eventName(fault);
    if (name === undefined) return Outcome.ABORTED;
    const recordsInvalid = (this.#registers.get(REGISTERS.CR2) & Cr2.RECINVSID) !== 0;
    if (name === 'C_BAD_STREAMID' && !recordsInvalid) return Outcome.ABORTED;
    if (name === 'F_STE_FETCH' || name === 'F_CD_FETCH') {
      this.record(name, { FetchAddress: this.#contexts.abortedAddress }, transaction);
    } else this.record(name, {}, transaction);
    return Outcome.ABORTED;
  }

  #walkAborted(transaction: TranslationRequest): Outcome {
    const { faultStage, faultClass } = transaction;
    this.record(
      'F_WALK_EABT',
      {
        ...this.#access(transaction),
        S2: faultStage === 2 ? 1 : 0,
        // Unlike in the other events, a stage 1 walk is class TT here (section 7.3.12).
        CLASS: faultStage === 2 ? faultClass : EventClass.TTD,
        FetchAddress: this.#abortedDescriptor(transaction),
      },
      transaction,
    );
    return Outcome.ABORTED;
  }

  /** Physical address of the descriptor whose read was aborted: walks again, without caches, to the same place. */
  #abortedDescriptor({ streamId, substreamId, iova, flags }: Transaction): number {
    const regime: TranslationRegime | undefined = this.#contexts.known(streamId, substreamId)?.regime;
    const walker = this.#walker;
    if (regime === undefined || walker.translate(regime, iova, (flags & AccessFlag.UPPER) !== 0, 0)) return 0;
    if (walker.faultStage === 2) return walker.stage2.descriptorAddress;
    return regime.stage2 === null ? walker.stage1.descriptorAddress : walker.stage2.outputAddress;
  }

  #policy({ streamId, substreamId, faultStage }: TranslationRequest): FaultPolicy {
    const known: StreamContext | undefined = this.#contexts.known(streamId, substreamId);
    const { stallModel } = this.#features;
    if (faultStage !== 1) {
      // A stage 2 fault on the way to a context descriptor comes before any context is known.
      const ste = known?.ste ?? this.#contexts.lastEntry;
      const stall = stallModel === 2 || (stallModel === 0 && ste?.S2S === 1);
      return { record: ste?.S2R !== 0, stall, outcome: Outcome.ABORTED };
    }
    const cd = known?.cd ?? null;
    const stall = stallModel === 2 || (stallModel === 0 && cd?.S === 1 && known?.ste.S1STALLD === 0);
    const aborts = this.#features.terminateAborts || cd?.A !== 0;
    return { record: cd?.R !== 0, stall, outcome: aborts ? Outcome.ABORTED : Outcome.READ_AS_ZERO };
  }

  #access({ iova, flags }: Transaction): { PnU: number; InD: number; RnW: number; InputAddress: number } {
    const write = (flags & AccessFlag.WRITE) !== 0;
    return {
      PnU: Number((flags & AccessFlag.PRIVILEGED) !== 0),
      // InD is 0 for writes (section 7.3.13).
      InD: Number(!write && (flags & AccessFlag.EXECUTE) !== 0),
      RnW: Number(!write),
      InputAddress: iova,
    };
  }

  /** Puts the ones above the translated bits into the input address of a record. */
  #signExtend(words: Uint32Array, iova: number): void {
    const [bits = 48] = this.#contexts.upperInputBits;
    const address = 2 ** 64 - 2 ** bits + iova;
    words[4] = iova >>> 0;
    words[5] = Math.floor(address / TWO_32) >>> 0;
  }
}
