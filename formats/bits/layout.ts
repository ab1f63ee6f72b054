/** Structures as tables of fields: reading, writing and explaining all fields of one by their names. */
import {
  type BitField,
  type DescriptorWords,
  decodeField,
  encodeField,
  getField,
  type PlacedField,
  placeField,
  setField,
} from './field.ts';

/** The fields of one structure, by the name the manual gives them. */
export type Layout = Readonly<Record<string, PlacedField>>;

/** A structure decoded whole: each field of the layout as a number. */
export type Decoded<L extends Layout> = { -readonly [Name in keyof L]: number };

/** One kind of descriptor: what each of its bits means. Bits that no field names are ignored or zero. */
export interface DescriptorLayout<Name extends string = string> {
  /** What a person calls it: "VMSAv8-64 stage 1 page". */
  readonly title: string;
  /** Size of the descriptor in bits. */
  readonly bits: number;
  readonly fields: Readonly<Record<Name, PlacedField>>;
}

/** One field of one structure, taken apart. */
export interface ExplainedField {
  readonly name: string;
  readonly lsb: number;
  readonly width: number;
  /** The field's value; an address field's value is the address it stands for. */
  readonly value: number;
  /** What this value means, or an empty string where the number speaks for itself. */
  readonly text: string;
  readonly meaning: string;
  readonly source: string;
}

/** Declares a layout: the fields get their places, and their names become part of its type. */
export function layout<Name extends string>(
  title: string,
  bits: number,
  specs: Readonly<Record<Name, BitField>>,
): DescriptorLayout<Name> {
  const fields = {} as Record<Name, PlacedField>;
  for (const name of Object.keys(specs) as Name[]) fields[name] = placeField(specs[name]);
  return { title, bits, fields };
}

/** A descriptor of up to 64 bits with the named fields set and every other bit zero. */
export function encode<Name extends string>(
  of: DescriptorLayout<Name>,
  values: Readonly<Partial<Record<Name, number>>>,
): DescriptorWords {
  let low = 0;
  let high = 0;
  for (const name of Object.keys(values) as Name[]) {
    const words = encodeField(of.fields[name], values[name] ?? 0);
    low = (low | words.low) >>> 0;
    high = (high | words.high) >>> 0;
  }
  return { low, high };
}

/** All fields of a descriptor of up to 64 bits by name. */
export function decode<Name extends string>(
  of: DescriptorLayout<Name>,
  low: number,
  high: number,
): Record<Name, number> {
  const values = {} as Record<Name, number>;
  for (const name of Object.keys(of.fields) as Name[]) values[name] = decodeField(of.fields[name], low, high);
  return values;
}

/** Every field of the structure at `words[at]`, decoded. For printing and tests; code that runs often reads the fields it needs. */
export function decodeAll<L extends Layout>(fields: L, words: Uint32Array, at: number): Decoded<L> {
  const decoded: Partial<Record<keyof L, number>> = {};
  for (const name of Object.keys(fields) as (keyof L)[])
    decoded[name] = getField(words, at, fields[name] as PlacedField);
  return decoded as Decoded<L>;
}

/** Sets the named fields of the structure at `words[at]`, leaving the others as they are. */
export function encodeInto<L extends Layout>(
  fields: L,
  words: Uint32Array,
  at: number,
  values: Partial<Readonly<Record<keyof L, number>>>,
): void {
  for (const name of Object.keys(values) as (keyof L)[]) {
    setField(words, at, fields[name] as PlacedField, values[name] as number);
  }
}

/** Every field of the structure at `words[at]` with its value and what that value means, lowest bit first. */
export function explainFields(fields: Layout, words: Uint32Array, at: number): ExplainedField[] {
  return Object.entries(fields)
    .map(([name, field]) => {
      const value = getField(words, at, field);
      const { lsb, width, meaning, source = '' } = field;
      return { name, lsb, width, value, text: field.values?.[value / field.unit] ?? '', meaning, source };
    })
    .sort((a, b) => a.lsb - b.lsb);
}

/** The same for a descriptor of up to 64 bits. */
export function explain(of: DescriptorLayout, low: number, high: number): ExplainedField[] {
  return explainFields(of.fields, Uint32Array.of(low, high), 0);
}
