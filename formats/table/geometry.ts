/**
 * The shape of a translation table: how an input address is cut into one index per level. Levels are numbered as the Arm
 * manual numbers them, 0 to 3, and a table with fewer levels starts further down.
 */
import { stage1StartLevel } from '../bits/index.ts';
import { LPAE_LAST_LEVEL } from '../descriptors/index.ts';

/** Everything about a table's shape that an edit or a walk needs, worked out once. Arrays are indexed by level. */
export interface Geometry {
  /** log2 of the granule: the page size of the last level, and the size of every table but the first. */
  readonly granuleShift: number;
  /** Input address size in bits. */
  readonly ias: number;
  /** Level of the first lookup. */
  readonly startLevel: number;
  /** Level whose entries map single pages. */
  readonly lastLevel: number;
  /** Bits of address that each level but the first resolves. */
  readonly bitsPerLevel: number;
  /** Bits that the first level resolves. More than `bitsPerLevel` when stage-2 tables are concatenated. */
  readonly pgdBits: number;
  /** Size of the first-level table in bytes. */
  readonly pgdSize: number;
  /** log2 of the bytes that one entry covers. */
  readonly shifts: readonly number[];
  /** Bytes that one entry covers. */
  readonly blockSizes: readonly number[];
  /** Number of entries in a table of the level, less one: the mask of its index. */
  readonly indexMasks: readonly number[];
  /** Size of a table of the level in bytes. */
  readonly tableSizes: readonly number[];
}

/** Page size of the CPU that edits tables: the granule that Linux prefers, and the unit of its built-in allocator. */
export const CPU_PAGE = 4096;

/** Sum of the leaf sizes of each LPAE granule, by log2 of the granule (Linux `arm_lpae_restrict_pgsizes`). */
const LEAF_SIZES: Readonly<Record<number, number>> = {
  12: 2 ** 12 + 2 ** 21 + 2 ** 30,
  14: 2 ** 14 + 2 ** 25,
  16: 2 ** 16 + 2 ** 29,
};
/** Blocks of level 1 with 64 KiB pages, which only an output size of more than {@link PLAIN_BITS} has. */
const LARGEST_BLOCK = 2 ** 42;
/** Most address bits of every granule but 64 KiB, and of that too without FEAT_LPA. */
export const PLAIN_BITS = 48;

/**
 * The leaf sizes of an LPAE granule, added up; 0 where there is no such granule.
 * @param granuleShift log2 of the granule: 12, 14 or 16.
 * @param oas output address size in bits: above 48, 64 KiB pages have blocks of 4 TiB too.
 */
export function leafSizes(granuleShift: number, oas: number): number {
  const largest = granuleShift === 16 && oas > PLAIN_BITS ? LARGEST_BLOCK : 0;
  return (LEAF_SIZES[granuleShift] ?? 0) + largest;
}

const LOG2_DESCRIPTOR_BYTES = 3;
/** Stage 2 may join up to this many tables to save a level (Arm ARM D8.2.4, concatenated translation tables). */
export const MAX_CONCATENATED_TABLES = 16;

/**
 * Whether stage 2 must start with joined tables (Arm ARM D8.2.4, where a start level is not permitted with an output size).
 * @param startLevel level of the first lookup without joining.
 */
export function demandsConcatenation(granuleShift: number, startLevel: number, ias: number, oas: number): boolean {
  if (granuleShift === 12) return startLevel === 0 && (oas === 40 || oas === 42);
  if (granuleShift === 14) return (startLevel === 0 && (oas === 48 || ias === 48)) || (startLevel === 1 && oas === 40);
  return false;
}

/** What makes the shape of an LPAE table differ from the plain one. */
export interface LpaeShape {
  readonly ias: number;
  /** 12, 14 or 16. */
  readonly granuleShift: number;
  /** Stage 2: join first-level tables, so that the walk starts one level further down. */
  readonly concatenate?: boolean;
  /** Mali: always walk four levels. */
  readonly fourLevels?: boolean;
}

/** The geometry of an LPAE table (VMSAv8-64, 32-bit LPAE and Mali, which differ in sizes only). */
export function lpaeGeometry(shape: LpaeShape): Geometry {
  const { ias, granuleShift } = shape;
  const bitsPerLevel = granuleShift - LOG2_DESCRIPTOR_BYTES;
  const indexBits = ias - granuleShift;
  let startLevel = stage1StartLevel(granuleShift, ias);
  let pgdBits = indexBits - bitsPerLevel * (LPAE_LAST_LEVEL - startLevel);
  if (shape.fourLevels === true && startLevel > 0) {
    startLevel = 0;
    pgdBits = 0;
  }
  if (shape.concatenate === true) {
    pgdBits += bitsPerLevel;
    startLevel++;
  }
  const shifts: number[] = [];
  const indexMasks: number[] = [];
  const tableSizes: number[] = [];
  // Linux takes an input size within one page: its table is of a level beyond the last, at which nothing can be mapped.
  for (let level = 0; level <= Math.max(startLevel, LPAE_LAST_LEVEL); level++) {
    const bits = level === startLevel ? pgdBits : bitsPerLevel;
    shifts.push(granuleShift + (LPAE_LAST_LEVEL - level) * bitsPerLevel);
    indexMasks.push(2 ** bits - 1);
    tableSizes.push(2 ** (bits + LOG2_DESCRIPTOR_BYTES));
  }
  return {
    granuleShift,
    ias,
    startLevel,
    lastLevel: LPAE_LAST_LEVEL,
    bitsPerLevel,
    pgdBits,
    pgdSize: 2 ** (pgdBits + LOG2_DESCRIPTOR_BYTES),
    shifts,
    blockSizes: shifts.map((shift) => 2 ** shift),
    indexMasks,
    tableSizes,
  };
}
