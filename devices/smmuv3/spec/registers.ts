/**
 * The register map of an SMMUv3, Non-secure, both 64 KiB pages: offsets, widths and fields of Arm IHI 0070, section 6.2 and 6.3.
 * The identification registers stand in `features.ts`.
 */
import { address, field, type Layout } from './layout.ts';

/** Where page 1 begins. */
export const PAGE_1 = 0x10000;

/** One register. */
export interface Register {
  /** Byte offset from the base of page 0. */
  readonly offset: number;
  readonly bits: 32 | 64;
  /** `r`: writes are ignored. */
  readonly access: 'r' | 'rw';
  readonly meaning: string;
}

function register(offset: number, bits: 32 | 64, access: 'r' | 'rw', meaning: string): Register {
  return { offset, bits, access, meaning };
}

export const REGISTERS = {
  IDR0: register(0x00, 32, 'r', 'Features'),
  IDR1: register(0x04, 32, 'r', 'Sizes of tables, queues and identifiers'),
  IDR2: register(0x08, 32, 'r', 'Virtual ATOS page; 0'),
  IDR3: register(0x0c, 32, 'r', 'Features of SMMUv3.1 and later'),
  IDR4: register(0x10, 32, 'r', 'Implementation defined; 0'),
  IDR5: register(0x14, 32, 'r', 'Granules, output address size, stalls'),
  IIDR: register(0x18, 32, 'r', 'Implementer'),
  AIDR: register(0x1c, 32, 'r', 'Architecture version: 0 SMMUv3.0, 1 SMMUv3.1, 2 SMMUv3.2'),
  CR0: register(0x20, 32, 'rw', 'Enables'),
  CR0ACK: register(0x24, 32, 'r', 'Enables that have taken effect'),
  CR1: register(0x28, 32, 'rw', 'Attributes of table and queue accesses'),
  CR2: register(0x2c, 32, 'rw', 'More controls'),
  STATUSR: register(0x40, 32, 'r', 'Dormant state'),
  GBPA: register(0x44, 32, 'rw', 'What happens to traffic while SMMUEN is 0'),
  AGBPA: register(0x48, 32, 'rw', 'Implementation defined'),
  IRQ_CTRL: register(0x50, 32, 'rw', 'Interrupt enables'),
  IRQ_CTRLACK: register(0x54, 32, 'r', 'Interrupt enables that have taken effect'),
  GERROR: register(0x60, 32, 'r', 'Global errors: a bit differs from GERRORN while its error is active'),
  GERRORN: register(0x64, 32, 'rw', 'Global errors acknowledged'),
  GERROR_IRQ_CFG0: register(0x68, 64, 'rw', 'Address of the global error MSI, 0: wired'),
  GERROR_IRQ_CFG1: register(0x70, 32, 'rw', 'Data of the MSI'),
  GERROR_IRQ_CFG2: register(0x74, 32, 'rw', 'Attributes of the MSI'),
  STRTAB_BASE: register(0x80, 64, 'rw', 'Address of the stream table'),
  STRTAB_BASE_CFG: register(0x88, 32, 'rw', 'Format and size of the stream table'),
  CMDQ_BASE: register(0x90, 64, 'rw', 'Address and size of the command queue'),
  CMDQ_PROD: register(0x98, 32, 'rw', 'Write index of the command queue'),
  CMDQ_CONS: register(0x9c, 32, 'rw', 'Read index of the command queue, and its error'),
  EVENTQ_BASE: register(0xa0, 64, 'rw', 'Address and size of the event queue'),
  EVENTQ_IRQ_CFG0: register(0xb0, 64, 'rw', 'Address of the event queue MSI, 0: wired'),
  EVENTQ_IRQ_CFG1: register(0xb8, 32, 'rw', 'Data of the MSI'),
  EVENTQ_IRQ_CFG2: register(0xbc, 32, 'rw', 'Attributes of the MSI'),
  PRIQ_BASE: register(0xc0, 64, 'rw', 'Address and size of the PRI queue'),
  PRIQ_IRQ_CFG0: register(0xd0, 64, 'rw', 'Address of the PRI queue MSI, 0: wired'),
  PRIQ_IRQ_CFG1: register(0xd8, 32, 'rw', 'Data of the MSI'),
  PRIQ_IRQ_CFG2: register(0xdc, 32, 'rw', 'Attributes of the MSI'),
  EVENTQ_PROD: register(PAGE_1 + 0xa8, 32, 'rw', 'Write index of the event queue'),
  EVENTQ_CONS: register(PAGE_1 + 0xac, 32, 'rw', 'Read index of the event queue'),
  PRIQ_PROD: register(PAGE_1 + 0xc8, 32, 'rw', 'Write index of the PRI queue'),
  PRIQ_CONS: register(PAGE_1 + 0xcc, 32, 'rw', 'Read index of the PRI queue'),
} as const satisfies Readonly<Record<string, Register>>;

