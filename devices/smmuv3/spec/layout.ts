/**
 * The vocabulary of the architectural structures in this folder (stream table entries, context descriptors, commands, event
 * records): a structure is a run of 32-bit little-endian words, and each of its fields is a row of a table that can be held
 * against the manual. Bits are counted as IHI 0070 counts them, from bit 0 of the first word: bit 67 is bit 3 of word 2.
 */
import { TWO_32 } from '../../../formats/index.ts';

/** One field: bits [lsb, lsb + width), within one word or within one doubleword. */
export interface Field {
  readonly lsb: number;
  /** At most 52 bits, so that the value is an exact number (64 for an input address, whose upper half is not). */
  readonly width: number;
  /** What one step of the bits is worth: 1, or for an address field the lowest address bit it carries. */
  readonly unit: number;
  /** What it means, with its encodings. */
  readonly meaning: string;
  /** Word that holds the lowest bit; for a field of two words the even one. */
  readonly word: number;
  /** Bits of that word, and of the next one; 0 when the field ends before it. */
  readonly lowMask: number;
  readonly highMask: number;
}

/** The fields of one structure, by the name the manual gives them. */
export type Layout = Readonly<Record<string, Field>>;

/** A structure decoded whole: each field of the layout as a number. */
export type Decoded<L extends Layout> = { -readonly [Name in keyof L]: number };

export function field(lsb: number, width: number, meaning: string): Field {
  return place(lsb, width, 1, meaning);
}

/**
 * A field whose value is an address. The manual writes it with the address bits it carries (`S1ContextPtr[51:6]`) and places
 * them at those very bits of a doubleword, so the address bits below the field are zero.
 */
export function address(lsb: number, width: number, meaning: string): Field {
  return place(lsb, width, 2 ** (lsb & 63), meaning);
}

function place(lsb: number, width: number, unit: number, meaning: string): Field {
  const inWord = lsb & 31;
  if (inWord + width <= 32) {
    const lowMask = 2 ** (inWord + width) - 2 ** inWord;
    return { lsb, width, unit, meaning, word: lsb >>> 5, lowMask, highMask: 0 };
  }
  const from = lsb & 63;
  const lowMask = TWO_32 - 2 ** Math.min(from, 32);
  const highMask = 2 ** (from + width - 32) - 2 ** Math.max(from - 32, 0);
  return { lsb, width, unit, meaning, word: (lsb >>> 6) * 2, lowMask, highMask };
}

/** The value of a field of the structure that starts at `words[at]`. */
export function getField(words: Uint32Array, at: number, of: Field): number {
  const { unit, lowMask, highMask } = of;
  const low = ((words[at + of.word] as number) & lowMask) >>> 0;
  if (highMask === 0) {
    const bits = low >>> (of.lsb & 31);
    return unit === 1 ? bits : bits * unit;
  }
  const high = ((words[at + of.word + 1] as number) & highMask) >>> 0;
  return (high * TWO_32 + low) * (unit / 2 ** (of.lsb & 63));
}

/** Sets a field of the structure that starts at `words[at]`; bits of `value` above and below the field are dropped. */
export function setField(words: Uint32Array, at: number, of: Field, value: number): void {
  const { unit, lowMask, highMask } = of;
  const index = at + of.word;
  if (highMask === 0) {
    const steps = unit === 1 ? value : Math.floor(value / unit);
    words[index] = ((words[index] as number) & ~lowMask) | ((steps << (of.lsb & 31)) & lowMask);
    return;
  }
  const placed = value / (unit / 2 ** (of.lsb & 63));
  words[index] = ((words[index] as number) & ~lowMask) | (placed & lowMask);
  words[index + 1] = ((words[index + 1] as number) & ~highMask) | (Math.floor(placed / TWO_32) & highMask);
}

/** Every field of a structure, decoded. For printing and tests; code that runs often reads the fields it needs. */
export function decodeAll<L extends Layout>(layout: L, words: Uint32Array, at: number): Decoded<L> {
  const decoded: Partial<Record<keyof L, number>> = {};
  for (const name of Object.keys(layout) as (keyof L)[]) decoded[name] = getField(words, at, layout[name] as Field);
  return decoded as Decoded<L>;
}

/** Sets the named fields of a structure, leaving the others as they are. */
export function encodeInto<L extends Layout>(
  layout: L,
  words: Uint32Array,
  at: number,
  values: Partial<Readonly<Record<keyof L, number>>>,
): void {
  for (const name of Object.keys(values) as (keyof L)[]) {
    setField(words, at, layout[name] as Field, values[name] as number);
  }
}
