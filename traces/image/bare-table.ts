import {
  longRoot,
  longStage,
  longStage2Root,
  lpaeRoot,
  lpaeStage1,
  lpaeStage2,
  maliStage,
  remappedAttributes,
  type StageRegime,
  shortStage1,
  type TableRoot,
  type TranslationRegime,
} from '../../emulator/index.ts';
import {
  ConfigError,
  GRANULE_SHIFT_TG0,
  GRANULE_SHIFT_TG1,
  memoryAttributes,
  outputBitsOf,
  stage2StartLevel,
} from '../../formats/index.ts';

/** Formats of a bare table, as the command line names them. */
export const BARE_FORMATS = [
  'arm-64-lpae-s1',
  'arm-64-lpae-s2',
  'arm-32-lpae-s1',
  'arm-32-lpae-s2',
  'arm-mali-lpae',
  'arm-v7s',
] as const;

export type BareFormat = (typeof BARE_FORMATS)[number];

/** The translation registers of a table without a stream table in front of it. */
export interface BareTable {
  readonly format: BareFormat;
  /** TTBR0, VTTBR or TRANSTAB. */
  readonly ttb0: bigint;
  /** TTBR1, where there is one. */
  readonly ttb1: bigint | null;
  /** TCR_EL1, VTCR_EL2, TTBCR or VTCR of AArch32; not looked at for Mali. */
  readonly tcr: bigint;
  /** MAIR; for arm-v7s NMRR in the upper and PRRR in the lower half. */
  readonly mair: bigint;
}

/** Address bits of a TTBR: 47:1, with bit 0 being CnP; a 52-bit base keeps its bits 51:48 in 5:2 (Arm ARM TTBR0_EL1). */
const TTBR_ADDRESS = 0xffff_ffff_fffen;

/**
 * The regime that the registers describe (Arm ARM DDI 0487: TCR_EL1, VTCR_EL2, TTBCR; Mali: TRANSTAB).
 *
 * @throws ConfigError for a reserved encoding
 */
export function bareRegime(bare: BareTable): TranslationRegime {
  const stage = bareStage(bare);
  return stage.stage === 1
    ? { stage1: stage, stage2: null, asid: 0, vmid: 0 }
    : { stage1: null, stage2: stage, asid: 0, vmid: 0 };
}

function bareStage(bare: BareTable): StageRegime {
  switch (bare.format) {
    case 'arm-64-lpae-s1':
      return stage1Of(bare);
    case 'arm-64-lpae-s2':
      return stage2Of(bare);
    case 'arm-32-lpae-s1':
      return longStage1(bare);
    case 'arm-32-lpae-s2':
      return longStage2(bare);
    case 'arm-mali-lpae':
      return maliOf(bare);
    default:
      return shortOf(bare);
  }
}

/** TCR_EL1. */
function stage1Of(bare: BareTable): StageRegime {
  const { tcr } = bare;
  const root = (ttb: bigint, tsz: number, granuleShift: number, hpd: number, name: string): TableRoot => {
    if (granuleShift === 0) throw new ConfigError('tcr', tcr, `a ${name} that is not reserved`);
    return checked(
      lpaeRoot(
        bits52(ttb, bits(tcr, 32, 3) === 6 && granuleShift === 16),
        granuleShift,
        64 - tsz,
        undefined,
        hpd !== 0,
      ),
    );
  };
  const half0 = bits(tcr, 7, 1) === 0;
  const half1 = bits(tcr, 23, 1) === 0 && bare.ttb1 !== null;
  return lpaeStage1({
    root0: half0
      ? root(bare.ttb0, bits(tcr, 0, 6), GRANULE_SHIFT_TG0[bits(tcr, 14, 2)] ?? 0, bits(tcr, 41, 1), 'TG0')
      : null,
    root1: half1
      ? root(bare.ttb1 ?? 0n, bits(tcr, 16, 6), GRANULE_SHIFT_TG1[bits(tcr, 30, 2)] ?? 0, bits(tcr, 42, 1), 'TG1')
      : null,
    outputBits: outputBitsOf(bits(tcr, 32, 3), 52),
    hardwareAccessFlag: bits(tcr, 39, 1) !== 0,
    hardwareDirty: bits(tcr, 39, 2) === 3,
    memoryAttributes: memoryAttributes(bits(bare.mair, 0, 32), bits(bare.mair, 32, 32)),
  });
}

