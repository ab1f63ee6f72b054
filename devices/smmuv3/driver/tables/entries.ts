/**
 * The stream table entries and context descriptors that Linux's driver makes (`arm_smmu_make_*`), as their words.
 */
import { encodeInto, type StageOneRegisters, type StageTwoRegisters } from '../../../../formats/index.ts';
import {
  CD_WORDS,
  CONTEXT_DESCRIPTOR,
  ContextFormat,
  Eats,
  STE_WORDS,
  STREAM_TABLE_ENTRY,
  StreamConfig,
  StreamWorld,
} from '../../spec/index.ts';
import type { ProbedSmmu } from '../start/index.ts';
import type { ContextTable } from './context-table.ts';

/** Attributes of structures in write-back cacheable, inner shareable memory. */
const FETCH = { S1CIR: 1, S1COR: 1, S1CSH: 3 } as const;
/** SHCFG: as the transaction says. Linux sets it only where IDR1.ATTR_TYPES_OVR gives it a meaning. */
const INCOMING = 1;

function streamEntry(fields: Partial<Record<keyof typeof STREAM_TABLE_ENTRY, number>>): Uint32Array {
  const words = new Uint32Array(STE_WORDS);
  encodeInto(STREAM_TABLE_ENTRY, words, 0, { V: 1, ...fields });
  return words;
}

/** All traffic is aborted: the state of a stream without a domain. */
export function abortEntry(): Uint32Array {
  return streamEntry({ Config: StreamConfig.ABORT });
}

/** All traffic passes through. */
export function bypassEntry({ attributeOverride }: ProbedSmmu): Uint32Array {
  return streamEntry({ Config: StreamConfig.BYPASS, ...(attributeOverride ? { SHCFG: INCOMING } : {}) });
}

/** Stage 1: the stream uses its context descriptors. */
export function stage1Entry(
  { features, e2h, attributeOverride }: ProbedSmmu,
  table: ContextTable,
  /** What traffic without a SubstreamID does, a value of `DefaultSubstream`; `bypasses`: whether that is to pass through. */
  { defaultSubstream, bypasses, stalls, ats }: Stage1Options,
): Uint32Array {
  return streamEntry({
    Config: StreamConfig.STAGE1,
    S1Fmt: table.twoLevel ? ContextFormat.TWO_LEVEL_64K : ContextFormat.LINEAR,
    S1ContextPtr: table.base,
    S1CDMax: table.bits,
    S1DSS: defaultSubstream,
    ...FETCH,
    S1STALLD: Number(features.stallModel !== 1 && !stalls),
    EATS: ats ? Eats.FULL : Eats.REFUSED,
    STRW: e2h ? StreamWorld.EL2 : StreamWorld.EL1,
    ...(attributeOverride && bypasses ? { SHCFG: INCOMING } : {}),
  });
}

export interface Stage1Options {
  readonly defaultSubstream: number;
  readonly bypasses: boolean;
  readonly stalls: boolean;
  readonly ats: boolean;
}

/** Stage 2 alone. */
export function stage2Entry(
  probed: ProbedSmmu,
  vmid: number,
  { vttbr, vtcr }: StageTwoRegisters,
  {
    stalls,
    ats,
    forceWriteBack,
  }: { readonly stalls: boolean; readonly ats: boolean; readonly forceWriteBack: boolean },
): Uint32Array {
  return streamEntry({
    Config: StreamConfig.STAGE2,
    EATS: ats ? Eats.FULL : Eats.REFUSED,
    ...(probed.attributeOverride ? { SHCFG: INCOMING } : {}),
    S2FWB: Number(forceWriteBack),
    S2VMID: vmid,
    S2T0SZ: vtcr.tsz,
    S2SL0: vtcr.sl,
    S2IR0: vtcr.irgn,
    S2OR0: vtcr.orgn,
    S2SH0: vtcr.sh,
    S2TG: vtcr.tg,
    S2PS: vtcr.ps,
    S2AA64: 1,
    S2PTW: 1,
    S2S: Number(stalls),
    S2R: 1,
    S2TTB: vttbr,
  });
}

/** A context descriptor in which one half of the address space is on. */
export function contextEntry(
  asid: number,
  { tcr, mairLow, mairHigh, ttbr }: StageOneRegisters,
  { upper, stalls, tracksDirty }: { readonly upper: boolean; readonly stalls: boolean; readonly tracksDirty: boolean },
): Uint32Array {
  const half = upper
    ? { T1SZ: tcr.tsz, TG1: tcr.tg, IR1: tcr.irgn, OR1: tcr.orgn, SH1: tcr.sh, EPD0: 1, TTB1: ttbr }
    : { T0SZ: tcr.tsz, TG0: tcr.tg, IR0: tcr.irgn, OR0: tcr.orgn, SH0: tcr.sh, EPD1: 1, TTB0: ttbr };
  const words = new Uint32Array(CD_WORDS);
  encodeInto(CONTEXT_DESCRIPTOR, words, 0, {
    V: 1,
    ...half,
    IPS: tcr.ips,
    AA64: 1,
    // Marking pages dirty rests on setting the access flag.
    HA: Number(tracksDirty),
    HD: Number(tracksDirty),
    S: Number(stalls),
    R: 1,
    A: 1,
    ASET: 1,
    ASID: asid,
    MAIR0: mairLow >>> 0,
    MAIR1: mairHigh >>> 0,
  });
  return words;
}