export type RegisterName = keyof typeof REGISTERS;

/** CR0 and CR0ACK. */
export const CR0 = {
  SMMUEN: field(0, 1, 'Translation is on'),
  PRIQEN: field(1, 1, 'The PRI queue is written'),
  EVENTQEN: field(2, 1, 'The event queue is written'),
  CMDQEN: field(3, 1, 'The command queue is read'),
  ATSCHK: field(4, 1, 'Translated ATS traffic is checked against the configuration'),
  VMW: field(6, 3, 'VMID wildcard'),
} as const satisfies Layout;

/** The bits of CR0 one by one, as masks. */
export const Cr0 = { SMMUEN: 1, PRIQEN: 2, EVENTQEN: 4, CMDQEN: 8, ATSCHK: 16 } as const;

export const CR1 = {
  QUEUE_IC: field(0, 2, 'Inner cacheability of the queues: 0 none, 1 write-back, 2 write-through'),
  QUEUE_OC: field(2, 2, 'Outer cacheability of the queues'),
  QUEUE_SH: field(4, 2, 'Shareability of the queues: 0 none, 2 outer, 3 inner'),
  TABLE_IC: field(6, 2, 'Inner cacheability of the tables'),
  TABLE_OC: field(8, 2, 'Outer cacheability of the tables'),
  TABLE_SH: field(10, 2, 'Shareability of the tables'),
} as const satisfies Layout;

export const CR2 = {
  E2H: field(0, 1, 'EL2 contexts are EL2-E2H: they have ASIDs'),
  RECINVSID: field(1, 1, 'C_BAD_STREAMID is recorded'),
  PTM: field(2, 1, 'Broadcast TLB maintenance is ignored'),
  REC_CFG_ATS: field(3, 1, 'Errors of ATS requests are recorded'),
} as const satisfies Layout;

/** The bits of CR2 one by one, as masks. */
export const Cr2 = { E2H: 1, RECINVSID: 2, PTM: 4, REC_CFG_ATS: 8 } as const;

/** The bits of GBPA that the model gives a meaning. */
export const Gbpa = {
  /** Traffic is aborted while SMMUEN is 0; else it passes untranslated. */
  ABORT: 0x0010_0000,
  /** Written as 1 to update the register; reads 1 until the update is done. */
  UPDATE: 0x8000_0000,
} as const;

/** Bits of IRQ_CTRL and IRQ_CTRLACK. */
export const IrqCtrl = { GERROR: 1, PRIQ: 2, EVENTQ: 4 } as const;

/** Bits of GERROR and GERRORN. */
export const Gerror = {
  /** Command queue: CMDQ_CONS.ERR says which, consumption has stopped. */
  CMDQ_ERR: 0x001,
  /** A write to the event queue was aborted, records are lost. */
  EVENTQ_ABT_ERR: 0x004,
  PRIQ_ABT_ERR: 0x008,
  /** The MSI of a CMD_SYNC was aborted. */
  MSI_CMDQ_ABT_ERR: 0x010,
  MSI_EVENTQ_ABT_ERR: 0x020,
  MSI_PRIQ_ABT_ERR: 0x040,
  MSI_GERROR_ABT_ERR: 0x080,
  SFM_ERR: 0x100,
} as const;

export const STRTAB_BASE = {
  ADDR: address(6, 46, 'Stream table, bits [51:6]'),
  RA: field(62, 1, 'Read-allocate hint'),
} as const satisfies Layout;

export const STRTAB_BASE_CFG = {
  LOG2SIZE: field(0, 6, 'log2 of the number of streams covered'),
  SPLIT: field(6, 5, 'StreamID bits resolved by the second level: 6, 8 or 10'),
  FMT: field(16, 2, '0 linear, 1 two-level'),
} as const satisfies Layout;

export const QUEUE_BASE = {
  LOG2SIZE: field(0, 5, 'log2 of the number of entries'),
  ADDR: address(5, 47, 'Queue, bits [51:5]'),
  ALLOCATE: field(62, 1, 'Allocation hint'),
} as const satisfies Layout;

/** MSI configuration registers CFG0 (64 bits). */
export const IRQ_CFG0 = { ADDR: address(2, 50, 'Target, bits [51:2]') } as const satisfies Layout;

/** CMDQ_CONS. */
export const CMDQ_CONS = {
  RD: field(0, 20, 'Read index; the bit above the queue size is the wrap flag'),
  ERR: field(24, 7, 'Command error while GERROR.CMDQ_ERR is active'),
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
export const QUEUE_OVERFLOW = 0x8000_0000;
/** Bits of a queue index with its wrap flag. */
export const QUEUE_INDEX_MASK = 0xfffff;
