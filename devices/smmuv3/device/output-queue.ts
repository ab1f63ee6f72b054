import { QUEUE_INDEX_MASK, QUEUE_OVERFLOW } from '../spec/index.ts';

/** Memory as the SMMU writes it: a `BusPort` of the emulator. Both return false when the bus answers with an error. */
export interface QueueMemory {
  write32(pa: number, value: number): boolean;
  write64(pa: number, low: number, high: number): boolean;
}

/**
 * A queue that the SMMU writes and software reads: the event queue and the PRI queue (Arm IHI 0070, sections 3.5.1, 7.2, 7.4).
 *
 *     index registers   bit 31          19 ..                  0
 *     PROD              OVFLG           wrap flag, write index
 *     CONS              OVACKFLG        wrap flag, read index
 *
 *     empty: indexes and wrap flags equal;  full: indexes equal, wrap flags differ;  overflown: OVFLG and OVACKFLG differ
 */
export class OutputQueue {
  /** PROD and CONS as the registers show them. */
  prod = 0;
  cons = 0;
  /** Records written, and records lost to a full queue. */
  written = 0;
  lost = 0;
  /** Entries that the queue has. */
  size = 1;
  readonly #entryWords: number;
  readonly #mostBits: number;
  readonly #memory: QueueMemory;
  #base = 0;

  /**
   * @param entryWords 32-bit words of an entry
   * @param mostBits log2 of the most entries (IDR1)
   */
  constructor(memory: QueueMemory, entryWords: number, mostBits: number) {
    this.#memory = memory;
    this.#entryWords = entryWords;
    this.#mostBits = mostBits;
  }

  /** Moves the queue: address of its first entry, and log2 of its entries as the base register asks for them. */
  setBase(base: number, log2Size: number): void {
    this.size = 2 ** Math.min(log2Size, this.#mostBits);
    this.#base = base;
  }

  /** Bits of an index, with the wrap flag above them. */
  get #mask(): number {
    return 2 * this.size - 1;
  }

  get empty(): boolean {
    return ((this.prod ^ this.cons) & this.#mask) === 0;
  }

  get full(): boolean {
    return ((this.prod ^ this.cons) & this.#mask) === this.size;
  }

  /** Records were lost, and software has not acknowledged it yet. */
  get overflown(): boolean {
    return ((this.prod ^ this.cons) & QUEUE_OVERFLOW) !== 0;
  }

  /**
   * Writes an entry. A full queue loses it and toggles OVFLG, once until software has acknowledged.
   * @returns `written`, `full`, or `aborted` when the bus refused the write
   */
  write(words: Uint32Array): 'written' | 'full' | 'aborted' {
    if (this.full) {
      this.lost++;
      if (!this.overflown) this.prod = (this.prod ^ QUEUE_OVERFLOW) >>> 0;
      return 'full';
    }
    const index = this.prod & (this.size - 1);
    const pa = this.#base + index * this.#entryWords * 4;
    for (let i = 0; i < this.#entryWords; i += 2) {
      if (!this.#memory.write64(pa + 4 * i, words[i] as number, words[i + 1] as number)) {
        this.lost++;
        return 'aborted';
      }
    }
    this.written++;
    this.prod = ((this.prod & QUEUE_OVERFLOW) | ((this.prod + 1) & this.#mask & QUEUE_INDEX_MASK)) >>> 0;
    return 'written';
  }
}
