import type { RegisterPort } from '../registers/index.ts';

/** What a driver with planted bugs does to its own register accesses. */
export interface RegisterBugs {
  /**
   * A write is about to be made: changes `halves` (of which a 32-bit write has the first) in place.
   * @returns the offset that is written; -1 for none
   */
  write(offset: number, halves: Uint32Array): number;
  /** A 32-bit read. @returns what the driver believes to have read without reading; -1 where it reads */
  read?(offset: number): number;
}

/** A driver's way to its device's registers, with the planted bugs. */
export class SpoiledPort implements RegisterPort {
  readonly #port: RegisterPort;
  readonly #bugs: RegisterBugs;
  readonly #halves = new Uint32Array(2);

  constructor(port: RegisterPort, bugs: RegisterBugs) {
    this.#port = port;
    this.#bugs = bugs;
  }

  read32(offset: number): number {
    const believed = this.#bugs.read?.(offset) ?? -1;
    return believed < 0 ? this.#port.read32(offset) : believed;
  }

  read64(offset: number, halves: Uint32Array): void {
    this.#port.read64(offset, halves);
  }

  write32(offset: number, value: number): void {
    const halves = this.#halves;
    halves[0] = value;
    halves[1] = 0;
    const at = this.#bugs.write(offset, halves);
    if (at >= 0) this.#port.write32(at, halves[0] as number);
  }

  write64(offset: number, low: number, high: number): void {
    const halves = this.#halves;
    halves[0] = low;
    halves[1] = high;
    const at = this.#bugs.write(offset, halves);
    if (at >= 0) this.#port.write64(at, halves[0] as number, halves[1] as number);
  }

  delay(microseconds: number): void {
    this.#port.delay(microseconds);
  }
}
