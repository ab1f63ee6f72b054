/**
 * From a stream table entry and a context descriptor to the translation regime that the walker starts from: the
 * translation-register meaning of IHI 0070 sections 5.2 and 5.4, decoded once per configuration fetch.
 */
import {
  lpaeRoot,
  lpaeStage1,
  lpaeStage2,
  type StageRegime,
  type TableRoot,
  type TranslationRegime,
} from '../../../emulator/index.ts';
import {
  GRANULE_SHIFT_TG0,
  GRANULE_SHIFT_TG1,
  memoryAttributes,
  outputBitsOf,
  stage2StartLevel,
} from '../../../formats/index.ts';
import type { ContextDescriptor, Smmuv3Features } from '../spec/index.ts';
import { hasStage2, type StreamTableEntry, StreamWorld } from '../spec/index.ts';

/**
 * The regime of a stream.
 * @param cd its context descriptor, null when stage 1 is off or bypassed (S1DSS).
 * @param e2h CR2.E2H: EL2 contexts have ASIDs and two privilege levels.
 * Both must have passed {@link streamTableEntryFault} and {@link contextDescriptorFault}.
 */
export function streamRegime(
  ste: StreamTableEntry,
  cd: ContextDescriptor | null,
  features: Smmuv3Features,
  e2h = false,
): TranslationRegime {
  const el2 = cd !== null && ste.STRW === StreamWorld.EL2;
  return {
    stage1: cd === null ? null : stage1Regime(cd, features, el2 && !e2h),
    stage2: hasStage2(ste) ? stage2Regime(ste, features) : null,
    asid: cd === null || (el2 && !e2h) ? 0 : cd.ASID,
    // Without stage 2 support S2VMID is ignored and every translation has VMID 0 (section 5.2, S2VMID).
    vmid: el2 ? EL2_WORLD : features.stage2 ? ste.S2VMID : 0,
  };
}

/**
 * VMID of TLB entries that belong to EL2 contexts: outside the 16 bits of real VMIDs, because EL2 entries are an address space of
 * their own that no EL1 invalidation touches (section 3.17.1, StreamWorld).
 */
export const EL2_WORLD = 0x10000;

/**
 * Stage 1 of a context descriptor.
 * @param singlePrivilege true for EL2 without E2H, which has no unprivileged level
 */
function stage1Regime(cd: ContextDescriptor, features: Smmuv3Features, singlePrivilege: boolean): StageRegime {
  const half = (granuleShift: number, tsz: number, ttb: number, hierarchyOff: number): TableRoot =>
    lpaeRoot(ttb, granuleShift, 64 - tsz, undefined, features.hierarchicalDisable && hierarchyOff !== 0);
  return lpaeStage1({
    root0: cd.EPD0 !== 0 ? null : half(GRANULE_SHIFT_TG0[cd.TG0] ?? 0, cd.T0SZ, cd.TTB0, cd.HAD0),
    root1: cd.EPD1 !== 0 ? null : half(GRANULE_SHIFT_TG1[cd.TG1] ?? 0, cd.T1SZ, cd.TTB1, cd.HAD1),
    outputBits: outputBitsOf(cd.IPS, features.outputBits),
    accessFlagFaults: cd.AFFD === 0,
    hardwareAccessFlag: cd.HA !== 0,
    hardwareDirty: cd.HA !== 0 && cd.HD !== 0,
    memoryAttributes: memoryAttributes(cd.MAIR0, cd.MAIR1),
    tag: cd.ASID,
    writeExecuteNever: cd.WXN !== 0,
    singlePrivilege,
  });
}

/** Stage 2 of a stream table entry. */
export function stage2Regime(ste: StreamTableEntry, features: Smmuv3Features): StageRegime {
  const granuleShift = GRANULE_SHIFT_TG0[ste.S2TG] ?? 0;
  const startLevel = stage2StartLevel(granuleShift, ste.S2SL0);
  return lpaeStage2({
    root0: lpaeRoot(ste.S2TTB, granuleShift, 64 - ste.S2T0SZ, startLevel),
    outputBits: outputBitsOf(ste.S2PS, features.outputBits),
    accessFlagFaults: ste.S2AFFD === 0,
    hardwareAccessFlag: ste.S2HA !== 0,
    hardwareDirty: ste.S2HA !== 0 && ste.S2HD !== 0,
    tag: ste.S2VMID,
    protectedTableWalk: ste.S2PTW !== 0,
  });
}
