/**
 * The vocabulary of the architectural structures in this folder (stream table entries, context descriptors, commands, event
 * records): a structure is a run of 32-bit little-endian words, and each of its fields is a row of a table that can be held
 * against the manual. Bits are counted as IHI 0070 counts them, from bit 0 of the first word: bit 67 is bit 3 of word 2.
 */

/** One field: bits [lsb, lsb + width). */
export interface Field {
  readonly lsb: number;
  /** At most 52 bits, so that the value is an exact number (64 for an input address, whose upper half is not). */
  readonly width: number;
  /** What one step of the bits is worth: 1, or for an address field the lowest address bit it carries. */
  readonly unit: number;
  /** What it means, with its encodings. */
  readonly meaning: string;
}

/** The fields of one structure, by the name the manual gives them. */
export type Layout = Readonly<Record<string, Field>>;

/** A structure decoded whole: each field of the layout as a number. */
export type Decoded<L extends Layout> = { -readonly [Name in keyof L]: number };

export function field(lsb: number, width: number, meaning: string): Field {
  return { lsb, width, unit: 1, meaning };
}

/**
 * A field whose value is an address. The manual writes it with the address bits it carries (`S1ContextPtr[51:6]`) and places
 * them at those very bits of a doubleword, so the address bits below the field are zero.
 */
export function address(lsb: number, width: number, meaning: string): Field {
  return { lsb, width, unit: 2 ** (lsb & 63), meaning };
}

/** The value of a field of the structure that starts at `words[at]`. */
export function getField(words: Uint32Array, at: number, { lsb, width, unit }: Field): number {
  let index = at + (lsb >>> 5);
  const shift = lsb & 31;
  const inFirst = 32 - shift;
  const first = (words[index] as number) >>> shift;
  // A shift count is taken modulo 32, so a mask of 32 ones cannot be made by shifting one up.
  if (width <= inFirst) return (width === 32 ? first : (first & ((1 << width) - 1)) >>> 0) * unit;
  let value = first;
  let have = inFirst;
  while (have < width) {
    index++;
    const take = Math.min(32, width - have);
    const word = words[index] as number;
    value += (take === 32 ? word : (word & ((1 << take) - 1)) >>> 0) * 2 ** have;
    have += take;
  }
  return value * unit;
}

/** Sets a field of the structure that starts at `words[at]`; bits of `value` above and below the field are dropped. */
export function setField(words: Uint32Array, at: number, { lsb, width, unit }: Field, value: number): void {
  let index = at + (lsb >>> 5);
  let shift = lsb & 31;
  let left = width;
  let rest = unit === 1 ? value : Math.floor(value / unit);
  while (left > 0) {
    const take = Math.min(32 - shift, left);
    const ones = take === 32 ? 0xffffffff : (1 << take) - 1;
    const bits = (rest % 2 ** take) >>> 0;
    words[index] = (((words[index] as number) & ~(ones << shift)) | (bits << shift)) >>> 0;
    rest = Math.floor(rest / 2 ** take);
    left -= take;
    shift = 0;
    index++;
  }
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
