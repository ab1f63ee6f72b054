/**
 * The vocabulary in which every bit of the project is written down: descriptors of 32, 64 and 128 bits, stream table entries,
 * context descriptors, commands, event records, registers. A structure is a run of 32-bit little-endian words, and each of its
 * fields is a row of a table that can be held against the manual. Bits are counted as the manuals count them, from bit 0 of the
 * first word: bit 67 is bit 3 of word 2. Encoder, decoder and explainer all read that one table.
 */
import { TWO_32 } from './address.ts';

/** A run of bits as its table declares it. */
export interface BitField {
  /** Position of the lowest bit. */
  readonly lsb: number;
  /** Number of bits, 1 to 52: what a number holds exactly. (64 for an input address, whose value is then rounded.) */
  readonly width: number;
  /** What the bits mean, as one phrase. */
  readonly meaning: string;
  /** What single values mean; values that are not listed are plain numbers. */
  readonly values?: Readonly<Record<number, string>> | undefined;
  /** True when the bits are address bits: they stand in their doubleword at the very places they have in the address. */
  readonly address?: boolean | undefined;
  /** Manual and section (or kernel file, for software bits) that defines the field, where the table around it does not. */
  readonly source?: string | undefined;
}

/** A run of bits with its place in the words of the structure worked out. It lies within one word, or within one doubleword. */
export interface PlacedField extends BitField {
  /** What one step of the bits is worth: 1, or for an address field the lowest address bit it carries. */
  readonly unit: number;
  /** Word that holds the lowest bit; for a field of two words the even one. */
  readonly word: number;
  /** Bits of that word, and of the next one; 0 when the field ends before it. */
  readonly lowMask: number;
  readonly highMask: number;
  /** Of a field of two words: what bit 0 of its doubleword is worth. */
  readonly step: number;
}

/** A value of 64 bits as two unsigned halves (`high` is 0 for 32 bits). */
export interface DescriptorWords {
  readonly low: number;
  readonly high: number;
}

/** A field of a plain number. */
export function bitField(lsb: number, width: number, meaning: string): PlacedField {
  return placeField({ lsb, width, meaning });
}

/**
 * A field whose value is an address. The manual writes it with the address bits it carries (`S1ContextPtr[51:6]`) and places them
 * at those very bits of a doubleword, so the address bits below the field are zero.
 */
export function addressField(lsb: number, width: number, meaning: string): PlacedField {
  return placeField({ lsb, width, meaning, address: true });
}

/** Works out where a field lies. All fields are objects of one shape, which is what makes reading and writing them fast. */
export function placeField(spec: BitField): PlacedField {
  const { lsb, width, meaning, values, address, source } = spec;
  const unit = address === true ? 2 ** (lsb & 63) : 1;
  const inWord = lsb & 31;
  let word = lsb >>> 5;
  let lowMask = 2 ** (inWord + width) - 2 ** inWord;
  let highMask = 0;
  if (inWord + width > 32) {
    const from = lsb & 63;
    word = (lsb >>> 6) * 2;
    lowMask = TWO_32 - 2 ** Math.min(from, 32);
    highMask = 2 ** (from + width - 32) - 2 ** Math.max(from - 32, 0);
  }
  return { lsb, width, meaning, values, address, source, unit, word, lowMask, highMask, step: unit / 2 ** (lsb & 63) };
}

/** Bits of `field` in the low half of a 64-bit value. */
export function lowMask(field: PlacedField): number {
  return field.word === 0 ? field.lowMask : 0;
}

/** Bits of `field` in the high half of a 64-bit value. */
export function highMask(field: PlacedField): number {
  return field.word === 0 ? field.highMask : field.lowMask;
}

/** The value of a field of the structure that starts at `words[at]`; of an address field, the address. */
export function getField(words: Uint32Array, at: number, of: PlacedField): number {
  return fieldValue(of, words[at + of.word] as number, of.highMask === 0 ? 0 : (words[at + of.word + 1] as number));
}

/** The value of a field of a 32- or 64-bit value given as its halves; of an address field, the address. */
export function decodeField(field: PlacedField, low: number, high: number): number {
  return field.word === 0 ? fieldValue(field, low, high) : fieldValue(field, high, 0);
}

/** The value of a field from the word that holds its lowest bit and the one after it. */
function fieldValue(of: PlacedField, first: number, second: number): number {
  const { unit, highMask } = of;
  const low = (first & of.lowMask) >>> 0;
  if (highMask === 0) {
    const bits = low >>> (of.lsb & 31);
    return unit === 1 ? bits : bits * unit;
  }
  return (((second & highMask) >>> 0) * TWO_32 + low) * of.step;
}

/** Sets a field of the structure that starts at `words[at]`; bits of `value` above and below the field are dropped. */
export function setField(words: Uint32Array, at: number, of: PlacedField, value: number): void {
  const { unit, lowMask, highMask } = of;
  const index = at + of.word;
  if (highMask === 0) {
    const steps = unit === 1 ? value : Math.floor(value / unit);
    words[index] = ((words[index] as number) & ~lowMask) | ((steps << (of.lsb & 31)) & lowMask);
    return;
  }
  const placed = value / of.step;
  words[index] = ((words[index] as number) & ~lowMask) | (placed & lowMask);
  words[index + 1] = ((words[index + 1] as number) & ~highMask) | (Math.floor(placed / TWO_32) & highMask);
}

const scratch = new Uint32Array(2);

/** The bits of `value` in a field of a 64-bit value. Bits of `value` that do not fit are dropped, as hardware registers drop them. */
export function encodeField(field: PlacedField, value: number): DescriptorWords {
  scratch.fill(0);
  setField(scratch, 0, field, value);
  return { low: scratch[0] as number, high: scratch[1] as number };
}
