/**
 * The register map of an SMMUv3, Non-secure, both 64 KiB pages: Arm IHI 0070, sections 6.2 and 6.3. The fields of the
 * identification registers stand in `identification.ts`.
 */
import { addressField, bitField, type Layout } from '../../../formats/index.ts';
import { defineRegisters, masksOf } from '../../registers/index.ts';
import { AIDR, IDR0, IDR1, IDR3, IDR5, IIDR } from './identification.ts';

/** Where page 1 begins. */
const PAGE_1 = 0x10000;

/** CR0 and CR0ACK. */
export const CR0 = {
  SMMUEN: bitField(0, 1, 'Translation is on'),
  PRIQEN: bitField(1, 1, 'The PRI queue is written'),
  EVENTQEN: bitField(2, 1, 'The event queue is written'),
  CMDQEN: bitField(3, 1, 'The command queue is read'),
  ATSCHK: bitField(4, 1, 'Translated ATS traffic is checked against the configuration'),
  VMW: bitField(6, 3, 'VMID wildcard'),
} as const satisfies Layout;

/** The bits of CR0 as masks. */
export const Cr0 = masksOf(CR0);

export const CR1 = {
  QUEUE_IC: bitField(0, 2, 'Inner cacheability of the queues: 0 none, 1 write-back, 2 write-through'),
  QUEUE_OC: bitField(2, 2, 'Outer cacheability of the queues'),
  QUEUE_SH: bitField(4, 2, 'Shareability of the queues: 0 none, 2 outer, 3 inner'),
  TABLE_IC: bitField(6, 2, 'Inner cacheability of the tables'),
  TABLE_OC: bitField(8, 2, 'Outer cacheability of the tables'),
  TABLE_SH: bitField(10, 2, 'Shareability of the tables'),
} as const satisfies Layout;

export const CR2 = {
  E2H: bitField(0, 1, 'EL2 contexts are EL2-E2H: they have ASIDs'),
  RECINVSID: bitField(1, 1, 'C_BAD_STREAMID is recorded'),
  PTM: bitField(2, 1, 'Broadcast TLB maintenance is ignored'),
  REC_CFG_ATS: bitField(3, 1, 'Errors of ATS requests are recorded'),
} as const satisfies Layout;

/** The bits of CR2 as masks. */
export const Cr2 = masksOf(CR2);

export const GBPA = {
  MemAttr: bitField(0, 4, 'Memory type when MTCFG is 1'),
  MTCFG: bitField(4, 1, 'Memory type is overridden'),
  ALLOCCFG: bitField(8, 4, 'Allocation hints'),
  SHCFG: bitField(12, 2, 'Shareability: 1 as the transaction, else overridden'),
  PRIVCFG: bitField(16, 2, 'Privilege: 0 and 1 as the transaction, 2 unprivileged, 3 privileged'),
  INSTCFG: bitField(18, 2, 'Instruction or data: 0 and 1 as the transaction, 2 data, 3 instruction'),
  ABORT: bitField(20, 1, 'Traffic is aborted while SMMUEN is 0; 0: it passes untranslated'),
  UPDATE: bitField(31, 1, 'Written as 1 to update the register; reads 1 until the update is done'),
} as const satisfies Layout;

/** The bits of GBPA as masks. */
export const Gbpa = masksOf(GBPA);

/** IRQ_CTRL and IRQ_CTRLACK. */
export const IRQ_CTRL = {
  GERROR: bitField(0, 1, 'Global error interrupt is on'),
  PRIQ: bitField(1, 1, 'PRI queue interrupt is on'),
  EVENTQ: bitField(2, 1, 'Event queue interrupt is on'),
} as const satisfies Layout;

/** The bits of IRQ_CTRL as masks. */
export const IrqCtrl = masksOf(IRQ_CTRL);

