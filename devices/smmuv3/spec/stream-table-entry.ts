/**
 * The stream table: what the SMMU does with the traffic of one StreamID.
 * Layouts of Arm IHI 0070, section 5.1 (level 1 descriptor, L1STD) and 5.2 (stream table entry, STE).
 */
import {
  addressField,
  bitField,
  type Decoded,
  decodeAll,
  GRANULE_SHIFT_TG0,
  type Layout,
  outputBitsOf,
  stage2StartLevel,
  walkBits,
} from '../../../formats/index.ts';
import { offersGranule, type Smmuv3Features } from './features.ts';

/** Size of a stream table entry. */
export const STE_BYTES = 64;
/** Size of a stream table entry in 32-bit words. */
export const STE_WORDS = 16;
/** Size of a level 1 stream table descriptor. */
export const L1STD_BYTES = 8;

/** Level 1 stream table descriptor: bits [63:0]. */
export const L1_STREAM_TABLE_DESCRIPTOR = {
  Span: bitField(0, 5, '0: L2Ptr is invalid. n: the level 2 array holds 2^(n-1) entries'),
  L2Ptr: addressField(6, 46, 'Level 2 array, bits [51:6]'),
} as const satisfies Layout;

/** Stream table entry: bits [511:0]. */
export const STREAM_TABLE_ENTRY = {
  V: bitField(0, 1, 'The entry is valid'),
  Config: bitField(1, 3, '0b0xx abort, 0b100 bypass, 0b101 stage 1, 0b110 stage 2, 0b111 both'),
  S1Fmt: bitField(
    4,
    2,
    'Context descriptor table: 0 linear, 1 two-level with 4 KiB leaves, 2 two-level with 64 KiB leaves',
  ),
  S1ContextPtr: addressField(6, 46, 'Context descriptor or its table, bits [51:6] (an IPA with stage 2)'),
  S1CDMax: bitField(59, 5, 'log2 of the number of context descriptors'),
  S1DSS: bitField(64, 2, 'Traffic without a SubstreamID: 0 terminate, 1 bypass stage 1, 2 use descriptor 0'),
  S1CIR: bitField(66, 2, 'Inner cacheability of descriptor fetches'),
  S1COR: bitField(68, 2, 'Outer cacheability of descriptor fetches'),
  S1CSH: bitField(70, 2, 'Shareability of descriptor fetches'),
  S2HWU: bitField(72, 4, 'Stage 2 descriptor bits 59 to 62 are for hardware use'),
  DRE: bitField(76, 1, 'Destructive reads allowed'),
  CONT: bitField(77, 4, 'Entries around this one are alike, as log2'),
  DCP: bitField(81, 1, 'Directed cache prefetch allowed'),
  PPAR: bitField(82, 1, 'PRI page requests are answered with the PASID'),
  MEV: bitField(83, 1, 'Like events may be merged'),
  S2FWB: bitField(89, 1, 'Stage 2 attributes force write-back'),
  S1MPAM: bitField(90, 1, 'The context descriptor gives the MPAM partition'),
  S1STALLD: bitField(91, 1, 'Stage 1 stall is disabled'),
  EATS: bitField(92, 2, 'ATS: 0 refused, 1 full, 2 split-stage'),
  STRW: bitField(94, 2, 'World: 0 EL1, 2 EL2 (or EL2-E2H, by CR2.E2H)'),
  MemAttr: bitField(96, 4, 'Memory type when MTCFG is 1'),
  MTCFG: bitField(100, 1, 'Memory type is overridden'),
  ALLOCCFG: bitField(101, 4, 'Allocation hints'),
  SHCFG: bitField(108, 2, 'Shareability: 1 as the transaction, else overridden'),
  NSCFG: bitField(110, 2, 'Security override, secure streams only'),
  PRIVCFG: bitField(112, 2, 'Privilege: 0 and 1 as the transaction, 2 unprivileged, 3 privileged'),
  INSTCFG: bitField(114, 2, 'Instruction or data: 0 and 1 as the transaction, 2 data, 3 instruction'),
  S2VMID: bitField(128, 16, 'VMID of the translations'),
  S2T0SZ: bitField(160, 6, '64 minus the size of the IPA space in bits'),
  S2SL0: bitField(166, 2, 'Level of the first lookup, encoded by granule'),
  S2IR0: bitField(168, 2, 'Inner cacheability of stage 2 walks'),
  S2OR0: bitField(170, 2, 'Outer cacheability of stage 2 walks'),
  S2SH0: bitField(172, 2, 'Shareability of stage 2 walks'),
  S2TG: bitField(174, 2, 'Granule: 0 4 KiB, 1 64 KiB, 2 16 KiB'),
  S2PS: bitField(176, 3, 'Physical address size: 0 to 6 for 32, 36, 40, 42, 44, 48, 52 bits'),
  S2AA64: bitField(179, 1, 'VMSAv8-64 tables; 0: VMSAv8-32 LPAE'),
  S2ENDI: bitField(180, 1, 'Big-endian tables'),
  S2AFFD: bitField(181, 1, 'Access flag faults are disabled'),
  S2PTW: bitField(182, 1, 'Stage 1 walks into device memory fault'),
  S2HD: bitField(183, 1, 'Hardware updates the dirty state'),
  S2HA: bitField(184, 1, 'Hardware updates the access flag'),
  S2S: bitField(185, 1, 'Stage 2 faults stall'),
  S2R: bitField(186, 1, 'Stage 2 faults are recorded'),
  S2TTB: addressField(196, 48, 'Stage 2 table, bits [51:4]'),
} as const satisfies Layout;

