/**
 * A translation context bank of an SMMUv2: one address space. Source of every row: Arm IHI 0062D, chapter 16 (stage 1) and section
 * 16.5 (stage 2); ACTLR: Arm DDI 0517, section 3.3 (MMU-500).
 */
import { bitField, type Layout } from '../../../formats/index.ts';
import { defineRegisters } from '../../registers/index.ts';
import { TLB_STATUS } from './global-0.ts';

/** SCTLR. */
export const SCTLR = {
  M: bitField(0, 1, 'Translation is on'),
  TRE: bitField(1, 1, 'Attributes come from MAIR (AArch32 with short descriptors: remapped)'),
  AFE: bitField(2, 1, 'Clear access flags fault'),
  AFFD: bitField(3, 1, 'Access flag faults are disabled (with AFE 0)'),
  E: bitField(4, 1, 'Tables are big-endian'),
  CFRE: bitField(5, 1, 'A fault aborts the access; else it reads as zero and writes nothing'),
  CFIE: bitField(6, 1, 'A fault raises an interrupt'),
  CFCFG: bitField(7, 1, 'A fault stalls the access until RESUME'),
  HUPCF: bitField(8, 1, 'Accesses behind an unhandled fault are still translated'),
  WXN: bitField(9, 1, 'What may be written may not be executed'),
  UWXN: bitField(10, 1, 'What may be written unprivileged may not be executed privileged (AArch32)'),
  ASIDPNE: bitField(12, 1, 'The ASID is private: broadcast TLB maintenance does not reach it'),
} as const satisfies Layout;

/** ACTLR of MMU-500. */
export const ACTLR = {
  CMTLB: bitField(0, 1, 'Fills go to the macro TLB'),
  CPRE: bitField(1, 1, 'Prefetching of the next page (erratum 841119: to be off)'),
} as const satisfies Layout;

/** RESUME. */
export const RESUME = { TNR: bitField(0, 1, 'Terminate the access, not retry it') } as const satisfies Layout;

/** TCR of stage 1 (AArch64 and AArch32 long descriptors). */
export const TCR = {
  T0SZ: bitField(0, 6, 'Bits by which the lower half is smaller than 64 (AArch32: 32)'),
  EPD0: bitField(7, 1, 'No walks of the lower half'),
  IRGN0: bitField(8, 2, 'Inner cacheability of walks'),
  ORGN0: bitField(10, 2, 'Outer cacheability of walks'),
  SH0: bitField(12, 2, 'Shareability of walks'),
  TG0: bitField(14, 2, 'Granule: 0 4 KiB, 1 64 KiB, 2 16 KiB'),
  T1SZ: bitField(16, 6, 'Bits by which the upper half is smaller'),
  A1: bitField(22, 1, 'The ASID is that of TTBR1'),
  EPD1: bitField(23, 1, 'No walks of the upper half'),
  IRGN1: bitField(24, 2, 'Inner cacheability of walks of the upper half'),
  ORGN1: bitField(26, 2, 'Outer cacheability of walks of the upper half'),
  SH1: bitField(28, 2, 'Shareability of walks of the upper half'),
  TG1: bitField(30, 2, 'Granule of the upper half: 1 16 KiB, 2 4 KiB, 3 64 KiB (AArch64)'),
  EAE: bitField(31, 1, 'Long descriptors (AArch32)'),
} as const satisfies Layout;

/** TCR2 of stage 1. */
export const TCR2 = {
  PASIZE: bitField(0, 3, 'Output address size, a code of IDR2'),
  AS: bitField(4, 1, 'ASIDs of 16 bits'),
  TBI0: bitField(5, 1, 'The top byte of the lower half is ignored'),
  TBI1: bitField(6, 1, 'The top byte of the upper half is ignored'),
  SEP: bitField(15, 3, 'Sign extension position: 7 is the upstream bus size'),
} as const satisfies Layout;