/** GERROR and GERRORN. */
export const GERROR = {
  CMDQ_ERR: bitField(0, 1, 'Command queue: CMDQ_CONS.ERR says which error, consumption has stopped'),
  EVENTQ_ABT_ERR: bitField(2, 1, 'A write to the event queue was aborted, records are lost'),
  PRIQ_ABT_ERR: bitField(3, 1, 'A write to the PRI queue was aborted, requests are lost'),
  MSI_CMDQ_ABT_ERR: bitField(4, 1, 'The MSI of a CMD_SYNC was aborted'),
  MSI_EVENTQ_ABT_ERR: bitField(5, 1, 'The MSI of the event queue was aborted'),
  MSI_PRIQ_ABT_ERR: bitField(6, 1, 'The MSI of the PRI queue was aborted'),
  MSI_GERROR_ABT_ERR: bitField(7, 1, 'The MSI of a global error was aborted'),
  SFM_ERR: bitField(8, 1, 'The SMMU is in service failure mode'),
} as const satisfies Layout;

/** The bits of GERROR as masks. */
export const Gerror = masksOf(GERROR);

/** MSI configuration registers CFG2. */
const IRQ_CFG2 = {
  MemAttr: bitField(0, 4, 'Memory type of the MSI'),
  SH: bitField(4, 2, 'Shareability of the MSI'),
} as const satisfies Layout;

export const STRTAB_BASE = {
  ADDR: addressField(6, 46, 'Stream table, bits [51:6]'),
  RA: bitField(62, 1, 'Read-allocate hint'),
} as const satisfies Layout;

export const STRTAB_BASE_CFG = {
  LOG2SIZE: bitField(0, 6, 'log2 of the number of streams covered'),
  SPLIT: bitField(6, 5, 'StreamID bits resolved by the second level: 6, 8 or 10'),
  FMT: bitField(16, 2, '0 linear, 1 two-level'),
} as const satisfies Layout;

export const QUEUE_BASE = {
  LOG2SIZE: bitField(0, 5, 'log2 of the number of entries'),
  ADDR: addressField(5, 47, 'Queue, bits [51:5]'),
  ALLOCATE: bitField(62, 1, 'Allocation hint'),
} as const satisfies Layout;

/** MSI configuration registers CFG0 (64 bits). */
export const IRQ_CFG0 = { ADDR: addressField(2, 50, 'Target, bits [51:2]') } as const satisfies Layout;

/** Write index of a queue. */
const QUEUE_PROD = {
  WR: bitField(0, 20, 'Write index; the bit above the queue size is the wrap flag'),
  OVFLG: bitField(31, 1, 'Overflow: toggles when an entry is lost (event and PRI queues)'),
} as const satisfies Layout;

/** Read index of the event and PRI queues. */
const QUEUE_CONS = {
  RD: bitField(0, 20, 'Read index; the bit above the queue size is the wrap flag'),
  OVACKFLG: bitField(31, 1, 'Acknowledges OVFLG by being equal to it'),
} as const satisfies Layout;

/** CMDQ_PROD. */
export const CMDQ_PROD = { WR: QUEUE_PROD.WR } as const satisfies Layout;

/** CMDQ_CONS. */
export const CMDQ_CONS = {
  RD: bitField(0, 20, 'Read index; the bit above the queue size is the wrap flag'),
  ERR: bitField(24, 7, 'Command error while GERROR.CMDQ_ERR is active'),
} as const satisfies Layout;

/** Values of CMDQ_CONS.ERR (IHI 0070 section 7.1). */
export const CommandError = {
  NONE: 0,
  /** CERROR_ILL: reserved or unsupported opcode, or an illegal field. */
  ILLEGAL: 1,
  /** CERROR_ABT: the read of the command was aborted. */
  ABORT: 2,
  /** CERROR_ATC_INV_SYNC: an ATC invalidation before a CMD_SYNC timed out. */
  ATC_INV_SYNC: 3,
} as const;

/** Overflow flag (PROD) and its acknowledgement (CONS) of the event and PRI queues. */
export const QUEUE_OVERFLOW = masksOf(QUEUE_PROD).OVFLG;
/** Bits of a queue index with its wrap flag. */
export const QUEUE_INDEX_MASK = masksOf(QUEUE_PROD).WR;

