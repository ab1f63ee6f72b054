/**
 * Which configurations the LPAE formats take, and what they narrow them to. The rules and their order are Linux's
 * (`io-pgtable-arm.c`), because a refused configuration shows how far it came.
 */
import {
  commonSizes,
  hasSize,
  hexText,
  mostBits,
  OUTPUT_SIZE_CODES,
  Shareability,
  sizesOf,
  WalkCacheability,
} from '../bits/index.ts';
import { ConfigError } from '../config/index.ts';
import { type AdjustedConfig, type ConfigCheck, CPU_PAGE, leafSizes, Quirk } from '../table/index.ts';

/** log2 of the only granule of 32-bit LPAE and Mali. */
export const SMALL_GRANULE_SHIFT = 12;
/** Below this Linux shifts by a negative number of bits; but not for Mali, whose walk starts at level 0 whatever the size. */
const LEAST_INPUT_BITS = 3;

export function refused(config: AdjustedConfig, field: string, value: unknown, allowed: string): ConfigCheck {
  return { config, refusal: new ConfigError(field, value, allowed) };
}

/** Linux's choice of granule: the CPU's page size, else the largest size below it, else the smallest above. */
function chooseGranule(pageSizes: number): number {
  if (hasSize(pageSizes, CPU_PAGE)) return CPU_PAGE;
  const sizes = sizesOf(pageSizes);
  return sizes.findLast((size) => size < CPU_PAGE) ?? sizes[0] ?? 0;
}

/** Narrows page sizes to what the granule offers, and address sizes to what it reaches. */
export function restrict(config: AdjustedConfig, leastBits = LEAST_INPUT_BITS): ConfigCheck {
  const granule = chooseGranule(config.pageSizes);
  const maxBits = mostBits(Math.log2(granule));
  const pageSizes = commonSizes(config.pageSizes, leafSizes(Math.log2(granule), config.oas));
  const narrowed: AdjustedConfig = {
    ...config,
    pageSizes,
    ias: Math.min(config.ias, maxBits),
    oas: Math.min(config.oas, maxBits),
  };
  if (!hasSize(pageSizes, granule))
    return refused(narrowed, 'pageSizes', config.pageSizes, 'a set with 4K, 16K or 64K');
  if (!(narrowed.ias >= leastBits)) return refused(narrowed, 'ias', config.ias, `${leastBits} to ${maxBits}`);
  return { config: narrowed, refusal: null };
}

/** log2 of the granule of a configuration that was narrowed. */
export function granuleShift(config: AdjustedConfig): number {
  return Math.log2(sizesOf(config.pageSizes)[0] ?? CPU_PAGE);
}

export function checkOutputSize(config: AdjustedConfig): ConfigCheck {
  if (OUTPUT_SIZE_CODES[config.oas] !== undefined) return { config, refusal: null };
  return refused(config, 'oas', config.oas, Object.keys(OUTPUT_SIZE_CODES).join(', '));
}

/** Why a configuration with quirks other than `known` ones is refused, or null. */
export function checkQuirks(config: AdjustedConfig, known: number): ConfigCheck | null {
  if ((config.quirks & ~known) === 0) return null;
  const allowed = known === 0 ? `0: ${config.format} has none` : `a sum of ${quirkNames(known)}`;
  return refused(config, 'quirks', config.quirks, allowed);
}

/** The names of the quirks in a set, with their values. */
function quirkNames(quirks: number): string {
  const named = Object.entries(Quirk).filter(([, bit]) => (quirks & bit) !== 0);
  return named.map(([name, bit]) => `${name} ${hexText(bit)}`).join(', ');
}

/** 32-bit LPAE and Mali have the 4 KiB granule only. */
export function smallGranule(config: AdjustedConfig): AdjustedConfig {
  return { ...config, pageSizes: commonSizes(config.pageSizes, leafSizes(SMALL_GRANULE_SHIFT, config.oas)) };
}

/** Cacheability and shareability of walks. */
export function walkAttributes(config: AdjustedConfig): { sh: number; orgn: number; irgn: number } {
  const { NONE, WRITE_BACK_ALLOCATE } = WalkCacheability;
  if (config.coherentWalk) return { sh: Shareability.INNER, orgn: WRITE_BACK_ALLOCATE, irgn: WRITE_BACK_ALLOCATE };
  const outer = (config.quirks & Quirk.ARM_OUTER_WBWA) !== 0;
  return { sh: Shareability.OUTER, orgn: outer ? WRITE_BACK_ALLOCATE : NONE, irgn: NONE };
}
