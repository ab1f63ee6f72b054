import type { TableMemory } from '../../../../formats/index.ts';
import type { Register } from '../../../registers/index.ts';
import { QUEUE_OVERFLOW } from '../../spec/index.ts';
import type { SmmuPort } from '../port.ts';

/**
 * The driver's end of a queue that the SMMU writes: events and page requests, after Linux (`arm_smmu_evtq_thread`,
 * `queue_remove_raw`). The write index is read only when all that is known has been taken, and each record is given back at once.
 */
export class RecordQueue {
  readonly base: number;
  /** log2 of the entries. */
  readonly log2Size: number;
  /** Records taken, and overflows seen. */
  taken = 0;
  overflows = 0;
  readonly #port: SmmuPort;
  readonly #memory: TableMemory;
  readonly #entryBytes: number;
  readonly #record: Uint32Array;
  readonly #prodOffset: number;
  readonly #consOffset: number;
  readonly #wrapMask: number;
  #prod = 0;
  #cons = 0;

  /** @param memory the CPU's view of the queue: uncached for an SMMU that does not snoop */
  constructor(parts: {
    port: SmmuPort;
    memory: TableMemory;
    base: number;
    log2Size: number;
    entryBytes: number;
    prod: Register;
    cons: Register;
  }) {
    this.#port = parts.port;
    this.#memory = parts.memory;
    this.base = parts.base;
    this.log2Size = parts.log2Size;
    this.#entryBytes = parts.entryBytes;
    this.#record = new Uint32Array(parts.entryBytes / 4);
    this.#prodOffset = parts.prod.offset;
    this.#consOffset = parts.cons.offset;
    this.#wrapMask = 2 ** (parts.log2Size + 1) - 1;
  }

  /**
   * Hands out every record, oldest first, and acknowledges an overflow.
   * @param handle gets the words of a record, which the next one overwrites, and the index of the first
   * @returns how many there were
   */
  drain(handle: (words: Uint32Array, at: number) => void): number {
    const before = this.taken;
    const record = this.#record;
    do {
      while (((this.#prod ^ this.#cons) & this.#wrapMask) !== 0) {
        const index = this.#cons & (this.#wrapMask >>> 1);
        const at = this.#memory.index(this.base + this.#entryBytes * index);
        // What is given back may be overwritten.
        const { words } = this.#memory;
        for (let i = 0; i < record.length; i++) record[i] = words[at + i] as number;
        this.#acknowledge(((this.#cons & QUEUE_OVERFLOW) | ((this.#cons + 1) & this.#wrapMask)) >>> 0);
        this.taken++;
        handle(record, 0);
      }
      const prod = this.#port.read32(this.#prodOffset);
      if (((prod ^ this.#prod) & QUEUE_OVERFLOW) !== 0) this.overflows++;
      this.#prod = prod;
    } while (((this.#prod ^ this.#cons) & this.#wrapMask) !== 0);
    if (((this.#prod ^ this.#cons) & QUEUE_OVERFLOW) !== 0) {
      this.#acknowledge(((this.#prod & QUEUE_OVERFLOW) | (this.#cons & this.#wrapMask)) >>> 0);
    }
    return this.taken - before;
  }

  #acknowledge(cons: number): void {
    this.#cons = cons;
    this.#port.write32(this.#consOffset, cons);
  }
}
