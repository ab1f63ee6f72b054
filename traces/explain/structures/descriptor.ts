/** One descriptor of a translation table: its fields, and plainly what a walker makes of it. */
import { descriptorLayout, type IoPgtableFormat, Quirk } from '../../../formats/index.ts';
import { hexText, sizeText } from '../../quantity.ts';
import { bitsOf, type ExplainedStructure, strayBits, structureFields } from './structure.ts';

export interface DescriptorPlace {
  readonly format: IoPgtableFormat;
  /** Level of the table that the descriptor stands in. */
  readonly level: number;
  /** log2 of the granule. */
  readonly granuleShift: number;
  /** Bits of `Quirk`; `ARM_MTK_EXT` is the one that changes descriptors. */
  readonly quirks?: number;
}

/** @param value at most 64 bits; 32 for a short descriptor */
export function explainEntry(value: bigint, place: DescriptorPlace): ExplainedStructure {
  const { format, level, granuleShift, quirks = 0 } = place;
  const { title, bits, fields } = descriptorLayout(format, level, Number(value & 0xffff_ffffn), quirks, granuleShift);
  const explained = structureFields(fields, value, '');
  const stray = strayBits(explained, value);
  const invalid = title === 'invalid';
  const remarks = invalid ? [invalidText(value, place)] : validRemarks(value, place, title);
  if (stray !== null) {
    remarks.push(
      invalid
        ? `${stray}: an invalid entry leaves them to software.`
        : `${stray}, and nothing defines them here: reserved, must be 0.`,
    );
  }
  const where = format === 'ARM_MALI_LPAE' ? '' : ` at level ${level}`;
  const name = hexText(value);
  return { kind: 'descriptor', name, title: `${title}${where}`, bits, value: name, fields: explained, remarks };
}

function invalidText(value: bigint, { format, level }: DescriptorPlace): string {
  const fault = `a walk that meets it ends in a translation fault at level ${level}`;
  const kind = Number(value & 3n);
  if (format === 'ARM_V7S') return `Invalid: ${fault}.`;
  if (format === 'ARM_MALI_LPAE') return `Invalid, bits 1:0 are ${kind}: ${fault}.`;
  if (kind === 1) return `Reserved: bits 1:0 are 1, a block, and level 3 has pages (3) only; ${fault}.`;
  return `Invalid: bit 0 is 0, whatever the other bits are; ${fault}.`;
}

function validRemarks(value: bigint, place: DescriptorPlace, title: string): string[] {
  const { format, level, granuleShift } = place;
  const remarks: string[] = [];
  if (format === 'ARM_V7S' || title.includes('table')) return remarks;
  if (format === 'ARM_MALI_LPAE') {
    if (level === 0) remarks.push('A block at level 0 would map 512 GiB: the drivers never write one.');
    return remarks;
  }
  const size = granuleShift + (3 - level) * (granuleShift - 3);
  const smallest = granuleShift === 12 ? 1 : 2;
  if (level < smallest) {
    const large = granuleShift === 16 && level === 1;
    remarks.push(
      large
        ? 'A block of 4 TiB: only with 52-bit addresses (FEAT_LPA), else reserved and a translation fault.'
        : `Reserved: there are no blocks at level ${level} with a granule of ${2 ** (granuleShift - 10)} KiB (without FEAT_LPA2); a translation fault.`,
    );
  }
  if (bitsOf(value, 8, 2) === 1n) remarks.push('Reserved: shareability 1 means nothing.');
  if (bitsOf(value, 10, 1) === 0n) {
    remarks.push(
      'The access flag is 0: the first access faults, unless hardware sets the flag or such faults are off.',
    );
  }
  if (bitsOf(value, 52, 1) === 1n) {
    remarks.push('Contiguous: its neighbours must be alike and follow one another, or the TLB may give either.');
  }
  const stageTwo = format === 'ARM_64_LPAE_S2' || format === 'ARM_32_LPAE_S2';
  if (stageTwo) {
    const memAttr = Number(bitsOf(value, 2, 4));
    if (memAttr >= 4 && memAttr % 4 === 0) {
      remarks.push(`Reserved: MemAttr ${memAttr} has an outer cacheability and no inner one.`);
    }
    if (bitsOf(value, 6, 2) === 0n && bitsOf(value, 51, 1) === 0n) {
      remarks.push('S2AP permits nothing: every access is a permission fault.');
    }
  }
  remarks.push(`Maps ${sizeText(2 ** size)}.`);
  return remarks;
}

/** Quirks of the descriptors that a person can name. */
export const DESCRIPTOR_QUIRKS = { mtk: Quirk.ARM_MTK_EXT } as const;
