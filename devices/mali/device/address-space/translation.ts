/** What an address space translates with, from its registers (Linux panthor_regs.h, panfrost_regs.h). */
import { lpaeRoot, lpaeStage1, maliStage, type TranslationRegime } from '../../../../emulator/index.ts';
import { decodeField, memoryAttributes, stage1StartLevel } from '../../../../formats/index.ts';
import {
  AddressMode,
  AS_TRANSCFG,
  AS_TRANSTAB_AARCH64,
  AS_TRANSTAB_LPAE,
  decodeAddressBits,
  LegacyMode,
  MEMATTR_AARCH64,
  MemattrCache,
} from '../../spec/index.ts';

/** A 64-bit register as two unsigned halves. */
export interface Halves {
  readonly low: number;
  readonly high: number;
}

/** What UPDATE hands to the TLBs. */
export interface AsTranslation {
  /** Null: unmapped, every access faults. Without stages: identity. */
  readonly regime: TranslationRegime | null;
  /** First address that is too large to come in, and to go out. */
  readonly inputLimit: number;
  readonly outputLimit: number;
  /** MEMATTR bytes that make an access fault. */
  readonly faultingBytes: readonly number[];
  /** First-level table, 0 without one. */
  readonly base: number;
}

const CONFIG = AS_TRANSCFG.fields;
/** Concatenated tables save the first level where at most this many replace it (Arm ARM D8.2.4). */
const MOST_CONCATENATED = 16;
/** The legacy mode always walks four levels of 4 KiB tables. */
const LEGACY_BITS = 48;

/**
 * @param as number of the address space: TLB entries are tagged with it
 * @param paBits bits of a physical address of this GPU
 */
export function translationOf(
  as: number,
  paBits: number,
  transtab: Halves,
  transcfg: Halves,
  memattr: Halves,
): AsTranslation {
  const mode = decodeField(CONFIG.ADRMODE, transcfg.low, transcfg.high);
  switch (mode) {
    case AddressMode.LEGACY:
      return legacy(as, paBits, transtab, memattr);
    case AddressMode.IDENTITY:
      return identity(as, paBits);
    case AddressMode.AARCH64_4K:
      return aarch64(as, paBits, 12, transtab, transcfg, memattr);
    case AddressMode.AARCH64_64K:
      return aarch64(as, paBits, 16, transtab, transcfg, memattr);
    default:
      return unmapped(paBits);
  }
}

function unmapped(paBits: number): AsTranslation {
  return { regime: null, inputLimit: 2 ** LEGACY_BITS, outputLimit: 2 ** paBits, faultingBytes: [], base: 0 };
}

function identity(as: number, paBits: number): AsTranslation {
  return { ...unmapped(paBits), regime: { stage1: null, stage2: null, asid: as, vmid: 0 } };
}

function legacy(as: number, paBits: number, transtab: Halves, memattr: Halves): AsTranslation {
  const fields = AS_TRANSTAB_LPAE.fields;
  const mode = decodeField(fields.ADRMODE, transtab.low, transtab.high);
  if (mode === LegacyMode.IDENTITY) return identity(as, paBits);
  if (mode !== LegacyMode.TABLE) return unmapped(paBits);
  const base = decodeField(fields.BASE, transtab.low, transtab.high);
  return {
    inputLimit: 2 ** LEGACY_BITS,
    outputLimit: 2 ** paBits,
    faultingBytes: [],
    base,
    regime: {
      stage1: maliStage(base, {
        outputBits: paBits,
        memoryAttributes: memoryAttributes(memattr.low, memattr.high),
        tag: as,
      }),
      stage2: null,
      asid: as,
      vmid: 0,
    },
  };
}

function aarch64(
  as: number,
  paBits: number,
  granuleShift: number,
  transtab: Halves,
  transcfg: Halves,
  memattr: Halves,
): AsTranslation {
  const field = (name: keyof typeof CONFIG): number => decodeField(CONFIG[name], transcfg.low, transcfg.high);
  const base = decodeField(AS_TRANSTAB_AARCH64.fields.BASE, transtab.low, transtab.high);
  const inputBits = Math.max(decodeAddressBits(field('INA_BITS')), granuleShift + 1);
  const outputBits = Math.min(decodeAddressBits(field('OUTA_BITS')), paBits);
  const types = memoryAttributes(memattr.low, memattr.high);
  return {
    inputLimit: 2 ** inputBits,
    outputLimit: 2 ** outputBits,
    faultingBytes: types.filter(faults),
    base,
    regime: {
      stage1: lpaeStage1({
        root0: lpaeRoot(
          base,
          granuleShift,
          inputBits,
          startLevel(granuleShift, inputBits, field('SL_CONCAT') !== 0),
          field('DISABLE_HIER_AP') !== 0,
        ),
        outputBits,
        accessFlagFaults: field('DISABLE_AF_FAULT') === 0,
        memoryAttributes: types,
        tag: as,
        writeExecuteNever: field('WXN') !== 0,
      }),
      stage2: null,
      asid: as,
      vmid: 0,
    },
  };
}

function startLevel(granuleShift: number, inputBits: number, concatenated: boolean): number {
  const level = stage1StartLevel(granuleShift, inputBits);
  const bitsBelow = granuleShift + (3 - level) * (granuleShift - 3);
  return concatenated && level < 3 && 2 ** (inputBits - bitsBelow) <= MOST_CONCATENATED ? level + 1 : level;
}

function faults(byte: number): boolean {
  return decodeField(MEMATTR_AARCH64.fields.CACHE, byte, 0) === MemattrCache.FAULT;
}
