/** Comparing the tables in memory with those that a vector's dump lists, byte for byte. */

import { explainDescriptor, type IoPgtable, type TableMemory, TWO_32 } from '../../../formats/index.ts';
import { hexText } from '../../quantity.ts';
import type { DumpedTable } from './vector.ts';

/** One table entry that is not what it should be. */
export interface TableDifference {
  readonly expected: string;
  readonly actual: string;
  /** Field by field, where both are descriptors. */
  readonly details: readonly string[];
}

interface LiveTable {
  readonly pa: number;
  readonly level: number;
  readonly size: number;
}

/** The first difference between the dump and the tables of `table`, or null. */
export function findTableDifference(
  dump: readonly DumpedTable[],
  table: IoPgtable,
  memory: TableMemory,
): TableDifference | null {
  const live: LiveTable[] = [];
  table.visitTables((pa, level, size) => live.push({ pa, level, size }));
  for (let i = 0; i < Math.max(dump.length, live.length); i++) {
    const expected = describeDumped(dump[i]);
    const actual = describeLive(live[i]);
    if (expected !== actual) return { expected, actual, details: [] };
  }
  for (const dumped of dump) {
    const difference = compareContents(dumped, table, memory);
    if (difference !== null) return difference;
  }
  return null;
}

function describeDumped(table: DumpedTable | undefined): string {
  return table === undefined ? 'no further table' : `table ${table.phys} level ${table.level} size ${table.size}`;
}

function describeLive(table: LiveTable | undefined): string {
  if (table === undefined) return 'no further table';
  return `table ${hexText(table.pa)} level ${table.level} size ${hexText(table.size)}`;
}

function compareContents(dumped: DumpedTable, table: IoPgtable, memory: TableMemory): TableDifference | null {
  const wordsPerEntry = table.config.format === 'ARM_V7S' ? 1 : 2;
  const size = Number(dumped.size);
  const entries = [...dumped.ents, ...(dumped.tail ?? [])];
  const end = entries.reduce((most, [index, , count = 1]) => Math.max(most, (index + count) * wordsPerEntry), size / 4);
  const wanted = new Uint32Array(end);
  for (const entry of entries) fillEntry(wanted, entry, wordsPerEntry);
  const at = memory.index(Number(dumped.phys));
  const { words } = memory;
  for (let i = 0; i < end; i++) {
    if (wanted[i] === words[at + i]) continue;
    const first = i - (i % wordsPerEntry);
    return describeEntry(dumped, table, first / wordsPerEntry, [
      pair(wanted, first, wordsPerEntry),
      pair(words, at + first, wordsPerEntry),
    ]);
  }
  return null;
}

/** Writes one dumped entry, or a run of them, whose values are taken modulo 2^64. */
function fillEntry(words: Uint32Array, entry: DumpedTable['ents'][number], wordsPerEntry: number): void {
  const [index, value, count = 1, stride = '0x0'] = entry;
  let [low, high] = halves(value);
  const [lowStep, highStep] = halves(stride);
  for (let i = index; i < index + count; i++) {
    words[i * wordsPerEntry] = low;
    if (wordsPerEntry === 2) words[i * 2 + 1] = high;
    low += lowStep;
    high = (high + highStep + (low >= TWO_32 ? 1 : 0)) >>> 0;
    low = low >>> 0;
  }
}

/** A hexadecimal number of up to 64 bits as its lower and upper half. */
function halves(hex: string): [low: number, high: number] {
  return [Number.parseInt(hex.slice(2).slice(-8), 16), Number.parseInt(hex.slice(2, -8) || '0', 16)];
}

interface Descriptor {
  readonly low: number;
  readonly high: number;
}

function pair(words: Uint32Array, at: number, wordsPerEntry: number): Descriptor {
  return { low: words[at] ?? 0, high: wordsPerEntry === 2 ? (words[at + 1] ?? 0) : 0 };
}

function describeEntry(
  dumped: DumpedTable,
  table: IoPgtable,
  index: number,
  [wanted, found]: readonly [Descriptor, Descriptor],
): TableDifference {
  const place = `table ${dumped.phys} level ${dumped.level} entry ${index}`;
  const { format, quirks } = table.config;
  const { granuleShift } = table.geometry;
  const left = explainDescriptor(format, dumped.level, wanted.low, wanted.high, quirks, granuleShift);
  const right = explainDescriptor(format, dumped.level, found.low, found.high, quirks, granuleShift);
  const details: string[] = [];
  if (left.title !== right.title) {
    details.push(`kind: expected ${left.title}, found ${right.title}`);
  } else {
    for (const [i, field] of left.fields.entries()) {
      const other = right.fields[i];
      if (other === undefined || other.value === field.value) continue;
      const bits = field.width === 1 ? `bit ${field.lsb}` : `bits ${field.lsb + field.width - 1}:${field.lsb}`;
      details.push(`${field.name} (${bits}): expected ${shown(field)}, found ${shown(other)}`);
    }
  }
  return { expected: `${place} = ${whole(wanted)}`, actual: `${place} = ${whole(found)}`, details };
}

function shown(field: { readonly value: number; readonly text: string }): string {
  const value = hexText(field.value);
  return field.text === '' ? value : `${value} (${field.text})`;
}

function whole({ low, high }: Descriptor): string {
  return `0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`;
}
