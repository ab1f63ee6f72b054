/**
 * The registers of a device, as its driver's code reaches them. An MMU's device model implements it, and so does the player that holds a
 * driver against a recorded sequence of accesses.
 *
 * Offsets are bytes from the start of the device's region. A 64-bit value is two unsigned 32-bit halves, since a number cannot hold
 * all 64-bit values exactly.
 */
export interface RegisterBus {
  /** One 32-bit read; unsigned. */
  read32(offset: number): number;
  /** One 32-bit write of the low 32 bits of `value`. */
  write32(offset: number, value: number): void;
  /** One 64-bit read: the lower half goes to `halves[0]`, the upper one to `halves[1]`. */
  read64(offset: number, halves: Uint32Array): void;
  /** One 64-bit write. */
  write64(offset: number, low: number, high: number): void;
}

/** {@link RegisterBus} from a processor that can wait. */
export interface RegisterPort extends RegisterBus {
  /** The processor does nothing for so many microseconds (Linux `udelay`). */
  delay(microseconds: number): void;
}
