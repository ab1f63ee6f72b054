/** A register, descriptor, command or record taken apart, whatever table it was declared in. */

import type { Layout } from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';

/** One field with its value, exact at any width. */
export interface StructureField {
  readonly name: string;
  readonly lsb: number;
  readonly width: number;
  /** Lower-case hex; of an address field, the address. */
  readonly value: string;
  /** What this value means; empty where the number speaks for itself. */
  readonly text: string;
  readonly meaning: string;
  /** Manual and section, or kernel file. */
  readonly source: string;
}

/** What a value says. */
export interface ExplainedStructure {
  readonly kind: 'descriptor' | 'register' | 'stream-table-entry' | 'context-descriptor' | 'command' | 'event';
  /** What was asked for, such as `TCR` or `0x3`. */
  readonly name: string;
  /** What it is: `VMSAv8-64 stage 1 page`. */
  readonly title: string;
  readonly bits: number;
  /** The whole value, lower-case hex. */
  readonly value: string;
  readonly fields: readonly StructureField[];
  /** What is reserved, invalid or worth knowing, one sentence each. */
  readonly remarks: readonly string[];
}

/** Bits `lsb` to `lsb + width - 1` of a value. */
export function bitsOf(value: bigint, lsb: number, width: number): bigint {
  return (value >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n);
}

/** A value in 32-bit words, lowest first. */
export function wordsOf(value: bigint, bits: number): Uint32Array {
  return Uint32Array.from({ length: Math.max(2, bits / 32) }, (_, at) => Number(bitsOf(value, 32 * at, 32)));
}

/**
 * Every field of a layout, lowest bit first.
 * @param source what defines the fields that do not say it themselves
 */
export function structureFields(fields: Layout, value: bigint, source: string): StructureField[] {
  return Object.entries(fields)
    .map(([name, field]) => {
      const { lsb, width, meaning } = field;
      const bits = bitsOf(value, lsb, width);
      return {
        name,
        lsb,
        width,
        value: hexText(bits * BigInt(field.unit)),
        text: field.values?.[Number(bits)] ?? '',
        meaning,
        source: field.source ?? source,
      };
    })
    .sort((a, b) => a.lsb - b.lsb);
}

/** Set bits that no field has, as the beginning of a sentence: `Bits 9:8, 3 are set`; null when there are none. */
export function strayBits(
  fields: readonly { readonly lsb: number; readonly width: number }[],
  value: bigint,
): string | null {
  let rest = value;
  for (const { lsb, width } of fields) rest &= ~(((1n << BigInt(width)) - 1n) << BigInt(lsb));
  const runs: string[] = [];
  for (let bit = 0n; rest >> bit !== 0n; bit++) {
    if (((rest >> bit) & 1n) === 0n) continue;
    const first = bit;
    while (((rest >> (bit + 1n)) & 1n) === 1n) bit++;
    runs.push(first === bit ? `${bit}` : `${bit}:${first}`);
  }
  if (runs.length === 0) return null;
  const one = runs.length === 1 && !runs[0]?.includes(':');
  return one ? `Bit ${runs[0]} is set` : `Bits ${runs.join(', ')} are set`;
}