/** Enables of which none may be on while the attributes of table and queue accesses change. */
const ANY_ENABLE = Cr0.SMMUEN | Cr0.CMDQEN | Cr0.EVENTQEN | Cr0.PRIQEN;

export const REGISTERS = defineRegisters({
  IDR0: { offset: 0x00, width: 32, access: 'r', meaning: 'Features', fields: IDR0 },
  IDR1: { offset: 0x04, width: 32, access: 'r', meaning: 'Sizes of tables, queues and identifiers', fields: IDR1 },
  IDR2: { offset: 0x08, width: 32, access: 'r', meaning: 'Virtual ATOS page; 0' },
  IDR3: { offset: 0x0c, width: 32, access: 'r', meaning: 'Features of SMMUv3.1 and later', fields: IDR3 },
  IDR4: { offset: 0x10, width: 32, access: 'r', meaning: 'Implementation defined; 0' },
  IDR5: { offset: 0x14, width: 32, access: 'r', meaning: 'Granules, output address size, stalls', fields: IDR5 },
  IIDR: { offset: 0x18, width: 32, access: 'r', meaning: 'Implementer', fields: IIDR },
  AIDR: {
    offset: 0x1c,
    width: 32,
    access: 'r',
    meaning: 'Architecture version: 0 SMMUv3.0, 1 SMMUv3.1, 2 SMMUv3.2',
    fields: AIDR,
    reset: 1,
  },
  CR0: { offset: 0x20, width: 32, access: 'rw', meaning: 'Enables', fields: CR0 },
  CR0ACK: { offset: 0x24, width: 32, access: 'r', meaning: 'Enables that have taken effect', fields: CR0 },
  CR1: {
    offset: 0x28,
    width: 32,
    access: 'rw',
    meaning: 'Attributes of table and queue accesses',
    fields: CR1,
    locked: { by: 'CR0ACK', bits: ANY_ENABLE },
  },
  CR2: {
    offset: 0x2c,
    width: 32,
    access: 'rw',
    meaning: 'More controls',
    fields: CR2,
    locked: { by: 'CR0ACK', bits: Cr0.SMMUEN },
  },
  STATUSR: { offset: 0x40, width: 32, access: 'r', meaning: 'Dormant state' },
  GBPA: { offset: 0x44, width: 32, access: 'rw', meaning: 'What happens to traffic while SMMUEN is 0', fields: GBPA },
  AGBPA: { offset: 0x48, width: 32, access: 'rw', meaning: 'Implementation defined' },
  IRQ_CTRL: { offset: 0x50, width: 32, access: 'rw', meaning: 'Interrupt enables', fields: IRQ_CTRL },
  IRQ_CTRLACK: {
    offset: 0x54,
    width: 32,
    access: 'r',
    meaning: 'Interrupt enables that have taken effect',
    fields: IRQ_CTRL,
  },
  GERROR: {
    offset: 0x60,
    width: 32,
    access: 'r',
    meaning: 'Global errors: a bit differs from GERRORN while its error is active',
    fields: GERROR,
  },
  GERRORN: { offset: 0x64, width: 32, access: 'rw', meaning: 'Global errors acknowledged', fields: GERROR },
  GERROR_IRQ_CFG0: {
    offset: 0x68,
    width: 64,
    access: 'rw',
    meaning: 'Address of the global error MSI, 0: wired',
    fields: IRQ_CFG0,
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.GERROR },
  },
  GERROR_IRQ_CFG1: {
    offset: 0x70,
    width: 32,
    access: 'rw',
    meaning: 'Data of the MSI',
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.GERROR },
  },
  GERROR_IRQ_CFG2: {
    offset: 0x74,
    width: 32,
    access: 'rw',
    meaning: 'Attributes of the MSI',
    fields: IRQ_CFG2,
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.GERROR },
  },
  STRTAB_BASE: {
    offset: 0x80,
    width: 64,
    access: 'rw',
    meaning: 'Address of the stream table',
    fields: STRTAB_BASE,
    locked: { by: 'CR0ACK', bits: Cr0.SMMUEN },
  },
  STRTAB_BASE_CFG: {
    offset: 0x88,
    width: 32,
    access: 'rw',
    meaning: 'Format and size of the stream table',
    fields: STRTAB_BASE_CFG,
    locked: { by: 'CR0ACK', bits: Cr0.SMMUEN },
  },
  CMDQ_BASE: {
    offset: 0x90,
    width: 64,
    access: 'rw',
    meaning: 'Address and size of the command queue',
    fields: QUEUE_BASE,
    locked: { by: 'CR0ACK', bits: Cr0.CMDQEN },
  },
  CMDQ_PROD: { offset: 0x98, width: 32, access: 'rw', meaning: 'Write index of the command queue', fields: CMDQ_PROD },
  CMDQ_CONS: {
    offset: 0x9c,
    width: 32,
    access: 'rw',
    meaning: 'Read index of the command queue, and its error',
    fields: CMDQ_CONS,
    locked: { by: 'CR0ACK', bits: Cr0.CMDQEN },
  },
  EVENTQ_BASE: {
    offset: 0xa0,
    width: 64,
    access: 'rw',
    meaning: 'Address and size of the event queue',
    fields: QUEUE_BASE,
    locked: { by: 'CR0ACK', bits: Cr0.EVENTQEN },
  },
  EVENTQ_IRQ_CFG0: {
    offset: 0xb0,
    width: 64,
    access: 'rw',
    meaning: 'Address of the event queue MSI, 0: wired',
    fields: IRQ_CFG0,
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.EVENTQ },
  },
  EVENTQ_IRQ_CFG1: {
    offset: 0xb8,
    width: 32,
    access: 'rw',
    meaning: 'Data of the MSI',
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.EVENTQ },
  },
  EVENTQ_IRQ_CFG2: {
    offset: 0xbc,
    width: 32,
    access: 'rw',
    meaning: 'Attributes of the MSI',
    fields: IRQ_CFG2,
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.EVENTQ },
  },
  PRIQ_BASE: {
    offset: 0xc0,
    width: 64,
    access: 'rw',
    meaning: 'Address and size of the PRI queue',
    fields: QUEUE_BASE,
    locked: { by: 'CR0ACK', bits: Cr0.PRIQEN },
  },
  PRIQ_IRQ_CFG0: {
    offset: 0xd0,
    width: 64,
    access: 'rw',
    meaning: 'Address of the PRI queue MSI, 0: wired',
    fields: IRQ_CFG0,
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.PRIQ },
  },
  PRIQ_IRQ_CFG1: {
    offset: 0xd8,
    width: 32,
    access: 'rw',
    meaning: 'Data of the MSI',
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.PRIQ },
  },
  PRIQ_IRQ_CFG2: {
    offset: 0xdc,
    width: 32,
    access: 'rw',
    meaning: 'Attributes of the MSI',
    fields: IRQ_CFG2,
    locked: { by: 'IRQ_CTRLACK', bits: IrqCtrl.PRIQ },
  },
  EVENTQ_PROD: {
    offset: PAGE_1 + 0xa8,
    width: 32,
    access: 'rw',
    meaning: 'Write index of the event queue',
    fields: QUEUE_PROD,
    locked: { by: 'CR0ACK', bits: Cr0.EVENTQEN },
  },
  EVENTQ_CONS: {
    offset: PAGE_1 + 0xac,
    width: 32,
    access: 'rw',
    meaning: 'Read index of the event queue',
    fields: QUEUE_CONS,
  },
  PRIQ_PROD: {
    offset: PAGE_1 + 0xc8,
    width: 32,
    access: 'rw',
    meaning: 'Write index of the PRI queue',
    fields: QUEUE_PROD,
    locked: { by: 'CR0ACK', bits: Cr0.PRIQEN },
  },
  PRIQ_CONS: {
    offset: PAGE_1 + 0xcc,
    width: 32,
    access: 'rw',
    meaning: 'Read index of the PRI queue',
    fields: QUEUE_CONS,
  },
});

export type RegisterName = keyof typeof REGISTERS;