/** A stream table entry, field by field. */
export type StreamTableEntry = Decoded<typeof STREAM_TABLE_ENTRY>;

/** Values of `Config`. 1 to 3 are reserved and behave as ABORT. */
export const StreamConfig = { ABORT: 0, BYPASS: 4, STAGE1: 5, STAGE2: 6, NESTED: 7 } as const;

/** Values of `S1Fmt`. 3 is reserved and behaves as LINEAR. */
export const ContextFormat = { LINEAR: 0, TWO_LEVEL_4K: 1, TWO_LEVEL_64K: 2 } as const;

/** Values of `S1DSS`. 3 is reserved and behaves as TERMINATE. */
export const DefaultSubstream = { TERMINATE: 0, BYPASS: 1, SUBSTREAM_0: 2 } as const;

/** Values of `STRW`. */
export const StreamWorld = { EL1: 0, EL2: 2 } as const;

/** Values of `EATS`. */
export const Eats = { REFUSED: 0, FULL: 1, SPLIT: 2 } as const;

export function readStreamTableEntry(words: Uint32Array, at: number): StreamTableEntry {
  return decodeAll(STREAM_TABLE_ENTRY, words, at);
}

/** True when stage 1 translates. */
export const hasStage1 = (ste: StreamTableEntry): boolean => ste.Config >= 4 && (ste.Config & 1) !== 0;
/** True when stage 2 translates. */
export const hasStage2 = (ste: StreamTableEntry): boolean => ste.Config >= 4 && (ste.Config & 2) !== 0;

/**
 * Why the entry is refused with C_BAD_STE, or null when it is not (IHI 0070 section 5.2, "ILLEGAL" cases).
 * Only what the entry itself decides; the context descriptor has its own check.
 */
export function streamTableEntryFault(ste: StreamTableEntry, features: Smmuv3Features): string | null {
  if (ste.V === 0) return 'V is 0';
  if (ste.Config < 4) return null;
  const stage1 = hasStage1(ste);
  const stage2 = hasStage2(ste);
  if (stage1 && !features.stage1) return 'Config asks for stage 1, which IDR0.S1P does not offer';
  if (stage2 && !features.stage2) return 'Config asks for stage 2, which IDR0.S2P does not offer';
  if (stage1) {
    if (ste.S1CDMax > features.substreamBits) return 'S1CDMax is larger than IDR1.SSIDSIZE';
    const twoLevel = ste.S1Fmt === ContextFormat.TWO_LEVEL_4K || ste.S1Fmt === ContextFormat.TWO_LEVEL_64K;
    if (ste.S1CDMax > 0 && twoLevel && !features.twoLevelContexts) return 'S1Fmt is two-level, IDR0.CD2L is 0';
    if (ste.STRW === 1) return 'STRW is the reserved value 1';
    if (ste.STRW === 3 || (ste.STRW === StreamWorld.EL2 && !features.el2)) return 'STRW is EL2, IDR0.HYP is 0';
    if (stage2 && ste.STRW !== StreamWorld.EL1) return 'STRW is not EL1 in a nested configuration';
    if (ste.S1STALLD !== 0 && features.stallModel !== 0) return 'S1STALLD is 1, IDR0.STALL_MODEL is not 0';
  }
  if (ste.EATS === Eats.SPLIT && (!stage1 || !stage2)) return 'EATS is split-stage without both stages';
  if (stage2) return stage2Fault(ste, features);
  return null;
}

function stage2Fault(ste: StreamTableEntry, features: Smmuv3Features): string | null {
  if (ste.S2AA64 === 0) return 'S2AA64 is 0, IDR0.TTF offers VMSAv8-64 only';
  if (ste.S2ENDI !== 0) return 'S2ENDI is 1, IDR0.TTENDIAN offers little-endian tables only';
  const granuleShift = GRANULE_SHIFT_TG0[ste.S2TG] ?? 0;
  if (!offersGranule(features, granuleShift)) return 'S2TG is a granule that IDR5 does not offer';
  const startLevel = stage2StartLevel(granuleShift, ste.S2SL0);
  if (startLevel < 0) return 'S2SL0 is a reserved value';
  const inputBits = 64 - ste.S2T0SZ;
  // Intermediate addresses are as large as output ones, of which 64 KiB tables alone reach more than 48 bits (section 3.4).
  const mostInputBits = Math.min(features.outputBits, granuleShift === 16 ? 52 : 48);
  if (inputBits > mostInputBits) return 'S2T0SZ gives more input bits than the SMMU has';
  const resolved = walkBits(granuleShift, startLevel);
  // The first level may be up to 16 tables side by side, and must resolve at least one bit.
  if (inputBits > resolved + 4 || inputBits <= resolved - (granuleShift - 3)) {
    return 'S2T0SZ does not fit the level that S2SL0 starts at';
  }
  if (ste.S2TTB >= 2 ** outputBitsOf(ste.S2PS, features.outputBits)) return 'S2TTB is outside S2PS';
  if (ste.S2HA !== 0 && features.hardwareUpdate < 1) return 'S2HA is 1, IDR0.HTTU is 0';
  if (ste.S2HD !== 0 && features.hardwareUpdate < 2) return 'S2HD is 1, IDR0.HTTU is below 2';
  if (ste.S2S !== 0 && features.stallModel === 1) return 'S2S is 1, IDR0.STALL_MODEL forbids stalls';
  if (ste.S2S === 0 && features.stallModel === 2) return 'S2S is 0, IDR0.STALL_MODEL forces stalls';
  if (ste.EATS === Eats.FULL && ste.S2S !== 0) return 'EATS is full while stage 2 faults stall';
  return null;
}
