/**
 * Global register space 0 of an SMMUv2: control, identification, global faults, TLB maintenance, stream mapping. Source of every row:
 * Arm IHI 0062D, section 9.6 and table 9-1; bits that only MMU-500 has: Arm DDI 0517 (r2p4), section 3.3.
 */
import { bitField } from '../../../formats/index.ts';
import { type Fields, register } from './register.ts';

export const GR0 = {
  sCR0: register(0x000, 32, 'rw', 'Configuration 0: enables'),
  sCR1: register(0x004, 32, 'rw', 'Configuration 1: what the Secure side keeps for itself'),
  sCR2: register(0x008, 32, 'rw', 'Configuration 2: bypass VMID'),
  sACR: register(0x010, 32, 'rw', 'Auxiliary configuration, implementation defined'),
  ID0: register(0x020, 32, 'r', 'Translation stages, stream mapping'),
  ID1: register(0x024, 32, 'r', 'Register pages and context banks'),
  ID2: register(0x028, 32, 'r', 'Address sizes and granules'),
  ID3: register(0x02c, 32, 'r', 'Reserved'),
  ID4: register(0x030, 32, 'r', 'Implementation defined'),
  ID5: register(0x034, 32, 'r', 'Implementation defined'),
  ID6: register(0x038, 32, 'r', 'Implementation defined'),
  ID7: register(0x03c, 32, 'r', 'Revision'),
  sGFAR: register(0x040, 64, 'rw', 'Global fault address'),
  sGFSR: register(0x048, 32, 'w1c', 'Global fault status'),
  sGFSRRESTORE: register(0x04c, 32, 'w', 'Sets the global fault status'),
  sGFSYNR0: register(0x050, 32, 'rw', 'Global fault syndrome: what the access was'),
  sGFSYNR1: register(0x054, 32, 'rw', 'Global fault syndrome: stream id'),
  sGFSYNR2: register(0x058, 32, 'rw', 'Global fault syndrome, implementation defined'),
  TLBIVMID: register(0x064, 32, 'w', 'Drop all entries of a VMID'),
  TLBIALLNSNH: register(0x068, 32, 'w', 'Drop all Non-secure entries but those of EL2'),
  TLBIALLH: register(0x06c, 32, 'w', 'Drop all entries of EL2'),
  sTLBGSYNC: register(0x070, 32, 'w', 'Begin a global wait for TLB maintenance'),
  sTLBGSTATUS: register(0x074, 32, 'r', 'Whether that wait goes on'),
  /** One per stream mapping group, 4 bytes apart. */
  SMR: register(0x800, 32, 'rw', 'Which stream ids a group matches'),
  S2CR: register(0xc00, 32, 'rw', 'What happens to the streams of a group'),
} as const;

/** sCR0. */
export const SCR0 = {
  CLIENTPD: bitField(0, 1, 'Client port disabled: traffic passes untranslated'),
  GFRE: bitField(1, 1, 'Global faults abort the access'),
  GFIE: bitField(2, 1, 'Global faults raise an interrupt'),
  EXIDENABLE: bitField(3, 1, 'Stream ids of 16 bits, validity in S2CR'),
  GCFGFRE: bitField(4, 1, 'Configuration faults abort the access'),
  GCFGFIE: bitField(5, 1, 'Configuration faults raise an interrupt'),
  USFCFG: bitField(10, 1, 'Streams that no group matches fault; else they pass'),
  VMIDPNE: bitField(11, 1, 'Broadcast TLB maintenance does not reach private VMIDs'),
  PTM: bitField(12, 1, 'Broadcast TLB maintenance is ignored'),
  FB: bitField(13, 1, 'Forced broadcast of maintenance of bypassing streams'),
  BSU: bitField(14, 2, 'Barrier shareability upgrade'),
  VMID16EN: bitField(31, 1, 'VMIDs of 16 bits, from CBA2R'),
} as const satisfies Fields;

/** sACR of MMU-500. */
export const SACR = {
  SMTNMB_TLBEN: bitField(8, 1, 'Entries of streams in different groups of one bank may share a TLB entry'),
  S2CRB_TLBEN: bitField(10, 1, 'Bypassing streams are kept in the TLB'),
  CACHE_LOCK: bitField(26, 1, 'ACTLR of the context banks may not be written (from revision 2 on)'),
} as const satisfies Fields;

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
} as const satisfies Fields;

/** sGFSYNR0. */
export const SGFSYNR0 = {
  NESTED: bitField(0, 1, 'The fault came on the way to a nested stage'),
  WNR: bitField(1, 1, 'Write, not read'),
  PNU: bitField(2, 1, 'Privileged, not unprivileged'),
  IND: bitField(3, 1, 'Instruction, not data'),
  NSSTATE: bitField(4, 1, 'Non-secure state'),
  NSATTR: bitField(5, 1, 'Non-secure attribute'),
  ATS: bitField(6, 1, 'An address translation operation'),
} as const satisfies Fields;

/** sGFSYNR1. */
export const SGFSYNR1 = {
  StreamID: bitField(0, 16, 'Stream of the access'),
  SSD_Index: bitField(16, 16, 'Security state determination index'),
} as const satisfies Fields;

/** sTLBGSTATUS, and TLBSTATUS of a context bank. */
export const TLB_STATUS = {
  ACTIVE: bitField(0, 1, 'Maintenance issued before the sync is not over'),
} as const satisfies Fields;

/** SMR of a group. A bit of the mask makes the same bit of the id count for nothing. */
export const SMR = {
  ID: bitField(0, 16, 'Stream id to match; 15 bits without EXIDENABLE'),
  MASK: bitField(16, 16, 'Bits of the stream id that are ignored; 15 bits without EXIDENABLE'),
  VALID: bitField(31, 1, 'The group takes part in matching (without EXIDENABLE)'),
} as const satisfies Fields;

/** S2CR of a group. */
export const S2CR = {
  CBNDX: bitField(0, 8, 'Context bank of TYPE 0'),
  EXIDVALID: bitField(10, 1, 'The group takes part in matching (with EXIDENABLE)'),
  TYPE: bitField(16, 2, 'What happens: a value of StreamType'),
  PRIVCFG: bitField(24, 2, 'Privilege: 0 as the access says, 2 unprivileged, 3 privileged'),
} as const satisfies Fields;

/** S2CR.TYPE. */
export const StreamType = { TRANSLATION: 0, BYPASS: 1, FAULT: 2 } as const;
export type StreamType = (typeof StreamType)[keyof typeof StreamType];
