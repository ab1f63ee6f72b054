/**
 * A tag is an input page number with an owner in front of it (a stream, or an address space), split in two signed 32-bit words so
 * that no lookup touches a double:
 *
 *     high: owner (18 bits) | section (3) | upper half (1) | page number bits 39:32 (8)        low: page number bits 31:0
 *
 * The page number counts units of 4 KiB. A mask of the same form says which bits of it a page of a size compares.
 */

/** Bits below the owner in the high tag word. */
export const OWNER_SHIFT = 12;
/** Bits below the section: page number and upper half. */
export const SECTION_SHIFT = 9;
/** Tells the upper half from the lower. */
export const UPPER_HALF_BIT = 256;

/** log2 of the unit of page numbers, and of the smallest page. */
export const FIRST_SHIFT = 12;
/** Page size that covers every address of an owner. */
export const WHOLE_SPACE_SHIFT = 61;

/** Low tag word of an input address. */
export function tagLow(address: number): number {
  return (((address / 2 ** 32) | 0) << 20) | ((address | 0) >>> 12);
}

/** High tag word of an input address, without its owner. */
export function tagHigh(address: number, upper = false): number {
  return (((address / 2 ** 32) | 0) >>> 12) | (upper ? UPPER_HALF_BIT : 0);
}

/** Mask over the low tag word of a page of `2 ** shift` bytes. */
export function maskLow(shift: number): number {
  const bits = shift - FIRST_SHIFT;
  return bits < 32 ? -1 << bits : 0;
}

/** Mask over the high tag word of a page of `2 ** shift` bytes. */
export function maskHigh(shift: number): number {
  const bits = shift - FIRST_SHIFT - 32;
  if (bits <= 0) return -1;
  return -1 << Math.min(bits, SECTION_SHIFT);
}
