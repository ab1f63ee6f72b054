/**
 * Arithmetic on addresses. An address is a number of at most 52 bits, which a double holds exactly; bitwise operators see only
 * 32 of them, so whole addresses are split and joined here.
 */

/** What the upper half of an address or descriptor counts. */
export const TWO_32 = 2 ** 32;

/** The first number that is no address: ranges of the upper half end there. */
export const TWO_64 = 2 ** 64;

/** Low 32 bits of an address, unsigned. */
export function low32(address: number): number {
  return address >>> 0;
}

/** Bits 32 and up of an address. */
export function high32(address: number): number {
  return Math.floor(address / TWO_32);
}

/** True for a count of things: an integer from 0 on. */
export function isCount(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

/** Largest multiple of `size` that is not above `address`; `size` is a power of two. */
export function alignDown(address: number, size: number): number {
  return Math.floor(address / size) * size;
}

/** Smallest multiple of `size` that is not below `address`. */
export function alignUp(address: number, size: number): number {
  return Math.ceil(address / size) * size;
}

/** True when `bitmap`, a sum of powers of two, holds `size`, one power of two. */
export function hasSize(bitmap: number, size: number): boolean {
  return Math.floor(bitmap / size) % 2 === 1;
}

/** The powers of two in a bitmap, smallest first. */
export function sizesOf(bitmap: number): number[] {
  const sizes: number[] = [];
  let rest = bitmap;
  for (let size = 1; rest > 0; size *= 2) {
    if (hasSize(rest, size)) {
      sizes.push(size);
      rest -= size;
    }
  }
  return sizes;
}

/** The powers of two that two bitmaps share, as a bitmap. */
export function commonSizes(bitmap: number, other: number): number {
  return sizesOf(bitmap)
    .filter((size) => hasSize(other, size))
    .reduce((sum, size) => sum + size, 0);
}

/** An address or a value of a register as `0xfffff000`: lower-case digits, none in front that is zero. */
export function hexText(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
