import type { Decision, TraceEvent } from '../events/index.ts';

/**
 * Events as they were read, with the domains that were inferred: hardly any work to read again, and any number of readers can share a file
 * of them. It is
 *
 *     block  block  ...  block  trailer  length of the trailer (u32)  magic
 *
 * in the byte order of the machine, which both ends share. Each block holds {@link BLOCK_EVENTS} events, the last one maybe fewer; the
 * trailer is JSON: what the reader counted, and the names of devices. A block has first the doubles of its events, then their integers.
 */
export const MAGIC = 'TWEVENT2';

/** Events of a block. */
export const BLOCK_EVENTS = 2048;

const DOUBLES = 9;
const INTEGERS = 15;

/** Bytes of a whole block. */
export const BLOCK_BYTES = BLOCK_EVENTS * (8 * DOUBLES + 4 * INTEGERS);

/** One block of events. */
export class EventBlock {
  readonly bytes: Uint8Array;
  readonly #doubles: Float64Array;
  readonly #integers: Int32Array;

  /** @param offset where the block begins in its buffer, a multiple of 8 */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer = new ArrayBuffer(BLOCK_BYTES), offset = 0) {
    this.bytes = new Uint8Array(buffer, offset, BLOCK_BYTES);
    this.#doubles = new Float64Array(buffer, offset, BLOCK_EVENTS * DOUBLES);
    this.#integers = new Int32Array(buffer, offset + BLOCK_EVENTS * DOUBLES * 8, BLOCK_EVENTS * INTEGERS);
  }

  /** Stores an event and what is known of it at place `at` of the block. */
  put(at: number, event: TraceEvent, { slot, group, named }: Decision): void {
    const doubles = this.#doubles;
    let double = at * DOUBLES;
    doubles[double++] = event.time;
    doubles[double++] = event.iova;
    doubles[double++] = event.pa;
    doubles[double++] = event.size;
    doubles[double++] = event.runEnd;
    doubles[double++] = event.unmappedSize;
    doubles[double++] = event.line;
    doubles[double++] = event.stream;
    doubles[double] = event.count;
    const integers = this.#integers;
    let integer = at * INTEGERS;
    integers[integer++] = event.kind;
    integers[integer++] = event.prot;
    integers[integer++] = event.domain;
    integers[integer++] = event.device;
    integers[integer++] = event.request;
    integers[integer++] = event.direction;
    integers[integer++] = event.asid;
    integers[integer++] = event.group;
    integers[integer++] = event.cpu;
    integers[integer++] = event.pid;
    integers[integer++] = event.context;
    integers[integer++] = event.capture;
    integers[integer++] = slot;
    integers[integer++] = group;
    integers[integer] = Number(named);
  }

  /** Overwrites `event` and `decision` with those at place `at`. */
  get(at: number, event: TraceEvent, decision: Decision): void {
    const doubles = this.#doubles;
    let double = at * DOUBLES;
    event.time = doubles[double++] as number;
    event.iova = doubles[double++] as number;
    event.pa = doubles[double++] as number;
    event.size = doubles[double++] as number;
    event.runEnd = doubles[double++] as number;
    event.unmappedSize = doubles[double++] as number;
    event.line = doubles[double++] as number;
    event.stream = doubles[double++] as number;
    event.count = doubles[double] as number;
    const integers = this.#integers;
    let integer = at * INTEGERS;
    event.kind = integers[integer++] as TraceEvent['kind'];
    event.prot = integers[integer++] as number;
    event.domain = integers[integer++] as number;
    event.device = integers[integer++] as number;
    event.request = integers[integer++] as number;
    event.direction = integers[integer++] as number;
    event.asid = integers[integer++] as number;
    event.group = integers[integer++] as number;
    event.cpu = integers[integer++] as number;
    event.pid = integers[integer++] as number;
    event.context = integers[integer++] as TraceEvent['context'];
    event.capture = integers[integer++] as number;
    decision.slot = integers[integer++] as number;
    decision.group = integers[integer++] as number;
    decision.named = integers[integer] === 1;
  }
}
