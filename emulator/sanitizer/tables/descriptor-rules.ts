/**
 * When a valid LPAE descriptor may be overwritten by another valid one without break-before-make (Arm ARM DDI 0487 D8.16.1,
 * "Using break-before-make when updating translation table entries"), and what FEAT_BBM (for an SMMU: IDR3.BBML) relaxes.
 */
import { LpaeType } from '../../../formats/index.ts';

const TWO_32 = 2 ** 32;
const LAST_LEVEL = 3;

/** Bits of a leaf that may change freely: access permissions, access flag; above bit 32 DBM, PXN, UXN, software and PBHA bits. */
const FREE_LOW = (3 << 6) | (1 << 10);
/** Address bits 47:32 and the contiguous hint. */
const LEAF_HIGH = 0x0010_ffff;
const CONTIGUOUS_HIGH = 1 << 20;
/** Type and address of the next table, and NSTable; the other hierarchical bits are permissions. */
const TABLE_LOW = 0xffff_f003;
const TABLE_HIGH = 0x8000_ffff;
/** nT of a block: it must not be held in a TLB, so that it may be replaced at BBML 1. */
const BLOCK_TRANSLATION = 1 << 16;
/** Memory type, security, shareability, nG: what the pages of a split block must have in common with it. */
const ATTRIBUTES_LOW = 0x0b3c;

/** Bit 0 says whether a descriptor is valid. */
export const VALID = 1;

export function isTable(low: number, level: number): boolean {
  return level < LAST_LEVEL && (low & 3) === LpaeType.TABLE_OR_PAGE;
}

/** Address that a descriptor holds; `packs`: bits 15:12 are address bits 51:48 (64 KiB granule). */
export function addressIn(low: number, high: number, packs: boolean): number {
  if (packs) return ((high & 0xffff) + ((low >>> 12) & 0xf) * 0x1_0000) * TWO_32 + ((low & 0xffff_0000) >>> 0);
  return (high & 0xffff) * TWO_32 + ((low & 0xffff_f000) >>> 0);
}

/** Whether a valid descriptor of `level` became another in a way that needs the old one out of every TLB first, at BBML 0. */
export function needsBreak(level: number, oldLow: number, oldHigh: number, low: number, high: number): boolean {
  const table = isTable(low, level);
  if (table !== isTable(oldLow, level)) return true;
  if (table) return ((oldLow ^ low) & TABLE_LOW) !== 0 || ((oldHigh ^ high) & TABLE_HIGH) !== 0;
  const free = level < LAST_LEVEL ? FREE_LOW | BLOCK_TRANSLATION : FREE_LOW;
  return ((oldLow ^ low) & ~free) !== 0 || ((oldHigh ^ high) & LEAF_HIGH) !== 0;
}

/** What a block turned into a table is compared with. */
export interface Split {
  /** Level of the block. */
  readonly level: number;
  readonly low: number;
  readonly high: number;
  /** The new table: words, index of its first, entries, and what each covers. */
  readonly words: Uint32Array;
  readonly at: number;
  readonly entries: number;
  readonly span: number;
  readonly packs: boolean;
}

/**
 * Whether the hardware promises to cope with a block that becomes a table: at BBML 2, and at BBML 1 where the block has nT set; and
 * only when every page that is valid in the table translates as the block did.
 */
export function splitAllowed(breakLevel: number, split: Split): boolean {
  const { low, high, words, at, entries, span, level, packs } = split;
  if (breakLevel === 0 || (breakLevel === 1 && (low & BLOCK_TRANSLATION) === 0)) return false;
  const blockSize = entries * span;
  const address = addressIn(low, high, packs);
  const base = address - (address % blockSize);
  for (let i = 0; i < entries; i++) {
    const pageLow = words[at + 2 * i] as number;
    const pageHigh = words[at + 2 * i + 1] as number;
    if ((pageLow & VALID) === 0 || isTable(pageLow, level + 1)) continue;
    if (((pageLow ^ low) & ATTRIBUTES_LOW) !== 0) return false;
    const page = addressIn(pageLow, pageHigh, packs);
    if (page - (page % span) !== base + i * span) return false;
  }
  return true;
}

/** Whether two leaves differ in the contiguous hint alone, which is a change of size too. */
export function onlyContiguityDiffers(oldLow: number, oldHigh: number, low: number, high: number): boolean {
  return ((oldLow ^ low) & ~FREE_LOW) === 0 && ((oldHigh ^ high) & LEAF_HIGH) === CONTIGUOUS_HIGH;
}
