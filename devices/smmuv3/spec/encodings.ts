/**
 * Encodings of sizes that several structures and registers share (Arm IHI 0070 sections 5.2, 5.4 and 6.3.6; the walk itself is the
 * Arm ARM's, DDI 0487, where the descriptors of `formats` name the issue).
 */

/** Physical address sizes by their 3-bit encoding (IPS, S2PS, IDR5.OAS). */
export const ADDRESS_SIZES = [32, 36, 40, 42, 44, 48, 52] as const;

/** Bits of a physical address size encoding, no more than `limit`; the reserved encoding 7 means the limit. */
export function addressBits(encoding: number, limit: number): number {
  return Math.min(ADDRESS_SIZES[encoding] ?? limit, limit);
}

/** log2 of the granule by the encoding of TG0 and S2TG; 0 for the reserved encoding. */
export const GRANULE_SHIFT_TG0 = [12, 16, 14, 0] as const;

/** log2 of the granule by the encoding of TG1, which is not that of TG0; 0 for the reserved encoding. */
export const GRANULE_SHIFT_TG1 = [0, 14, 12, 16] as const;

/** Level of the first stage 2 lookup by granule and S2SL0, -1 for a reserved combination (Arm ARM, VTCR_EL2.SL0). */
export function stage2StartLevel(granuleShift: number, sl0: number): number {
  if (granuleShift === 12) return [2, 1, 0, 3][sl0] ?? -1;
  return [3, 2, 1, -1][sl0] ?? -1;
}

/** Input bits that a walk of one table resolves from `startLevel` down to the page offset. */
export function walkBits(granuleShift: number, startLevel: number): number {
  return granuleShift + (4 - startLevel) * (granuleShift - 3);
}
