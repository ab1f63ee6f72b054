/**
 * From the registers of a context bank to the translation regime that the walker starts from: the meaning of TCR, TTBR and MAIR in
 * Arm IHI 0062D, chapter 16, for AArch64 and AArch32 long descriptors.
 */
import {
  longRoot,
  longStage2Root,
  lpaeRoot,
  lpaeStage1,
  lpaeStage2,
  type StageRegime,
  type TableRoot,
} from '../../../emulator/index.ts';
import {
  decodeField,
  GRANULE_SHIFT_TG0,
  GRANULE_SHIFT_TG1,
  memoryAttributes,
  outputBitsOf,
  type PlacedField,
  stage2StartLevel,
} from '../../../formats/index.ts';
import { SCTLR, TCR, TCR2, VTCR } from '../spec/index.ts';

/** Register values of one bank. */
export interface BankValues {
  readonly aarch64: boolean;
  readonly sctlr: number;
  readonly tcr: number;
  readonly tcr2: number;
  /** Addresses of TTBR0 and TTBR1, as numbers. */
  readonly table0: number;
  readonly table1: number;
  readonly mair0: number;
  readonly mair1: number;
  /** ASID of a stage 1, VMID of a stage 2. */
  readonly tag: number;
}

/** Addresses of AArch32 long descriptors. */
const LONG_OUTPUT_BITS = 40;
const SMALL_GRANULE = 12;

/**
 * @param outputBits of the implementation
 * @returns the stage; in the short-descriptor format one without tables, which faults every access
 */
export function stage1Of(bank: BankValues, outputBits: number): StageRegime {
  const { aarch64, sctlr, tcr } = bank;
  const get = (field: PlacedField): number => decodeField(field, tcr, 0);
  const short = !aarch64 && get(TCR.EAE) === 0;
  const lower =
    get(TCR.EPD0) !== 0 ? null : stage1Root(bank.table0, aarch64, GRANULE_SHIFT_TG0[get(TCR.TG0)], get(TCR.T0SZ));
  // AArch32's two halves split 32 bits otherwise than AArch64's; no driver here uses the upper one.
  const upper =
    get(TCR.EPD1) !== 0 || !aarch64
      ? null
      : stage1Root(bank.table1, true, GRANULE_SHIFT_TG1[get(TCR.TG1)], get(TCR.T1SZ));
  return lpaeStage1({
    root0: short ? null : lower,
    root1: short ? null : upper,
    outputBits: aarch64 ? outputBitsOf(decodeField(TCR2.PASIZE, bank.tcr2, 0), outputBits) : LONG_OUTPUT_BITS,
    accessFlagFaults: decodeField(SCTLR.AFFD, sctlr, 0) === 0,
    memoryAttributes: memoryAttributes(bank.mair0, bank.mair1),
    tag: bank.tag,
    writeExecuteNever: decodeField(SCTLR.WXN, sctlr, 0) !== 0,
    ...(aarch64 ? {} : { aarch32: true }),
  });
}

export function stage2Of(bank: BankValues, outputBits: number): StageRegime {
  const { aarch64, sctlr, tcr, table0 } = bank;
  const get = (field: PlacedField): number => decodeField(field, tcr, 0);
  const granuleShift = aarch64 ? (GRANULE_SHIFT_TG0[get(VTCR.TG0)] ?? 0) : SMALL_GRANULE;
  const startLevel = granuleShift === 0 ? -1 : stage2StartLevel(granuleShift, get(VTCR.SL0));
  const root = aarch64
    ? lpaeRoot(table0, granuleShift, 64 - get(VTCR.T0SZ), startLevel)
    : longStage2Root(table0, tcr & 15, startLevel);
  return lpaeStage2({
    root0: startLevel < 0 ? null : root,
    outputBits: aarch64 ? outputBitsOf(get(VTCR.PS), outputBits) : LONG_OUTPUT_BITS,
    accessFlagFaults: decodeField(SCTLR.AFFD, sctlr, 0) === 0,
    tag: bank.tag,
  });
}

function stage1Root(table: number, aarch64: boolean, granule: number | undefined, tsz: number): TableRoot | null {
  if (aarch64 && (granule ?? 0) === 0) return null;
  const root = aarch64 ? lpaeRoot(table, granule ?? 0, 64 - tsz) : longRoot(table, tsz);
  return root.startLevel < 0 || root.startLevel > 3 ? null : root;
}
