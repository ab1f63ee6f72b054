/**
 * Global register space 0 of an SMMUv2: control, identification, global faults, TLB maintenance, stream mapping. Source of every row:
 * Arm IHI 0062D, section 9.6 and table 9-1; bits that only MMU-500 has: Arm DDI 0517 (r2p4), section 3.3.
 */
import { bitField, type Layout } from '../../../formats/index.ts';
import { defineRegisters } from '../../registers/index.ts';
import { ID0, ID1, ID2, ID7 } from './identification.ts';

/** sCR0. */
export const SCR0 = {
  CLIENTPD: bitField(0, 1, 'Client port disabled: traffic passes untranslated'),
  GFRE: bitField(1, 1, 'Global faults abort the access'),
  GFIE: bitField(2, 1, 'Global faults raise an interrupt'),
  EXIDENABLE: bitField(3, 1, 'Stream ids of 16 bits, validity in S2CR'),
  GCFGFRE: bitField(4, 1, 'Configuration faults abort the access'),
  GCFGFIE: bitField(5, 1, 'Configuration faults raise an interrupt'),
  TRANSIENTCFG: bitField(6, 2, 'Transient hint of what bypasses'),
  STALLD: bitField(8, 1, 'No bank stalls, whatever its SCTLR.CFCFG says'),
  GSE: bitField(9, 1, 'Stalls while the interrupt of a global fault is pending'),
  USFCFG: bitField(10, 1, 'Streams that no group matches fault; else they pass'),
  VMIDPNE: bitField(11, 1, 'Broadcast TLB maintenance does not reach private VMIDs'),
  PTM: bitField(12, 1, 'Broadcast TLB maintenance is ignored'),
  FB: bitField(13, 1, 'Forced broadcast of maintenance of bypassing streams'),
  BSU: bitField(14, 2, 'Barrier shareability upgrade'),
  MemAttr: bitField(16, 4, 'Memory type of what bypasses, with MTCFG'),
  MTCFG: bitField(20, 1, 'The memory type of what bypasses is replaced'),
  SMCFCFG: bitField(21, 1, 'Streams that several groups match fault; else the result is unpredictable'),
  SHCFG: bitField(22, 2, 'Shareability of what bypasses'),
  RACFG: bitField(24, 2, 'Read allocation hint of what bypasses'),
  WACFG: bitField(26, 2, 'Write allocation hint of what bypasses'),
  NSCFG: bitField(28, 2, 'Security attribute of what bypasses'),
  VMID16EN: bitField(31, 1, 'VMIDs of 16 bits, from CBA2R'),
} as const satisfies Layout;

/** sACR of MMU-500. */
export const SACR = {
  SMTNMB_TLBEN: bitField(8, 1, 'Entries of streams in different groups of one bank may share a TLB entry'),
  S2CRB_TLBEN: bitField(10, 1, 'Bypassing streams are kept in the TLB'),
  CACHE_LOCK: bitField(26, 1, 'ACTLR of the context banks may not be written (from revision 2 on)'),
} as const satisfies Layout;

/** sGFSR. The bits that are one are the faults since the last clearing. */
export const SGFSR = {
  ICF: bitField(0, 1, 'Invalid context: the group names a bank that is not there'),
  USF: bitField(1, 1, 'Unidentified stream: no group matches'),
  SMCF: bitField(2, 1, 'Stream match conflict: several groups match'),
  UCBF: bitField(3, 1, 'Unimplemented context bank'),
  UCIF: bitField(4, 1, 'Unimplemented context interrupt'),
  CAF: bitField(5, 1, 'Configuration access fault'),
  EF: bitField(6, 1, 'External fault'),
  PF: bitField(7, 1, 'Permission fault'),
  UUT: bitField(8, 1, 'Unsupported upstream transaction'),
  MULTI: bitField(31, 1, 'A further fault came while one was recorded'),
} as const satisfies Layout;

/** sGFSYNR0. */
export const SGFSYNR0 = {
  NESTED: bitField(0, 1, 'The fault came on the way to a nested stage'),
  WNR: bitField(1, 1, 'Write, not read'),
  PNU: bitField(2, 1, 'Privileged, not unprivileged'),
  IND: bitField(3, 1, 'Instruction, not data'),
  NSSTATE: bitField(4, 1, 'Non-secure state'),
  NSATTR: bitField(5, 1, 'Non-secure attribute'),
  ATS: bitField(6, 1, 'An address translation operation'),
} as const satisfies Layout;

/** sGFSYNR1. */
export const SGFSYNR1 = {
  StreamID: bitField(0, 16, 'Stream of the access'),
  SSD_Index: bitField(16, 16, 'Security state determination index'),
} as const satisfies Layout;

