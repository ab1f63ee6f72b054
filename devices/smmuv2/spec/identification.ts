/**
 * The identification registers of an SMMUv2: what the implementation has. Source of every row: Arm IHI 0062D, sections 9.6.4 to 9.6.10
 * (SMMU_IDR0 to SMMU_IDR7), read together with the names of Linux 6.12 arm-smmu.h.
 */
import { bitField, type Layout } from '../../../formats/index.ts';

/** SMMU_IDR0. */
export const ID0 = {
  NUMSMRG: bitField(0, 8, 'Stream mapping register groups'),
  EXIDS: bitField(8, 1, 'Extended stream ids of 16 bits may be chosen (sCR0.EXIDENABLE)'),
  NUMSIDB: bitField(9, 4, 'Bits of a stream id'),
  BTM: bitField(13, 1, 'Broadcast TLB maintenance reaches this SMMU'),
  CTTW: bitField(14, 1, 'Table walks are coherent with the CPU caches'),
  NUMIRPT: bitField(16, 8, 'Context fault interrupts (SMMUv1)'),
  PTFS_NO_AARCH32S: bitField(24, 1, 'No short-descriptor format'),
  PTFS_NO_AARCH32: bitField(25, 1, 'No AArch32 formats at all'),
  ATOSNS: bitField(26, 1, 'No address translation operations'),
  SMS: bitField(27, 1, 'Streams are matched; else a stream id is an index'),
  NTS: bitField(28, 1, 'Stage 1 followed by stage 2'),
  S2TS: bitField(29, 1, 'Stage 2'),
  S1TS: bitField(30, 1, 'Stage 1'),
  SES: bitField(31, 1, 'Security extensions: two security states'),
} as const satisfies Layout;

/** SMMU_IDR1. */
export const ID1 = {
  NUMCB: bitField(0, 8, 'Context banks'),
  NUMS2CB: bitField(16, 8, 'Context banks, the first ones, that do stage 2 only'),
  NUMPAGENDXB: bitField(28, 3, 'log2 of the pages of the global half of the region, less 1'),
  PAGESIZE: bitField(31, 1, 'Register pages are 64 KiB, not 4 KiB'),
} as const satisfies Layout;

/** SMMU_IDR2. Sizes are codes: {@link ADDRESS_SIZES}. */
export const ID2 = {
  IAS: bitField(0, 4, 'Intermediate physical address size'),
  OAS: bitField(4, 4, 'Output address size'),
  UBS: bitField(8, 4, 'Input address size of upstream masters'),
  PTFS_4K: bitField(12, 1, 'AArch64 format with 4 KiB granule'),
  PTFS_16K: bitField(13, 1, 'AArch64 format with 16 KiB granule'),
  PTFS_64K: bitField(14, 1, 'AArch64 format with 64 KiB granule'),
  VMID16: bitField(15, 1, 'VMIDs of 16 bits'),
} as const satisfies Layout;

/** SMMU_IDR7. */
export const ID7 = {
  MINOR: bitField(0, 4, 'Minor revision of the implementation'),
  MAJOR: bitField(4, 4, 'Major revision of the implementation'),
} as const satisfies Layout;

/** Address bits by the codes of IDR2; larger codes are read as 48. */
export const ADDRESS_SIZES: readonly number[] = [32, 36, 40, 42, 44, 48];
