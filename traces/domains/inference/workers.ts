import { Context, EventKind, type TraceEvent, UNKNOWN } from '../../capture/index.ts';
import { WORKERS } from './hypothesis.ts';

const CONTEXT_LEVELS = 4;

/** What each worker did last: a thread, or an interrupt level of a CPU. By number; two that share a number only cost a hint. */
export class Workers {
  /** Where its last map ended, or -1. */
  readonly mapEnd = new Float64Array(WORKERS).fill(UNKNOWN);
  /** When its last call was. */
  readonly time = new Float64Array(WORKERS);
  /** {@link EventKind} of its last call. */
  readonly kind = new Uint8Array(WORKERS);
  /** Group of the device that it has just attached; -1 for none. */
  readonly attachedGroup = new Int32Array(WORKERS).fill(UNKNOWN);
  readonly #keys = new Int32Array(WORKERS).fill(UNKNOWN);
  readonly #onTaken: (worker: number) => void;

  /** @param onTaken told of a number that another worker has now, so that nothing of the one before is taken for its */
  constructor(onTaken: (worker: number) => void) {
    this.#onTaken = onTaken;
  }

  /** The number of the worker that recorded an event. */
  of(event: TraceEvent): number {
    const key = event.context > Context.TASK ? -2 - (event.cpu * CONTEXT_LEVELS + event.context) : event.pid;
    const worker = (Math.imul(key, 0x9e3779b1) >>> 16) & (WORKERS - 1);
    if (this.#keys[worker] !== key) {
      this.#keys[worker] = key;
      this.mapEnd[worker] = UNKNOWN;
      this.attachedGroup[worker] = UNKNOWN;
      this.#onTaken(worker);
    }
    return worker;
  }

  /** It made a call. */
  called(worker: number, event: TraceEvent): void {
    if (event.kind === EventKind.MAP) this.mapEnd[worker] = event.iova + event.size;
    this.time[worker] = event.time;
    this.kind[worker] = event.kind;
  }
}
