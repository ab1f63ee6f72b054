/** Which device answers at which physical address. */

import { ConfigError } from '../../formats/index.ts';

/** A device's registers. Offsets are bytes from the base of its range; values are unsigned 32-bit halves. */
export interface MmioDevice {
  /** @param offset a multiple of 4 */
  read32(offset: number): number;
  /** @param offset a multiple of 4 */
  write32(offset: number, value: number): void;
  /**
   * A 64-bit write that arrives in one piece. A device without it gets two `write32`, low half first.
   * @param offset a multiple of 8
   */
  write64?(offset: number, low: number, high: number): void;
}

/** One range of registers. */
export interface MmioRange {
  readonly name: string;
  readonly base: number;
  /** Bytes. */
  readonly size: number;
  readonly device: MmioDevice;
}

export class MmioMap {
  /** By rising base. */
  readonly ranges: readonly MmioRange[] = [];

  /** @throws ConfigError when the range is misaligned or overlaps another. */
  attach(range: MmioRange): void {
    const { name, base, size } = range;
    const field = `bus.mmio.${name}`;
    if (!(Number.isInteger(base) && base >= 0 && base % 4096 === 0)) {
      throw new ConfigError(`${field}.base`, base, 'a multiple of 4 KiB');
    }
    if (!(Number.isInteger(size) && size > 0 && size % 4096 === 0 && base + size <= 2 ** 52)) {
      throw new ConfigError(`${field}.size`, size, 'a multiple of 4 KiB, ending at or below 2^52');
    }
    for (const other of this.ranges) {
      if (base < other.base + other.size && other.base < base + size) {
        throw new ConfigError(`${field}.base`, base, `a range that does not overlap ${other.name}`);
      }
    }
    (this.ranges as MmioRange[]).push(range);
    (this.ranges as MmioRange[]).sort((a, b) => a.base - b.base);
  }

  /** The range that holds all of `[pa, pa + size)`, or null. */
  find(pa: number, size: number): MmioRange | null {
    for (const range of this.ranges) {
      if (pa >= range.base && pa + size <= range.base + range.size) return range;
    }
    return null;
  }
}
