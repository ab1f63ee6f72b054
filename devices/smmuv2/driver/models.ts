/**
 * What Linux's arm-smmu knows of an SMMU before it reads a register: the `compatible` string of the device tree chooses a row
 * (arm-smmu.c `arm_smmu_of_match`, arm-smmu-impl.c, arm-smmu-nvidia and -qcom left out).
 */
export interface SmmuModel {
  /** Architecture version: SMMUv1 has no AArch64 formats, and no invalidation by address at stage 2. */
  readonly version: 1 | 2;
  /** SMMUv1 with AArch64 tables of 64 KiB granule (MMU-401), and so with the registers that choose formats: CBA2R and TCR2. */
  readonly granule64k: boolean;
  /** Has the sACR and ACTLR whose errata settings MMU-500 needs. */
  readonly mmu500: boolean;
  /** 64-bit registers may only be reached as two words, the high one first, and AArch64 formats are not to be used (AP806 erratum 582743). */
  readonly splits64: boolean;
}

const GENERIC: SmmuModel = { version: 2, granule64k: false, mmu500: false, splits64: false };

/** By `compatible` string. */
export const SMMU_MODELS = {
  'arm,smmu-v1': { ...GENERIC, version: 1 },
  'arm,smmu-v2': GENERIC,
  'arm,mmu-400': { ...GENERIC, version: 1 },
  'arm,mmu-401': { ...GENERIC, version: 1, granule64k: true },
  'arm,mmu-500': { ...GENERIC, mmu500: true },
  'marvell,ap806-smmu-500': { ...GENERIC, mmu500: true, splits64: true },
} as const satisfies Readonly<Record<string, SmmuModel>>;

export type SmmuCompatible = keyof typeof SMMU_MODELS;

/** In what kernels differ here. Each field names one difference; everything else is the same in both. */
export interface ArmSmmuKernel {
  /** How a timed poll ends, and whose io-pgtable edits the tables. */
  readonly version: '6.12' | '7.3';
  /** A fault that stalls is answered through RESUME (up to 6.12 the access stays stalled: the driver never asks for stalls). */
  readonly answersStalls: boolean;
}

export const ARM_SMMU_KERNELS = {
  '6.12': { version: '6.12', answersStalls: false },
  '7.3': { version: '7.3', answersStalls: true },
} as const satisfies Readonly<Record<string, ArmSmmuKernel>>;

export type ArmSmmuKernelName = keyof typeof ARM_SMMU_KERNELS;
