/**
 * The context descriptor: what a process would have in TTBR0, TTBR1, TCR and MAIR, for one stream and substream.
 * Layouts of Arm IHI 0070, section 5.3 (level 1 descriptor, L1CD) and 5.4 (context descriptor, CD).
 */
import {
  addressField,
  bitField,
  type Decoded,
  decodeAll,
  GRANULE_SHIFT_TG0,
  GRANULE_SHIFT_TG1,
  type Layout,
  outputBitsOf,
} from '../../../formats/index.ts';
import { offersGranule, type Smmuv3Features } from './features.ts';

/** Size of a context descriptor. */
export const CD_BYTES = 64;
/** Size of a context descriptor in 32-bit words. */
export const CD_WORDS = 16;
/** Size of a level 1 context descriptor. */
export const L1CD_BYTES = 8;

/** Level 1 context descriptor: bits [63:0]. */
export const L1_CONTEXT_DESCRIPTOR = {
  V: bitField(0, 1, 'L2Ptr is valid'),
  L2Ptr: addressField(12, 40, 'Leaf table of context descriptors, bits [51:12]'),
} as const satisfies Layout;

/** Context descriptor: bits [511:0]. */
export const CONTEXT_DESCRIPTOR = {
  T0SZ: bitField(0, 6, '64 minus the size of the lower half in bits'),
  TG0: bitField(6, 2, 'Granule of the lower half: 0 4 KiB, 1 64 KiB, 2 16 KiB'),
  IR0: bitField(8, 2, 'Inner cacheability of its walks: 0 none, 1 write-back allocate, 2 write-through, 3 write-back'),
  OR0: bitField(10, 2, 'Outer cacheability of its walks'),
  SH0: bitField(12, 2, 'Shareability of its walks: 0 none, 2 outer, 3 inner'),
  EPD0: bitField(14, 1, 'Walks of the lower half are disabled'),
  ENDI: bitField(15, 1, 'Big-endian tables'),
  T1SZ: bitField(16, 6, '64 minus the size of the upper half in bits'),
  TG1: bitField(22, 2, 'Granule of the upper half: 1 16 KiB, 2 4 KiB, 3 64 KiB'),
  IR1: bitField(24, 2, 'Inner cacheability of its walks'),
  OR1: bitField(26, 2, 'Outer cacheability of its walks'),
  SH1: bitField(28, 2, 'Shareability of its walks'),
  EPD1: bitField(30, 1, 'Walks of the upper half are disabled'),
  V: bitField(31, 1, 'The descriptor is valid'),
  IPS: bitField(32, 3, 'Output address size: 0 to 6 for 32, 36, 40, 42, 44, 48, 52 bits'),
  AFFD: bitField(35, 1, 'Access flag faults are disabled'),
  WXN: bitField(36, 1, 'Writable implies not executable'),
  UWXN: bitField(37, 1, 'Writable by user implies not executable when privileged (VMSAv8-32)'),
  TBI: bitField(38, 2, 'Top byte of the address is ignored, one bit per half'),
  PAN: bitField(40, 1, 'Privileged access to user pages faults'),
  AA64: bitField(41, 1, 'VMSAv8-64 tables; 0: VMSAv8-32 LPAE'),
  HD: bitField(42, 1, 'Hardware updates the dirty state'),
  HA: bitField(43, 1, 'Hardware updates the access flag'),
  S: bitField(44, 1, 'Faults stall'),
  R: bitField(45, 1, 'Faults are recorded'),
  A: bitField(46, 1, 'Terminated transactions abort; 0: reads as zero, writes ignored'),
  ASET: bitField(47, 1, 'The ASID is not shared with CPU processes: broadcast invalidation passes it by'),
  ASID: bitField(48, 16, 'Address space of the translations'),
  NSCFG0: bitField(64, 1, 'Security of the first table, secure streams only'),
  HAD0: bitField(65, 1, 'Hierarchical permissions of the lower half are ignored'),
  TTB0: addressField(68, 48, 'Table of the lower half, bits [51:4]'),
  HWU0: bitField(124, 4, 'Descriptor bits 59 to 62 of the lower half are for hardware use'),
  NSCFG1: bitField(128, 1, 'Security of the first table, secure streams only'),
  HAD1: bitField(129, 1, 'Hierarchical permissions of the upper half are ignored'),
  TTB1: addressField(132, 48, 'Table of the upper half, bits [51:4]'),
  HWU1: bitField(188, 4, 'Descriptor bits 59 to 62 of the upper half are for hardware use'),
  MAIR0: bitField(192, 32, 'Memory attributes 0 to 3, one byte each'),
  MAIR1: bitField(224, 32, 'Memory attributes 4 to 7, one byte each'),
  AMAIR0: bitField(256, 32, 'Auxiliary memory attributes, implementation defined'),
  AMAIR1: bitField(288, 32, 'Auxiliary memory attributes, implementation defined'),
} as const satisfies Layout;

