/** From a context's registers to the translation regime that the walker starts from. */
import {
  lpaeRoot,
  lpaeStage1,
  lpaeStage2,
  type StageRegime,
  type TableRoot,
  type TranslationRegime,
} from '../../../emulator/index.ts';
import { memoryAttributes, type PlacedField, TWO_32 } from '../../../formats/index.ts';
import type { RegisterBlock } from '../../registers/index.ts';
import {
  CONTEXT,
  type ContextRegister,
  contextMap,
  Imctr,
  type IpmmuGeneration,
  LONG_IMTTBCR,
  SHORT_IMTTBCR,
} from '../spec/index.ts';

/** The only granule. */
const GRANULE_SHIFT = 12;
/** Physical addresses of LPAE. */
const OUTPUT_BITS = 40;
/** Bits of a table base that count: [39:12]. Smaller first-level tables keep some bits below. */
const BASE_LIMIT = 2 ** OUTPUT_BITS;
/** Level at which walks begin, by IMTTBCR.SL0 of two bits; 3 is reserved, and taken for level 1. */
const START_LEVELS = [3, 2, 1, 1] as const;
/** Least and most input bits that a walk from each level can resolve with a 4 KiB granule. */
const LEAST_BITS = [40, 31, 22, 13] as const;
const MOST_BITS = [48, 39, 30, 21] as const;
/** Concatenated first-level tables of a stage 2 resolve up to four bits more. */
const CONCATENATED_BITS = 4;

/** ASID (of a stage 2: VMID) of a context's entries in the TLBs; 0 is that of accesses which pass unchanged. */
export function contextTag(context: number): number {
  return context + 1;
}

/** An access that no table translates. */
export const BYPASS: TranslationRegime = { stage1: null, stage2: null, asid: 0, vmid: 0 };

/**
 * The regime of a context that is on. Entries of its tables are found by the context alone.
 *
 * @param stage2Format descriptors are those of a stage 2 (IMSAUXCTLR.S2PTE)
 */
export function contextRegime(
  generation: IpmmuGeneration,
  registers: RegisterBlock<ContextRegister>,
  context: number,
  stage2Format: boolean,
): TranslationRegime {
  const control = registers.get(CONTEXT.IMCTR, context);
  const long = (control & Imctr.VA64) !== 0 && generation.longAddresses;
  const field = (of: PlacedField): number => registers.field(contextMap(generation).IMTTBCR, of, context);
  const layout = generation.twoBitStartLevel ? LONG_IMTTBCR : SHORT_IMTTBCR;
  const level1 = generation.twoBitStartLevel ? START_LEVELS[field(LONG_IMTTBCR.SL0)] : 2 - field(SHORT_IMTTBCR.SL0);
  const startLevel = level1 ?? 1;
  const addressBits = long ? 64 : 32;
  const most = (MOST_BITS[startLevel] as number) + (stage2Format ? CONCATENATED_BITS : 0);
  const root = (lower: number, upper: number, tsz: number): TableRoot => {
    const inputBits = Math.min(Math.max(addressBits - tsz, LEAST_BITS[startLevel] as number), most);
    return lpaeRoot((upper * TWO_32 + lower) % BASE_LIMIT, GRANULE_SHIFT, inputBits, startLevel);
  };
  const word = (name: ContextRegister): number => registers.get(CONTEXT[name], context);
  const parts: Partial<StageRegime> = {
    root0: root(word('IMTTLBR0'), word('IMTTUBR0'), field(layout.TSZ0)),
    root1: long && !stage2Format ? root(word('IMTTLBR1'), word('IMTTUBR1'), field(layout.TSZ1)) : null,
    outputBits: OUTPUT_BITS,
    accessFlagFaults: (control & Imctr.AFE) !== 0,
    memoryAttributes: memoryAttributes(word('IMMAIR0'), word('IMMAIR1')),
    tag: contextTag(context),
    aarch32: !long,
  };
  return {
    stage1: stage2Format ? null : lpaeStage1(parts),
    stage2: stage2Format ? lpaeStage2(parts) : null,
    asid: stage2Format ? 0 : contextTag(context),
    vmid: stage2Format ? contextTag(context) : 0,
  };
}
