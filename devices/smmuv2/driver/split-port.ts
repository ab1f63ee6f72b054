import type { RegisterPort } from '../../registers/index.ts';

/** A port that reaches 64-bit registers as two words, the high one first (Linux `hi_lo_readq_relaxed`, `hi_lo_writeq_relaxed`). */
export class SplitPort implements RegisterPort {
  readonly #port: RegisterPort;

  constructor(port: RegisterPort) {
    this.#port = port;
  }

  read32(offset: number): number {
    return this.#port.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.#port.write32(offset, value);
  }

  read64(offset: number, halves: Uint32Array): void {
    halves[1] = this.#port.read32(offset + 4);
    halves[0] = this.#port.read32(offset);
  }

  write64(offset: number, low: number, high: number): void {
    this.#port.write32(offset + 4, high);
    this.#port.write32(offset, low);
  }

  delay(microseconds: number): void {
    this.#port.delay(microseconds);
  }
}