/** A context descriptor, field by field. */
export type ContextDescriptor = Decoded<typeof CONTEXT_DESCRIPTOR>;

export function readContextDescriptor(words: Uint32Array, at: number): ContextDescriptor {
  return decodeAll(CONTEXT_DESCRIPTOR, words, at);
}

/**
 * Why the descriptor is refused with C_BAD_CD, or null when it is not (IHI 0070 section 5.4, "ILLEGAL" cases).
 * @param stalls whether the stream table entry lets stage 1 faults stall (S1STALLD is 0).
 */
export function contextDescriptorFault(
  cd: ContextDescriptor,
  features: Smmuv3Features,
  stalls: boolean,
): string | null {
  if (cd.V === 0) return 'V is 0';
  if (cd.AA64 === 0) return 'AA64 is 0, IDR0.TTF offers VMSAv8-64 only';
  if (cd.ENDI !== 0) return 'ENDI is 1, IDR0.TTENDIAN offers little-endian tables only';
  const outputBits = outputBitsOf(cd.IPS, features.outputBits);
  const lower = halfFault(0, cd.EPD0, GRANULE_SHIFT_TG0[cd.TG0], cd.T0SZ, cd.TTB0, outputBits, features);
  if (lower !== null) return lower;
  const upper = halfFault(1, cd.EPD1, GRANULE_SHIFT_TG1[cd.TG1], cd.T1SZ, cd.TTB1, outputBits, features);
  if (upper !== null) return upper;
  if (cd.HA !== 0 && features.hardwareUpdate < 1) return 'HA is 1, IDR0.HTTU is 0';
  if (cd.HD !== 0 && features.hardwareUpdate < 2) return 'HD is 1, IDR0.HTTU is below 2';
  if (cd.S !== 0 && features.stallModel === 1) return 'S is 1, IDR0.STALL_MODEL forbids stalls';
  if (cd.S === 0 && stalls && features.stallModel === 2) return 'S is 0, IDR0.STALL_MODEL forces stalls';
  if (cd.A === 0 && features.terminateAborts) return 'A is 0, IDR0.TERM_MODEL offers aborts only';
  return null;
}

/** Checks one half of the address space; a half whose walks are disabled may hold anything. */
function halfFault(
  half: 0 | 1,
  walksDisabled: number,
  granuleShift: number | undefined,
  tsz: number,
  base: number,
  outputBits: number,
  features: Smmuv3Features,
): string | null {
  if (walksDisabled !== 0) return null;
  if (granuleShift === undefined || !offersGranule(features, granuleShift)) {
    return `TG${half} is a granule that IDR5 does not offer`;
  }
  const mostInputBits = granuleShift === 16 && features.inputBits52 ? 52 : 48;
  if (tsz < 64 - mostInputBits || tsz > 39) return `T${half}SZ is outside ${64 - mostInputBits} to 39`;
  if (base >= 2 ** outputBits) return `TTB${half} is outside the output address size`;
  return null;
}
