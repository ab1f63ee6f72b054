import { getField, type TableMemory } from '../../../../formats/index.ts';
import {
  decodeEvent,
  EVENT_BYTES,
  EVENT_FIELDS,
  type EventRecord,
  GERROR,
  Gerror,
  PAGE_REQUEST,
  PAGE_REQUEST_WORDS,
  PageResponse,
  REGISTERS,
} from '../../spec/index.ts';
import type { DriverConfig } from '../config.ts';
import type { SmmuPlatform, SmmuPort } from '../port.ts';
import { answerableFault, type CommandQueue, type CpuClock, RecordQueue } from '../queues/index.ts';
import type { Master, Masters } from '../streams/index.ts';
import type { ProbedSmmu } from './probe.ts';
import type { SmmuReset } from './reset.ts';

/** Bytes of a page request. */
export const REQUEST_BYTES = 4 * PAGE_REQUEST_WORDS;

/** Errors of which Linux's handler knows (`GERROR_ERR_MASK`). */
const KNOWN_ERRORS = Object.values(GERROR).reduce((bits, { lowMask }) => bits | lowMask, 0);

/** How the answer to a waiting transaction reads in CMD_RESUME. */
const RESUMES = { retry: { Ac: 1 }, abort: { Ab: 1 }, terminate: {} } as const;

/** The fields that every event record of a fault has at the same place. */
const EVENT_ID = EVENT_FIELDS.F_TRANSLATION;

/** What the driver does when the SMMU interrupts it: event records, page requests, errors, and the answers to them. */
export class Interrupts {
  /** Sees every event record that {@link handleEvents} takes from the queue. */
  onEvent: ((record: EventRecord) => void) | null = null;
  /** The event queue, from its reader's side. */
  readonly events: RecordQueue;
  /** The page requests of PCIe devices; null without PRI. */
  readonly pageRequests: RecordQueue | null;
  readonly #port: SmmuPort;
  readonly #clock: CpuClock;
  readonly #config: DriverConfig;
  readonly #platform: SmmuPlatform;
  readonly #queue: CommandQueue;
  readonly #masters: Masters;
  readonly #reset: SmmuReset;

  /**
   * @param parts.memory the CPU's view of the queues
   * @param parts.events where the event queue lies
   * @param parts.requests where the queue of page requests lies; negative without one
   */
  constructor(parts: {
    readonly port: SmmuPort;
    readonly clock: CpuClock;
    readonly memory: TableMemory;
    readonly probed: ProbedSmmu;
    readonly config: DriverConfig;
    readonly platform: SmmuPlatform;
    readonly queue: CommandQueue;
    readonly masters: Masters;
    readonly reset: SmmuReset;
    readonly events: number;
    readonly requests: number;
  }) {
    const { port, memory, probed } = parts;
    this.#port = port;
    this.#clock = parts.clock;
    this.#config = parts.config;
    this.#platform = parts.platform;
    this.#queue = parts.queue;
    this.#masters = parts.masters;
    this.#reset = parts.reset;
    this.events = new RecordQueue({
      port,
      memory,
      base: parts.events,
      log2Size: probed.eventQueueBits,
      entryBytes: EVENT_BYTES,
      prod: REGISTERS.EVENTQ_PROD,
      cons: REGISTERS.EVENTQ_CONS,
    });
    this.pageRequests =
      parts.requests < 0
        ? null
        : new RecordQueue({
            port,
            memory,
            base: parts.requests,
            log2Size: probed.priQueueBits,
            entryBytes: REQUEST_BYTES,
            prod: REGISTERS.PRIQ_PROD,
            cons: REGISTERS.PRIQ_CONS,
          });
    port.onGlobalError = () => {
      this.handleGlobalErrors();
    };
  }

  /** Cycles that the CPU spent on event records. */
  get eventCycles(): number {
    return this.events.taken * this.#config.cost.event;
  }

  /** Takes every record from the event queue, reports the faults that wait, and acknowledges an overflow. @returns how many. */
  handleEvents(): number {
    const handled = this.events.drain((words, at) => {
      const fault = answerableFault(words, at);
      const master = fault === null ? undefined : this.#masters.byStream(getField(words, at, EVENT_ID.StreamID));
      if (fault !== null && master !== undefined) this.#platform.reportFault?.(master.device, fault);
      if (this.onEvent === null) return;
      const record = decodeEvent(words, at);
      if (record !== null) this.onEvent(record);
    });
    this.#clock.now += handled * this.#config.cost.event;
    return handled;
  }

  /** Takes every page request; nobody serves them, so the last one of a group is denied (Linux `arm_smmu_handle_ppr`). @returns how many. */
  handlePageRequests(): number {
    const handle = (words: Uint32Array, at: number): void => {
      if (getField(words, at, PAGE_REQUEST.Last) === 0) return;
      this.#queue.add('PRI_RESP', {
        StreamID: getField(words, at, PAGE_REQUEST.StreamID),
        SSV: getField(words, at, PAGE_REQUEST.SSV),
        SubstreamID: getField(words, at, PAGE_REQUEST.SubstreamID),
        PRGIndex: getField(words, at, PAGE_REQUEST.PRGIndex),
        Resp: PageResponse.DENIED,
      });
      this.#queue.flush();
    };
    return this.pageRequests?.drain(handle) ?? 0;
  }

  /** The global error interrupt (Linux `arm_smmu_gerror_handler`). @returns whether there was an error */
  handleGlobalErrors(): boolean {
    const port = this.#port;
    const errors = port.read32(REGISTERS.GERROR.offset);
    const active = errors ^ port.read32(REGISTERS.GERRORN.offset);
    if ((active & KNOWN_ERRORS) === 0) return false;
    if ((active & Gerror.SFM_ERR) !== 0) this.#reset.stop();
    if ((active & Gerror.CMDQ_ERR) !== 0) this.#queue.skipError();
    port.write32(REGISTERS.GERRORN.offset, errors);
    return true;
  }

  /** Answers a stalled transaction, from its event record. There is nothing to wait for: a SYNC says nothing about it. */
  respond(record: EventRecord, answer: keyof typeof RESUMES): void {
    const { StreamID = 0, STAG = 0 } = record.fields;
    this.#resume(StreamID, STAG, answer);
  }

  /** Answers a fault that a device waits for (Linux `arm_smmu_page_response`). */
  respondTo(master: Master, tag: number, answer: keyof typeof RESUMES): void {
    const [streamId] = master.streamIds;
    if (master.stalls && streamId !== undefined) this.#resume(streamId, tag, answer);
  }

  #resume(StreamID: number, STAG: number, answer: keyof typeof RESUMES): void {
    this.#queue.add('RESUME', { StreamID, STAG, ...RESUMES[answer] });
    this.#queue.flush();
  }
}