/** sTLBGSTATUS, and TLBSTATUS of a context bank. */
export const TLB_STATUS = {
  ACTIVE: bitField(0, 1, 'Maintenance issued before the sync is not over'),
} as const satisfies Layout;

/** SMR of a group. A bit of the mask makes the same bit of the id count for nothing. */
export const SMR = {
  ID: bitField(0, 16, 'Stream id to match; 15 bits without EXIDENABLE'),
  MASK: bitField(16, 16, 'Bits of the stream id that are ignored; 15 bits without EXIDENABLE'),
  VALID: bitField(31, 1, 'The group takes part in matching (without EXIDENABLE)'),
} as const satisfies Layout;

/** S2CR of a group. */
export const S2CR = {
  CBNDX: bitField(0, 8, 'Context bank of TYPE 0'),
  EXIDVALID: bitField(10, 1, 'The group takes part in matching (with EXIDENABLE)'),
  TYPE: bitField(16, 2, 'What happens: a value of StreamType'),
  PRIVCFG: bitField(24, 2, 'Privilege: 0 as the access says, 2 unprivileged, 3 privileged'),
} as const satisfies Layout;

/** S2CR.TYPE. */
export const StreamType = { TRANSLATION: 0, BYPASS: 1, FAULT: 2 } as const;
export type StreamType = (typeof StreamType)[keyof typeof StreamType];

/** The registers of the space that are there once. */
export const GR0 = defineRegisters({
  sCR0: { offset: 0x000, width: 32, access: 'rw', meaning: 'Configuration 0: enables', fields: SCR0 },
  sCR1: { offset: 0x004, width: 32, access: 'rw', meaning: 'Configuration 1: what the Secure side keeps for itself' },
  sCR2: { offset: 0x008, width: 32, access: 'rw', meaning: 'Configuration 2: bypass VMID' },
  sACR: { offset: 0x010, width: 32, access: 'rw', meaning: 'Auxiliary configuration, implementation defined' },
  ID0: { offset: 0x020, width: 32, access: 'r', meaning: 'Translation stages, stream mapping', fields: ID0 },
  ID1: { offset: 0x024, width: 32, access: 'r', meaning: 'Register pages and context banks', fields: ID1 },
  ID2: { offset: 0x028, width: 32, access: 'r', meaning: 'Address sizes and granules', fields: ID2 },
  ID3: { offset: 0x02c, width: 32, access: 'r', meaning: 'Reserved' },
  ID4: { offset: 0x030, width: 32, access: 'r', meaning: 'Implementation defined' },
  ID5: { offset: 0x034, width: 32, access: 'r', meaning: 'Implementation defined' },
  ID6: { offset: 0x038, width: 32, access: 'r', meaning: 'Implementation defined' },
  ID7: { offset: 0x03c, width: 32, access: 'r', meaning: 'Revision', fields: ID7 },
  sGFAR: { offset: 0x040, width: 64, access: 'rw', meaning: 'Global fault address' },
  sGFSR: { offset: 0x048, width: 32, access: 'w1c', meaning: 'Global fault status', fields: SGFSR },
  sGFSRRESTORE: { offset: 0x04c, width: 32, access: 'w', meaning: 'Sets the global fault status' },
  sGFSYNR0: {
    offset: 0x050,
    width: 32,
    access: 'rw',
    meaning: 'Global fault syndrome: what the access was',
    fields: SGFSYNR0,
  },
  sGFSYNR1: { offset: 0x054, width: 32, access: 'rw', meaning: 'Global fault syndrome: stream id', fields: SGFSYNR1 },
  sGFSYNR2: { offset: 0x058, width: 32, access: 'rw', meaning: 'Global fault syndrome, implementation defined' },
  TLBIVMID: { offset: 0x064, width: 32, access: 'w', meaning: 'Drop all entries of a VMID' },
  TLBIALLNSNH: { offset: 0x068, width: 32, access: 'w', meaning: 'Drop all Non-secure entries but those of EL2' },
  TLBIALLH: { offset: 0x06c, width: 32, access: 'w', meaning: 'Drop all entries of EL2' },
  sTLBGSYNC: { offset: 0x070, width: 32, access: 'w', meaning: 'Begin a global wait for TLB maintenance' },
  sTLBGSTATUS: { offset: 0x074, width: 32, access: 'r', meaning: 'Whether that wait goes on', fields: TLB_STATUS },
});

/** A stream mapping group: the first of an array, whose elements are 4 bytes apart. */
export const STREAM_GROUP = defineRegisters({
  SMR: { offset: 0x800, width: 32, access: 'rw', meaning: 'Which stream ids the group matches', fields: SMR },
  S2CR: { offset: 0xc00, width: 32, access: 'rw', meaning: 'What happens to the streams of the group', fields: S2CR },
});