/** TCR of stage 2. */
export const VTCR = {
  T0SZ: bitField(0, 6, 'Bits by which the input is smaller than 64'),
  SL0: bitField(6, 2, 'First level, encoded by granule'),
  IRGN0: bitField(8, 2, 'Inner cacheability of walks'),
  ORGN0: bitField(10, 2, 'Outer cacheability of walks'),
  SH0: bitField(12, 2, 'Shareability of walks'),
  TG0: bitField(14, 2, 'Granule: 0 4 KiB, 1 64 KiB, 2 16 KiB'),
  PS: bitField(16, 3, 'Output address size, a code of IDR2'),
  RES1: bitField(31, 1, 'Always 1'),
} as const satisfies Layout;

/** TTBR0 and TTBR1; of the address the bits below the alignment of the table are zero. */
export const TTBR = {
  ADDR: bitField(0, 48, 'Address of the table'),
  ASID: bitField(48, 16, 'ASID of the bank'),
} as const satisfies Layout;

/** PAR. */
export const PAR = {
  F: bitField(0, 1, 'The translation faulted: the other bits say how, as in FSR'),
  TF: bitField(1, 1, 'Translation fault'),
  AFF: bitField(2, 1, 'Access flag fault'),
  PF: bitField(3, 1, 'Permission fault'),
  EF: bitField(4, 1, 'External fault'),
  TLBMCF: bitField(5, 1, 'Several TLB entries match'),
  TLBLKF: bitField(6, 1, 'TLB lock fault'),
  STAGE: bitField(35, 1, 'The fault was at stage 2'),
  SH: bitField(7, 2, 'Shareability, without a fault'),
  PA: bitField(12, 36, 'Page number of the result, without a fault'),
  ATTR: bitField(56, 8, 'Memory attributes, without a fault'),
} as const satisfies Layout;

/** FSR. */
export const FSR = {
  TF: bitField(1, 1, 'Translation fault'),
  AFF: bitField(2, 1, 'Access flag fault'),
  PF: bitField(3, 1, 'Permission fault'),
  EF: bitField(4, 1, 'External fault'),
  TLBMCF: bitField(5, 1, 'Several TLB entries match'),
  TLBLKF: bitField(6, 1, 'TLB lock fault'),
  ASF: bitField(7, 1, 'Address size fault'),
  UUT: bitField(8, 1, 'Unsupported upstream transaction'),
  FORMAT: bitField(9, 2, 'Format of the tables: 0 short, 1 AArch32 long, 2 AArch64'),
  SS: bitField(30, 1, 'Accesses are stalled until RESUME'),
  MULTI: bitField(31, 1, 'A further fault came while one was recorded'),
} as const satisfies Layout;

/** FSYNR0. */
export const FSYNR0 = {
  PLVL: bitField(0, 2, 'Level of the walk that faulted'),
  WNR: bitField(4, 1, 'Write, not read'),
  PNU: bitField(5, 1, 'Privileged, not unprivileged'),
  IND: bitField(6, 1, 'Instruction, not data'),
  NSATTR: bitField(8, 1, 'Non-secure attribute'),
  PTWF: bitField(10, 1, 'The fault came while a table was walked'),
  AFR: bitField(11, 1, 'The fault is of an asynchronous access'),
  S1CBNDX: bitField(16, 8, 'Bank of the stage 1 whose walk or output faulted at stage 2'),
} as const satisfies Layout;

