/**
 * The vocabulary in which descriptor layouts are written: one table per layout says what every bit is, and the encoder, the
 * decoder and the explainer all read that table. Descriptors of 64 bits travel as two unsigned 32-bit halves.
 */

import { TWO_32 } from '../address.ts';

/** A run of bits of a descriptor. */
export interface BitField {
  /** Position of the lowest bit, 0 to 63. */
  readonly lsb: number;
  /** Number of bits, 1 to 52. */
  readonly width: number;
  /** What the bits mean, as one phrase. */
  readonly meaning: string;
  /** What single values mean; values that are not listed are plain numbers. */
  readonly values?: Readonly<Record<number, string>>;
  /** True when the bits are address bits: the field's value times 2**lsb is an address. */
  readonly address?: boolean;
  /** Manual and section (or kernel file, for software bits) that defines the field. */
  readonly source: string;
}

/** One kind of descriptor: what each of its bits means. Bits that no field names are ignored or zero. */
export interface DescriptorLayout<Name extends string = string> {
  /** What a person calls it: "VMSAv8-64 stage 1 page". */
  readonly title: string;
  /** Size of the descriptor in bits. */
  readonly bits: 32 | 64;
  readonly fields: Readonly<Record<Name, BitField>>;
}

/** A descriptor value as two unsigned halves (`high` is 0 for a 32-bit descriptor). */
export interface DescriptorWords {
  readonly low: number;
  readonly high: number;
}

/** One field of one descriptor, taken apart. */
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

/** Declares a layout; exists so that the field names become part of its type. */
export function layout<Name extends string>(
  title: string,
  bits: 32 | 64,
  fields: Readonly<Record<Name, BitField>>,
): DescriptorLayout<Name> {
  return { title, bits, fields };
}

/** Bits of `field` in the low half. */
export function lowMask(field: BitField): number {
  return halfMask(field.lsb, field.lsb + field.width);
}

/** Bits of `field` in the high half. */
export function highMask(field: BitField): number {
  return halfMask(field.lsb - 32, field.lsb + field.width - 32);
}

/** Bits [from, to) of a 32-bit half, both clipped to it. */
function halfMask(from: number, to: number): number {
  const start = Math.min(Math.max(from, 0), 32);
  const end = Math.min(Math.max(to, 0), 32);
  return 2 ** end - 2 ** start;
}

/** The number that `field` holds in a descriptor. */
export function decodeField(field: BitField, low: number, high: number): number {
  const inLow = (low & lowMask(field)) >>> 0;
  const inHigh = (high & highMask(field)) >>> 0;
  return (inHigh * TWO_32 + inLow) / 2 ** field.lsb;
}

/** The descriptor bits for `value` in `field`. Bits of `value` that do not fit are dropped, as hardware registers drop them. */
export function encodeField(field: BitField, value: number): DescriptorWords {
  const fitting = value % 2 ** field.width;
  const shifted = fitting * 2 ** (field.lsb % 32);
  const first = (shifted % TWO_32) >>> 0;
  const second = Math.floor(shifted / TWO_32) >>> 0;
  return field.lsb < 32 ? { low: first, high: second } : { low: 0, high: first };
}

/** A descriptor with the named fields set and every other bit zero. */
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

/** All fields of a descriptor by name. */
export function decode<Name extends string>(
  of: DescriptorLayout<Name>,
  low: number,
  high: number,
): Record<Name, number> {
  const values = {} as Record<Name, number>;
  for (const name of Object.keys(of.fields) as Name[]) values[name] = decodeField(of.fields[name], low, high);
  return values;
}

/** Every field of a descriptor with its value and what that value means, lowest bit first. */
export function explain(of: DescriptorLayout, low: number, high: number): ExplainedField[] {
  return Object.entries(of.fields)
    .map(([name, field]) => {
      const raw = decodeField(field, low, high);
      return {
        name,
        lsb: field.lsb,
        width: field.width,
        value: field.address === true ? raw * 2 ** field.lsb : raw,
        text: field.values?.[raw] ?? '',
        meaning: field.meaning,
        source: field.source,
      };
    })
    .sort((a, b) => a.lsb - b.lsb);
}
