/** The tables of a context, and what they ask of the registers (`panfrost_mmu_ctx_create`). */
import { checkIoPgtableConfig, Errno, encode, type IoPgtableConfig } from '../../../../formats/index.ts';
import {
  AddressMode,
  AS_TRANSCFG,
  encodeAddressBits,
  MemattrShareability,
  memattrFromMair,
  WalkMemory,
  WalkShareability,
} from '../../spec/index.ts';
import type { EditedTable } from '../edited-table.ts';
import { MALI_PAGE_SIZES } from '../page-runs.ts';
import { type ContextRegisters, PanfrostContext } from './context.ts';
import type { MaliFeatures, PanfrostPorts } from './ports.ts';
import type { PanfrostProfile } from './profile.ts';

/** Tables as somebody wants them; without a wish, as the GPU has addresses. */
export interface ContextWish {
  /** AArch64 tables, where the driver offers them. */
  readonly aarch64: boolean;
  readonly vaBits: number;
  readonly paBits: number;
}

/** A fresh context without an address space, or -EINVAL where the GPU's addresses are larger than its tables can hold. */
export function createContext(
  profile: PanfrostProfile,
  features: MaliFeatures,
  ports: PanfrostPorts,
  wanted: ContextWish,
): PanfrostContext | number {
  const aarch64 = profile.offersAarch64 && wanted.aarch64;
  const config: IoPgtableConfig = {
    format: aarch64 ? 'ARM_64_LPAE_S1' : 'ARM_MALI_LPAE',
    pageSizes: MALI_PAGE_SIZES,
    ias: wanted.vaBits,
    oas: wanted.paBits,
    coherentWalk: features.coherent,
    split: profile.split,
  };
  if (checkIoPgtableConfig(config).refusal !== null) return -Errno.EINVAL;
  const table = ports.createTable(config);
  return new PanfrostContext(table, registersOf(table, features.coherent, wanted.vaBits));
}

function registersOf(table: EditedTable, coherent: boolean, vaBits: number): ContextRegisters {
  const { registers } = table;
  if (registers.kind === 'mali') {
    const { transtab, memattr } = registers;
    return {
      transtab,
      memattrLow: memattr,
      memattrHigh: 0,
      transcfgLow: AddressMode.LEGACY,
      transcfgHigh: 0,
    };
  }
  if (registers.kind !== 'stage-1') throw new TypeError(`panfrost has no tables of kind ${registers.kind}`);
  const { ttbr, mairLow, mairHigh } = registers;
  const shareability = coherent ? MemattrShareability.CPU_INNER : MemattrShareability.MALI_INNER;
  const transcfg = encode(AS_TRANSCFG, {
    ADRMODE: AddressMode.AARCH64_4K,
    INA_BITS: encodeAddressBits(vaBits),
    PTW_MEMATTR: WalkMemory.WRITE_BACK,
    PTW_SH: coherent ? WalkShareability.OUTER : WalkShareability.NONE,
    PTW_RA: 1,
  });
  return {
    transtab: ttbr,
    memattrLow: memattrFromMair(mairLow, shareability),
    memattrHigh: memattrFromMair(mairHigh, shareability),
    transcfgLow: transcfg.low,
    transcfgHigh: transcfg.high,
  };
}
