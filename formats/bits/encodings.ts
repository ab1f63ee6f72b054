/**
 * Encodings that translation registers, context descriptors, stream table entries and commands share (Arm ARM DDI 0487, TCR_ELx,
 * VTCR_EL2, MAIR_ELx; SMMU IHI 0070 sections 4.4, 5.2, 5.4 and 6.3.6). Each stands here once, as a table from code to meaning; the way back
 * is derived from it.
 */

/** Output (physical) address sizes in bits by their 3-bit code: IPS, PS, S2PS, IDR5.OAS, ID_AA64MMFR0.PARange. Code 7 is reserved. */
export const OUTPUT_SIZES = [32, 36, 40, 42, 44, 48, 52] as const;

/** log2 of the granule by the code of TG0 and S2TG; 0 where it is reserved. */
export const GRANULE_SHIFT_TG0 = [12, 16, 14, 0] as const;

/** log2 of the granule by the code of TG1, which is not that of TG0; 0 where it is reserved. */
export const GRANULE_SHIFT_TG1 = [0, 14, 12, 16] as const;

/** log2 of the granule by the code of TG in TLB invalidations by range; 0 where no granule is said. */
export const GRANULE_SHIFT_TLBI = [0, 12, 14, 16] as const;

/** Level of the first stage-2 lookup by the code of SL0, with 4 KiB granules and with the others; -1 where it is reserved. */
const START_LEVELS_4K = [2, 1, 0, 3] as const;
const START_LEVELS_OTHERS = [3, 2, 1, -1] as const;

/** Codes by meaning; the reserved meaning has none. */
function codes(meanings: readonly number[], reserved: number): Readonly<Record<number, number>> {
  return Object.fromEntries(
    meanings.map((meaning, code) => [meaning, code]).filter(([meaning]) => meaning !== reserved),
  );
}

/** Codes of output sizes by size in bits. */
export const OUTPUT_SIZE_CODES = codes(OUTPUT_SIZES, -1);

/** Codes of granules by log2 of the granule. The two halves of a stage 1 do not agree on them. */
export const TG0_CODES = codes(GRANULE_SHIFT_TG0, 0);
export const TG1_CODES = codes(GRANULE_SHIFT_TG1, 0);

/** Bits of an output size code, no more than `limit`; the reserved code 7 means the limit. */
export function outputBitsOf(code: number, limit: number): number {
  return Math.min(OUTPUT_SIZES[code] ?? limit, limit);
}

/** Most input and output bits of a granule: 52 with 64 KiB and FEAT_LPA, else 48. */
export function mostBits(granuleShift: number): number {
  return granuleShift === 16 ? 52 : 48;
}

/** Level of the first stage-2 lookup by granule and SL0, -1 for a reserved combination (VTCR_EL2.SL0). */
export function stage2StartLevel(granuleShift: number, sl0: number): number {
  return (granuleShift === 12 ? START_LEVELS_4K : START_LEVELS_OTHERS)[sl0] ?? -1;
}

/**
 * SL0 of a first level. Two bits of a number that counts down from the level, and with 4 KiB granules from one level higher. (So
 * a table whose first level is 4, which translates nothing, gets a code as well, as in Linux.)
 */
export function stage2StartCode(granuleShift: number, startLevel: number): number {
  return ~(startLevel + (granuleShift === 12 ? 1 : 0)) & 3;
}

/**
 * Level of the first stage-1 lookup: the levels below it each resolve a full table, and it resolves what is left over. 4, a level
 * that there is not, where all bits are those of an offset in a page.
 */
export function stage1StartLevel(granuleShift: number, inputBits: number): number {
  return 4 - Math.max(0, Math.ceil((inputBits - granuleShift) / (granuleShift - 3)));
}

/** Input bits that a walk of one table resolves from `startLevel` down to the page offset. */
export function walkBits(granuleShift: number, startLevel: number): number {
  return granuleShift + (4 - startLevel) * (granuleShift - 3);
}

/** MAIR as its eight attribute bytes, byte 0 first. */
export function memoryAttributes(low: number, high: number): number[] {
  return [0, 8, 16, 24, 0, 8, 16, 24].map((shift, i) => ((i < 4 ? low : high) >>> shift) & 0xff);
}

/** Shareability of leaves and of table walks. */
export const Shareability = { NONE: 0, OUTER: 2, INNER: 3 } as const;

/** Cacheability of table walks: ORGN, IRGN. */
export const WalkCacheability = { NONE: 0, WRITE_BACK_ALLOCATE: 1, WRITE_THROUGH: 2, WRITE_BACK: 3 } as const;
