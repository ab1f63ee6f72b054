/**
 * The registers of an IPMMU-VMSA: a block for each translation context, a pair for each micro-TLB, and those of the whole IPMMU.
 * Names and bits are those of the drivers (Linux and Xen `ipmmu-vmsa.c`), which follow the R-Car hardware manuals.
 */
import { bitField, encodeInto, type Layout } from '../../../formats/index.ts';
import { defineRegisters, masksOf, type RegisterSpec } from '../../registers/index.ts';
import { type IpmmuGeneration, UPPER_CONTEXT, UPPER_CONTEXT_GAP } from './generation.ts';

/** Control of a context. */
export const IMCTR = {
  MMUEN: bitField(0, 1, 'The context translates; 0: accesses of its micro-TLBs pass unchanged'),
  FLUSH: bitField(1, 1, 'Write 1: drop all that the context has in the TLBs; reads as 1 until that is done'),
  INTEN: bitField(2, 1, 'Faults raise the interrupt'),
  TREN: bitField(3, 1, 'Accesses are routed by RTSEL'),
  RTSEL: bitField(4, 2, 'Route'),
  AFE: bitField(16, 1, 'A leaf whose access flag is clear faults'),
  TRE: bitField(17, 1, 'Memory attributes are remapped'),
  VA64: bitField(29, 1, 'The tables are those of VMSAv8-64'),
} as const satisfies Layout;
/** Its bits as masks. */
export const Imctr = masksOf(IMCTR);

/** What both forms of IMTTBCR share. */
const TABLE_CONTROL = {
  IRGN0: bitField(
    8,
    2,
    'Inner cacheability of walks of the lower half: 0 none, 1 write-back allocate, 2 write-through',
  ),
  ORGN0: bitField(10, 2, 'Outer cacheability of its walks'),
  SH0: bitField(12, 2, 'Shareability of its walks: 0 none, 2 outer, 3 inner'),
  IRGN1: bitField(24, 2, 'Inner cacheability of walks of the upper half'),
  ORGN1: bitField(26, 2, 'Outer cacheability of its walks'),
  SH1: bitField(28, 2, 'Shareability of its walks'),
  PMB: bitField(30, 1, 'The tables are a stage 2'),
  EAE: bitField(31, 1, 'Long descriptors; always set'),
} as const satisfies Layout;

/** IMTTBCR of Gen2. */
export const SHORT_IMTTBCR = {
  ...TABLE_CONTROL,
  TSZ0: bitField(0, 3, '32 less the input size in bits'),
  SL0: bitField(4, 1, 'Level at which walks begin: 0 level 2, 1 level 1'),
  TSZ1: bitField(16, 3, '32 less the size of the upper half'),
} as const satisfies Layout;

/** IMTTBCR of Gen3 and later. */
export const LONG_IMTTBCR = {
  ...TABLE_CONTROL,
  TSZ0: bitField(0, 6, '64 less the input size in bits with IMCTR.VA64, else 32 less it'),
  SL0: bitField(6, 2, 'Level at which walks begin: 0 level 3, 1 level 2, 2 level 1'),
  TSZ1: bitField(16, 6, 'The same of the upper half'),
} as const satisfies Layout;

/** Bus control. */
export const IMBUSCR = {
  BUSSEL: bitField(0, 2, 'Bus that walks use'),
  DVM: bitField(2, 1, "The processors' broadcast TLB maintenance is obeyed"),
} as const satisfies Layout;
export const Imbuscr = masksOf(IMBUSCR);

/** Status of a context: its last faults. */
export const IMSTR = {
  TF: bitField(0, 1, 'Translation fault'),
  PF: bitField(1, 1, 'Permission fault'),
  ABORT: bitField(2, 1, 'A walk was answered with an error'),
  MHIT: bitField(4, 1, 'More than one TLB entry matched'),
  ERRCODE: bitField(8, 3, 'Kind of fault: 1 descriptor, 4 permission, 5 secure access'),
  ERRLVL: bitField(12, 2, 'Level of the walk at which it happened'),
} as const satisfies Layout;
export const Imstr = masksOf(IMSTR);

/** IMSTR.ERRCODE. */
export const ErrorCode = { FORMAT: 1, PERMISSION: 4, SECURE: 5 } as const;

/** Control of a micro-TLB. */
export const IMUCTR = {
  MMUEN: bitField(0, 1, "The micro-TLB translates; 0: its master's accesses pass unchanged"),
  FLUSH: bitField(1, 1, 'Write 1: drop what the micro-TLB holds'),
  TTSEL: bitField(4, 4, 'Context whose tables are used'),
  FIXADD: bitField(16, 8, 'Upper address bits of accesses that pass unchanged'),
  FIXADDEN: bitField(31, 1, 'FIXADD is used'),
} as const satisfies Layout;
export const Imuctr = masksOf(IMUCTR);

