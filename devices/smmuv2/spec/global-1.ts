/**
 * Global register space 1 of an SMMUv2: what each context bank is. Source of every row: Arm IHI 0062D, section 9.7. Each register is
 * an array with one element per bank, 4 bytes apart.
 */
import { bitField, type Layout } from '../../../formats/index.ts';
import { defineRegisters } from '../../registers/index.ts';

/** CBAR. Bits 8 to 15 belong to stage 1 contexts with a bypassed stage 2. */
export const CBAR = {
  VMID: bitField(0, 8, 'VMID of the bank, without VMID16EN'),
  BPSHCFG: bitField(8, 2, 'Shareability of what bypasses stage 2: 3 is non-shareable'),
  MEMATTR: bitField(12, 4, 'Memory attributes of what bypasses stage 2: 15 is write-back'),
  CBNDX: bitField(8, 8, 'Bank of the nested stage 2 (type 3)'),
  TYPE: bitField(16, 2, 'What the bank does: a value of BankType'),
  IRPTNDX: bitField(24, 8, 'Interrupt of the bank (SMMUv1)'),
} as const satisfies Layout;

/** CBAR.TYPE. */
export const BankType = {
  /** Stage 2 alone. */
  STAGE_2: 0,
  /** Stage 1, what comes out is physical. */
  STAGE_1_STAGE_2_BYPASS: 1,
  /** Stage 1, what comes out faults. */
  STAGE_1_STAGE_2_FAULT: 2,
  /** Stage 1 followed by the stage 2 of another bank. */
  NESTED: 3,
} as const;

/** CBFRSYNRA. */
export const CBFRSYNRA = {
  StreamID: bitField(0, 16, 'Stream of the access'),
  SSD_Index: bitField(16, 15, 'Security state determination index'),
} as const satisfies Layout;

/** CBA2R. */
export const CBA2R = {
  VA64: bitField(0, 1, 'AArch64 format, not AArch32'),
  MONC: bitField(1, 1, 'Monitor context'),
  VMID16: bitField(16, 16, 'VMID of the bank, with VMID16EN'),
} as const satisfies Layout;

/** What the space has of one context bank: the first of an array, whose elements are 4 bytes apart. */
export const GR1 = defineRegisters({
  CBAR: { offset: 0x000, width: 32, access: 'rw', meaning: 'Stages and VMID of a bank', fields: CBAR },
  CBFRSYNRA: {
    offset: 0x400,
    width: 32,
    access: 'rw',
    meaning: 'Stream whose access faulted in a bank',
    fields: CBFRSYNRA,
  },
  CBA2R: { offset: 0x800, width: 32, access: 'rw', meaning: 'Format and 16-bit VMID of a bank', fields: CBA2R },
});
