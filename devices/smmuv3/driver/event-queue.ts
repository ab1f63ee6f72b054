import type { TableMemory } from '../../../formats/index.ts';
import type { Smmuv3 } from '../device/index.ts';
import {
  decodeEvent,
  EVENT_BYTES,
  type EventRecord,
  QUEUE_INDEX_MASK,
  QUEUE_OVERFLOW,
  REGISTERS,
} from '../spec/index.ts';

/** The driver's end of the event queue, after Linux's `arm_smmu_evtq_thread`. */
export class DriverEventQueue {
  readonly base: number;
  /** log2 of the entries. */
  readonly log2Size: number;
  /** Records handled, and overflows seen. */
  handled = 0;
  overflows = 0;
  readonly #smmu: Smmuv3;
  readonly #memory: TableMemory;

  /** @param memory the CPU's view of the queue: uncached for an SMMU that does not snoop */
  constructor(smmu: Smmuv3, memory: TableMemory, base: number, log2Size: number) {
    this.#smmu = smmu;
    this.#memory = memory;
    this.base = base;
    this.log2Size = log2Size;
  }

  /** Hands out every record, oldest first, and acknowledges an overflow. @returns how many there were. */
  drain(onEvent: ((record: EventRecord) => void) | null): number {
    const smmu = this.#smmu;
    const mask = 2 ** (this.log2Size + 1) - 1;
    let handled = 0;
    let cons = smmu.read32(REGISTERS.EVENTQ_CONS.offset);
    for (;;) {
      const prod = smmu.read32(REGISTERS.EVENTQ_PROD.offset);
      if (((prod ^ cons) & QUEUE_OVERFLOW) !== 0) {
        this.overflows++;
        cons = ((cons & QUEUE_INDEX_MASK) | (prod & QUEUE_OVERFLOW)) >>> 0;
      }
      if (((prod ^ cons) & mask) === 0) break;
      if (onEvent !== null) {
        const at = this.#memory.index(this.base + EVENT_BYTES * (cons & (mask >>> 1)));
        const record = decodeEvent(this.#memory.words, at);
        if (record !== null) onEvent(record);
      }
      cons = ((cons & QUEUE_OVERFLOW) | ((cons + 1) & mask)) >>> 0;
      handled++;
    }
    smmu.write32(REGISTERS.EVENTQ_CONS.offset, cons);
    this.handled += handled;
    return handled;
  }
}