const word = (offset: number, meaning: string, fields?: Layout): RegisterSpec => {
  const spec = { offset, width: 32, access: 'rw', meaning } as const;
  return fields === undefined ? spec : { ...spec, fields };
};

/** Registers of one context. */
const contextRegisters = (imttbcr: Layout) =>
  defineRegisters({
    IMCTR: word(0x00, 'Control', IMCTR),
    IMCAAR: word(0x04, 'Address bits that choose a bus'),
    IMTTBCR: word(0x08, 'How tables are walked', imttbcr),
    IMBUSCR: word(0x0c, 'Bus control', IMBUSCR),
    IMTTLBR0: word(0x10, 'Table of the lower half, lower word'),
    IMTTUBR0: word(0x14, 'Its upper word'),
    IMTTLBR1: word(0x18, 'Table of the upper half, lower word'),
    IMTTUBR1: word(0x1c, 'Its upper word'),
    IMSTR: word(0x20, 'Faults: keeps what is written', IMSTR),
    IMMAIR0: word(0x28, 'Memory attributes 0 to 3'),
    IMMAIR1: word(0x2c, 'Memory attributes 4 to 7'),
    // Xen, which follows the manual of Gen3, calls it IMEAR.
    IMELAR: { ...word(0x30, 'Address of the fault, lower word'), access: 'r' },
    IMEUAR: { ...word(0x34, 'Its upper word'), access: 'r' },
  });

const GEN2_CONTEXT = contextRegisters(SHORT_IMTTBCR);
export const CONTEXT = contextRegisters(LONG_IMTTBCR);
export type ContextRegister = keyof typeof CONTEXT;

/** The registers of a context as a generation has them: {@link CONTEXT}, but for the bits of IMTTBCR. */
export function contextMap(generation: IpmmuGeneration): typeof CONTEXT {
  return generation.twoBitStartLevel ? CONTEXT : GEN2_CONTEXT;
}

/** Registers of one micro-TLB. */
export const MICRO_TLB = defineRegisters({
  IMUCTR: word(0x0, 'Control', IMUCTR),
  IMUASID: word(0x8, 'ASIDs'),
});
export type MicroTlbRegister = keyof typeof MICRO_TLB;

/** Bytes from one micro-TLB's pair to the next; they come in two banks. */
const MICRO_TLB_STRIDE = 0x10;
const MICRO_TLB_BANK = 32;
const MICRO_TLB_BANKS = [0x300, 0x600] as const;

/** Registers of the whole IPMMU (Gen3 and later). */
export const SYSTEM = defineRegisters({
  IMSCTLR: word(0x500, 'Cache control'),
  IMSAUXCTLR: word(0x504, 'Auxiliary control'),
});
export type SystemRegister = keyof typeof SYSTEM;

/** IMSCTLR: the translation caches are not used (a work-around of Xen for early Gen3 parts). */
export const IMSCTLR_DISCACHE = 0xe000_0000;
/** IMSAUXCTLR: descriptors have the format of a stage 2. */
export const IMSAUXCTLR_S2PTE = 0x8;

/** Attribute bytes that Xen puts into IMMAIR0: by AttrIndx 0 non-cacheable, 1 write-back with allocation, 2 device nGnRE. */
export const XEN_IMMAIR0 = 0x0004_ff44;

/** An IMTTBCR of a generation with these fields; long descriptors, walks beginning at level 1. */
export function tableControl(
  generation: IpmmuGeneration,
  fields: Readonly<Partial<Record<Exclude<keyof typeof LONG_IMTTBCR, 'EAE' | 'SL0'>, number>>>,
): number {
  const words = new Uint32Array(1);
  if (generation.twoBitStartLevel) encodeInto(LONG_IMTTBCR, words, 0, { ...fields, EAE: 1, SL0: 2 });
  else encodeInto(SHORT_IMTTBCR, words, 0, { ...fields, EAE: 1, SL0: 1 });
  return words[0] as number;
}

/** Offset of a context's block from the base of the IPMMU. */
export function contextBase(generation: IpmmuGeneration, context: number): number {
  const gap = context >= UPPER_CONTEXT ? UPPER_CONTEXT_GAP : 0;
  return generation.contextBase + context * generation.contextStride + gap;
}

/** Offset of a micro-TLB's pair from the base of the IPMMU. */
export function microTlbBase(generation: IpmmuGeneration, microTlb: number): number {
  const bank = MICRO_TLB_BANKS[microTlb < MICRO_TLB_BANK ? 0 : 1];
  return generation.microTlbBase + bank + (microTlb % MICRO_TLB_BANK) * MICRO_TLB_STRIDE;
}
