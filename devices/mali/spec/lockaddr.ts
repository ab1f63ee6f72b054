/** AS_LOCKADDR: the region that LOCK, FLUSH_PT and FLUSH_MEM act on. A power of two, naturally aligned, at least 32 KiB. */
import { TWO_32 } from '../../../formats/index.ts';
import { PANFROST_REGS, registerLayout } from './layout.ts';

export const AS_LOCKADDR = registerLayout('Mali AS_LOCKADDR', 64, PANFROST_REGS, {
  WIDTH: { lsb: 0, width: 6, meaning: 'log2 of the region size, less one' },
  BASE: { lsb: 12, width: 52, meaning: 'region start; bits below the size are ignored', address: true },
});

/** log2 of the smallest region. */
const LEAST_LOCK_SHIFT = 15;

const WIDTH_MASK = 0x3f;

/** A size that stands for all addresses, as the drivers' `~0` does. */
export const WHOLE_SPACE = 2 ** 64;

/**
 * What the drivers write for a region that must hold `[start, start + size)`; in 64 bits, wrapping as theirs do. `out[0]` is the lower
 * half. They keep address bit WIDTH although the region is twice as large: hardware ignores it.
 *
 * @param start any 64-bit address that a number holds exactly
 * @param size bytes, at least 1: no driver locks nothing. {@link WHOLE_SPACE} is the largest.
 */
export function encodeLockAddress(out: Uint32Array, start: number, size: number): void {
  const startLow = start >>> 0;
  const startHigh = Math.floor(start / TWO_32) >>> 0;
  const whole = size >= WHOLE_SPACE;
  const lowSum = startLow + (whole ? TWO_32 - 1 : size >>> 0) - 1;
  const lastLow = lowSum >>> 0;
  const lastHigh = (startHigh + (whole ? TWO_32 - 1 : Math.floor(size / TWO_32)) + Math.floor(lowSum / TWO_32)) >>> 0;
  const highDifference = (startHigh ^ lastHigh) >>> 0;
  const differing =
    highDifference !== 0 ? 64 - Math.clz32(highDifference) : 32 - Math.clz32((startLow ^ lastLow) >>> 0);
  const width = Math.max(differing, LEAST_LOCK_SHIFT) - 1;
  out[0] = width < 32 ? ((startLow & -(2 ** width)) >>> 0) + width : width;
  out[1] = width < 32 ? startHigh : (startHigh & -(2 ** (width - 32))) >>> 0;
}

/** log2 of the size of the region that a value of AS_LOCKADDR stands for: 1 to 64. */
export function lockShift(low: number): number {
  return (low & WIDTH_MASK) + 1;
}

/** First address of that region, as hardware takes it: the bits below its size are ignored. Exact up to 2^53. */
export function lockStart(low: number, high: number): number {
  const shift = lockShift(low);
  if (shift >= 64) return 0;
  if (shift >= 32) return Math.floor(high / 2 ** (shift - 32)) * 2 ** shift;
  return high * TWO_32 + Math.floor(low / 2 ** shift) * 2 ** shift;
}