/** VTCR_EL2. */
function stage2Of(bare: BareTable): StageRegime {
  const { tcr } = bare;
  const granuleShift = GRANULE_SHIFT_TG0[bits(tcr, 14, 2)] ?? 0;
  if (granuleShift === 0) throw new ConfigError('tcr', tcr, 'a TG0 that is not reserved');
  const startLevel = stage2StartLevel(granuleShift, bits(tcr, 6, 2));
  if (startLevel < 0) throw new ConfigError('tcr', tcr, 'an SL0 that is not reserved');
  const wide = bits(tcr, 16, 3) === 6 && granuleShift === 16;
  const inputBits = 64 - bits(tcr, 0, 6);
  checked(lpaeRoot(0, granuleShift, inputBits));
  return lpaeStage2({
    root0: lpaeRoot(bits52(bare.ttb0, wide), granuleShift, inputBits, startLevel),
    outputBits: outputBitsOf(bits(tcr, 16, 3), 52),
    hardwareAccessFlag: bits(tcr, 21, 1) !== 0,
    hardwareDirty: bits(tcr, 21, 2) === 3,
  });
}

/** TTBCR with EAE set: sizes count from 32, the granule is 4K, addresses have 40 bits. */
function longStage1(bare: BareTable): StageRegime {
  const { tcr } = bare;
  const root = (ttb: bigint, tsz: number): TableRoot => checked(longRoot(address(ttb), tsz));
  return longStage(1, {
    root0: bits(tcr, 7, 1) === 0 ? root(bare.ttb0, bits(tcr, 0, 3)) : null,
    root1: bits(tcr, 23, 1) === 0 && bare.ttb1 !== null ? root(bare.ttb1, bits(tcr, 16, 3)) : null,
    memoryAttributes: memoryAttributes(bits(bare.mair, 0, 32), bits(bare.mair, 32, 32)),
  });
}

/** VTCR of AArch32: T0SZ is a signed number of four bits. */
function longStage2(bare: BareTable): StageRegime {
  const { tcr } = bare;
  const startLevel = [2, 1, -1, -1][bits(tcr, 6, 2)] ?? -1;
  if (startLevel < 0) throw new ConfigError('tcr', tcr, 'an SL0 of 0 or 1');
  return longStage(2, { root0: longStage2Root(address(bare.ttb0), bits(tcr, 0, 4), startLevel) });
}

/** TRANSTAB: the low twelve bits are modes. */
function maliOf(bare: BareTable): StageRegime {
  return maliStage(Number(bare.ttb0), {
    memoryAttributes: memoryAttributes(bits(bare.mair, 0, 32), bits(bare.mair, 32, 32)),
  });
}

/** TTBCR with EAE clear: N takes bits from TTBR0's table, and TTBR1 has the addresses above. */
function shortOf(bare: BareTable): StageRegime {
  const { tcr, ttb0, ttb1 } = bare;
  return shortStage1(
    bits(tcr, 0, 3),
    bits(tcr, 4, 1) === 0 ? Number(ttb0) : null,
    bits(tcr, 5, 1) === 0 && ttb1 !== null ? Number(ttb1) : null,
    { memoryAttributes: remappedAttributes(bits(bare.mair, 0, 32), bits(bare.mair, 32, 32)) },
  );
}

/** The root, when its size leaves one to four levels. */
function checked(root: TableRoot): TableRoot {
  if (root.startLevel < 0 || root.startLevel > 3)
    throw new ConfigError('tcr', root.inputBits, 'a TxSZ that leaves one to four levels');
  return root;
}

function bits(value: bigint, lsb: number, width: number): number {
  return Number((value >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n));
}

/** The table address of a TTBR without ASID and CnP. */
function address(ttb: bigint): number {
  return Number(ttb & TTBR_ADDRESS);
}

function bits52(ttb: bigint, wide: boolean): number {
  if (!wide) return address(ttb);
  return bits(ttb, 2, 4) * 2 ** 48 + Number(ttb & 0xffff_ffff_ffc0n);
}