/** One bank: a page of its own. */
export const BANK = defineRegisters({
  SCTLR: { offset: 0x000, width: 32, access: 'rw', meaning: 'Control', fields: SCTLR },
  ACTLR: { offset: 0x004, width: 32, access: 'rw', meaning: 'Auxiliary control, implementation defined' },
  RESUME: { offset: 0x008, width: 32, access: 'w', meaning: 'What becomes of a stalled access', fields: RESUME },
  TCR2: { offset: 0x010, width: 32, access: 'rw', meaning: 'Translation control 2 (stage 1)', fields: TCR2 },
  TTBR0: { offset: 0x020, width: 64, access: 'rw', meaning: 'Table of the lower half, or of stage 2', fields: TTBR },
  TTBR1: { offset: 0x028, width: 64, access: 'rw', meaning: 'Table of the upper half (stage 1)', fields: TTBR },
  TCR: { offset: 0x030, width: 32, access: 'rw', meaning: 'Translation control' },
  CONTEXTIDR: {
    offset: 0x034,
    width: 32,
    access: 'rw',
    meaning: 'Context identifier (short descriptors hold the ASID here)',
  },
  MAIR0: { offset: 0x038, width: 32, access: 'rw', meaning: 'Memory attributes 0 to 3 (stage 1)' },
  MAIR1: { offset: 0x03c, width: 32, access: 'rw', meaning: 'Memory attributes 4 to 7 (stage 1)' },
  PAR: { offset: 0x050, width: 64, access: 'rw', meaning: 'Result of an address translation operation' },
  FSR: { offset: 0x058, width: 32, access: 'w1c', meaning: 'Fault status', fields: FSR },
  FSRRESTORE: { offset: 0x05c, width: 32, access: 'w', meaning: 'Sets the fault status' },
  FAR: { offset: 0x060, width: 64, access: 'rw', meaning: 'Input address of the fault' },
  FSYNR0: { offset: 0x068, width: 32, access: 'rw', meaning: 'What the faulting access was', fields: FSYNR0 },
  FSYNR1: { offset: 0x06c, width: 32, access: 'rw', meaning: 'More of it, implementation defined' },
  IPAFAR: { offset: 0x070, width: 64, access: 'rw', meaning: 'Intermediate physical address of a stage 2 fault' },
  TLBIVA: { offset: 0x600, width: 64, access: 'w', meaning: 'Drop an address of an ASID, tables too' },
  TLBIVAA: { offset: 0x608, width: 64, access: 'w', meaning: 'Drop an address of every ASID, tables too' },
  TLBIASID: { offset: 0x610, width: 32, access: 'w', meaning: 'Drop all of an ASID' },
  TLBIALL: { offset: 0x618, width: 32, access: 'w', meaning: 'Drop all of the VMID of the bank' },
  TLBIVAL: { offset: 0x620, width: 64, access: 'w', meaning: 'Drop the leaf of an address of an ASID' },
  TLBIVAAL: { offset: 0x628, width: 64, access: 'w', meaning: 'Drop the leaf of an address of every ASID' },
  TLBIIPAS2: { offset: 0x630, width: 64, access: 'w', meaning: 'Drop an intermediate address, tables too' },
  TLBIIPAS2L: { offset: 0x638, width: 64, access: 'w', meaning: 'Drop the leaf of an intermediate address' },
  TLBSYNC: { offset: 0x7f0, width: 32, access: 'w', meaning: 'Begin a wait for the maintenance of this bank' },
  TLBSTATUS: { offset: 0x7f4, width: 32, access: 'r', meaning: 'Whether that wait goes on', fields: TLB_STATUS },
  ATS1PR: { offset: 0x800, width: 64, access: 'w', meaning: 'Translate as a privileged read of stage 1 would' },
  ATS1PW: { offset: 0x808, width: 64, access: 'w', meaning: 'Translate as a privileged write of stage 1 would' },
  ATS1UR: { offset: 0x810, width: 64, access: 'w', meaning: 'Translate as an unprivileged read of stage 1 would' },
  ATS1UW: { offset: 0x818, width: 64, access: 'w', meaning: 'Translate as an unprivileged write of stage 1 would' },
  ATSR: {
    offset: 0x8f0,
    width: 32,
    access: 'r',
    meaning: 'Whether a translation operation goes on',
    fields: TLB_STATUS,
  },
});
