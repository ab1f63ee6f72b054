/** Fields of the identification registers (Arm IHI 0070, sections 6.3.1 to 6.3.8). */
import { bitField, type Layout } from '../../../formats/index.ts';

export const IDR0 = {
  S2P: bitField(0, 1, 'Stage 2 is offered'),
  S1P: bitField(1, 1, 'Stage 1 is offered'),
  TTF: bitField(2, 2, 'Table formats: 1 VMSAv8-32, 2 VMSAv8-64, 3 both'),
  COHACC: bitField(4, 1, 'Reads of tables, queues and structures are coherent'),
  BTM: bitField(5, 1, 'Broadcast TLB maintenance of the CPUs is received'),
  HTTU: bitField(6, 2, 'Hardware updates: 1 access flag, 2 access flag and dirty state'),
  DORMHINT: bitField(8, 1, 'Dormant hint'),
  HYP: bitField(9, 1, 'EL2 stage 1 contexts are offered'),
  ATS: bitField(10, 1, 'ATS is offered'),
  NS1ATS: bitField(11, 1, 'Split-stage ATS is not offered'),
  ASID16: bitField(12, 1, '16-bit ASIDs'),
  MSI: bitField(13, 1, 'Message-signalled interrupts'),
  SEV: bitField(14, 1, 'Wake-up events for CPUs in WFE'),
  ATOS: bitField(15, 1, 'Address translation operations'),
  PRI: bitField(16, 1, 'Page request interface'),
  VMW: bitField(17, 1, 'VMID wildcards'),
  VMID16: bitField(18, 1, '16-bit VMIDs'),
  CD2L: bitField(19, 1, 'Two-level context descriptor tables'),
  VATOS: bitField(20, 1, 'Virtual ATOS page'),
  TTENDIAN: bitField(21, 2, 'Table endianness: 0 mixed, 2 little, 3 big'),
  ATSRECERR: bitField(23, 1, 'Errors of ATS requests can be recorded'),
  STALL_MODEL: bitField(24, 2, '0 stall or terminate, 1 terminate only, 2 stall is forced'),
  TERM_MODEL: bitField(26, 1, 'Terminated transactions always abort'),
  ST_LEVEL: bitField(27, 2, '0 linear stream table, 1 two-level too'),
} as const satisfies Layout;

export const IDR1 = {
  SIDSIZE: bitField(0, 6, 'Bits of a StreamID'),
  SSIDSIZE: bitField(6, 5, 'Bits of a SubstreamID'),
  PRIQS: bitField(11, 5, 'log2 of the most PRI queue entries'),
  EVENTQS: bitField(16, 5, 'log2 of the most event queue entries'),
  CMDQS: bitField(21, 5, 'log2 of the most command queue entries'),
  ATTR_PERMS_OVR: bitField(26, 1, 'Permissions of transactions can be overridden'),
  ATTR_TYPES_OVR: bitField(27, 1, 'Memory types of transactions can be overridden'),
  REL: bitField(28, 1, 'Preset bases are relative'),
  QUEUES_PRESET: bitField(29, 1, 'Queue bases are fixed'),
  TABLES_PRESET: bitField(30, 1, 'Table base is fixed'),
} as const satisfies Layout;

export const IDR3 = {
  HAD: bitField(2, 1, 'Hierarchical permissions can be disabled'),
  PBHA: bitField(3, 1, 'Page-based hardware attributes'),
  XNX: bitField(4, 1, 'Separate stage 2 execute-never by privilege'),
  PPS: bitField(5, 1, 'The PASID of a page request is used in the response'),
  MPAM: bitField(7, 1, 'MPAM'),
  FWB: bitField(8, 1, 'Stage 2 can force write-back'),
  STT: bitField(9, 1, 'Small translation tables'),
  RIL: bitField(10, 1, 'Range invalidation and level hint'),
  BBML: bitField(11, 2, 'Break-before-make level: 0, 1 or 2'),
} as const satisfies Layout;

export const IDR5 = {
  OAS: bitField(0, 3, 'Output address size: 0 to 6 for 32, 36, 40, 42, 44, 48, 52 bits'),
  GRAN4K: bitField(4, 1, '4 KiB granule'),
  GRAN16K: bitField(5, 1, '16 KiB granule'),
  GRAN64K: bitField(6, 1, '64 KiB granule'),
  VAX: bitField(10, 2, '0: 48-bit input addresses, 1: 52-bit'),
  STALL_MAX: bitField(16, 16, 'Most stalled transactions'),
} as const satisfies Layout;

export const IIDR = {
  Implementer: bitField(0, 12, 'JEP106 code of the implementer; 0x43b is Arm'),
  Revision: bitField(12, 4, 'Minor revision, the y of rXpY'),
  Variant: bitField(16, 4, 'Major revision, the X of rXpY'),
  ProductID: bitField(20, 12, 'Product: 0x483 MMU-600, 0x487 MMU-700'),
} as const satisfies Layout;

export const AIDR = {
  ArchMinorRev: bitField(0, 4, 'Architecture: 0 SMMUv3.0, 1 SMMUv3.1, 2 SMMUv3.2'),
  ArchMajorRev: bitField(4, 4, 'Always 0'),
} as const satisfies Layout;
