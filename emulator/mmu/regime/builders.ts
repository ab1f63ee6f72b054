import { stage1StartLevel } from '../../../formats/index.ts';
import type { StageRegime, TableRoot } from './regime.ts';

/**
 * From decoded registers to the stage that a walk starts from, the same for every device: a device says which bits of its registers
 * hold TxSZ, TG, SL0, TTBR and MAIR (encodings of these are in formats/bits), and here they become tables, sizes and levels.
 */

/** What a stage of each kind is unless its registers say otherwise: access flag faults, nothing managed by hardware, no tables. */
const PLAIN = {
  root0: null,
  root1: null,
  outputBits: 48,
  accessFlagFaults: true,
  hardwareAccessFlag: false,
  hardwareDirty: false,
  memoryAttributes: [] as readonly number[],
  tag: 0,
  writeExecuteNever: false,
} as const;

/** AArch32 long descriptors: one granule, sizes that count from 32 bits, addresses of 40. */
const LONG_GRANULE = 12;
const LONG_INPUT_BITS = 32;
const LONG_OUTPUT_BITS = 40;

/** A stage 1 of LPAE or VMSAv8-64. @param parts what its registers say */
export function lpaeStage1(parts: Partial<StageRegime>): StageRegime {
  return { ...PLAIN, ...parts, stage: 1, family: 'lpae' };
}

/** A stage 2 of LPAE or VMSAv8-64. It has no MAIR and one table. @param parts what its registers say */
export function lpaeStage2(parts: Partial<StageRegime>): StageRegime {
  return { ...PLAIN, ...parts, stage: 2, family: 'lpae', root1: null, memoryAttributes: [] };
}

/** A stage of AArch32 LPAE: as the others, with AArch32's rules of execution and its 40-bit addresses. */
export function longStage(stage: 1 | 2, parts: Partial<StageRegime>): StageRegime {
  const common = { outputBits: LONG_OUTPUT_BITS, aarch32: true, ...parts };
  return stage === 1 ? lpaeStage1(common) : lpaeStage2(common);
}

/**
 * The table of one half, or of a stage 2.
 *
 * @param base TTBR's address; bits below the table's size are ignored by the walk
 * @param granuleShift 12, 14 or 16
 * @param inputBits 64 - TxSZ
 * @param startLevel of a stage 2 what SL0 says; by default as few levels as resolve the input (Arm ARM D8.2.5)
 */
export function lpaeRoot(
  base: number,
  granuleShift: number,
  inputBits: number,
  startLevel = stage1StartLevel(granuleShift, inputBits),
  ignoreHierarchicalPermissions = false,
): TableRoot {
  return { base, granuleShift, inputBits, startLevel, ignoreHierarchicalPermissions };
}

/** The table of one half of AArch32 LPAE. @param tsz TTBCR.TxSZ, 0 to 7 */
export function longRoot(base: number, tsz: number): TableRoot {
  return lpaeRoot(base, LONG_GRANULE, LONG_INPUT_BITS - (tsz & 7));
}

/** The table of an AArch32 stage 2. @param t0sz VTCR.S and T0SZ, a signed number of four bits, so that 40 bits can be said */
export function longStage2Root(base: number, t0sz: number, startLevel: number): TableRoot {
  return lpaeRoot(base, LONG_GRANULE, LONG_INPUT_BITS - (((t0sz & 15) ^ 8) - 8), startLevel);
}

/**
 * Short descriptors (TTBCR with EAE clear): N takes bits from TTBR0's table, and TTBR1 has the addresses above.
 *
 * @param n TTBCR.N
 * @param ttbr0 null when walks of it are disabled; bits below the table's size hold attributes of the walk
 * @param ttbr1 unused with N = 0
 * @param parts what other registers say; `memoryAttributes` of TEX remapping come from `remappedAttributes`
 */
export function shortStage1(
  n: number,
  ttbr0: number | null,
  ttbr1: number | null,
  parts: Partial<StageRegime>,
): StageRegime {
  const root = (ttbr: number | null, inputBits: number): TableRoot | null =>
    ttbr === null ? null : lpaeRoot(ttbr - (ttbr % 2 ** (inputBits - 18)), 12, inputBits, 1);
  return {
    ...PLAIN,
    outputBits: LONG_OUTPUT_BITS,
    ...parts,
    stage: 1,
    family: 'short',
    root0: root(ttbr0, 32 - n),
    root1: n > 0 ? root(ttbr1, 32) : null,
  };
}

/**
 * Mali's own LPAE: always four levels of 4 KiB tables over 48 bits, no access flag.
 *
 * @param transtab TRANSTAB's address; its low twelve bits are modes
 * @param parts what else its registers say: attribute bytes, output bits
 */
export function maliStage(transtab: number, parts: Partial<StageRegime>): StageRegime {
  return {
    ...PLAIN,
    ...parts,
    stage: 1,
    family: 'mali',
    root0: lpaeRoot(transtab - (transtab % 4096), 12, 48, 0),
    accessFlagFaults: false,
  };
}
