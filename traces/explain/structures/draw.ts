/** Structures and addresses as text: a ruler of bits, and under it what each field says. */
import { hexText, sizeText } from '../../quantity.ts';
import type { AddressSplit } from './address-split.ts';
import { bitsOf, type ExplainedStructure, type StructureField } from './structure.ts';

const ROW = 32;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const NO_FIELD = '.';

/** Every line of a structure: title, ruler, fields, remarks. */
export function structureLines(structure: ExplainedStructure): string[] {
  const { name, title, value, fields, remarks, bits } = structure;
  const heading = name === value ? `${value}: ${title}` : `${name} = ${value}: ${title}`;
  return [
    heading,
    ...(fields.length === 0 ? [] : rulerLines(BigInt(value), bits, fields)),
    ...fieldLines(fields, bits),
    ...remarks.map((remark) => `  ${remark}`),
  ];
}

/** Rows of 32 bits, highest first: bit numbers, the bits, and the letter of the field that each belongs to. Rows of zeros are left out. */
function rulerLines(value: bigint, bits: number, fields: readonly StructureField[]): string[] {
  const owner = new Array<string>(bits).fill(NO_FIELD);
  for (const [at, { lsb, width }] of fields.entries()) owner.fill(letterOf(at), lsb, lsb + width);
  const lines: string[] = [];
  for (let top = bits; top > 0; top -= ROW) {
    if (bits > 2 * ROW && bitsOf(value, top - ROW, ROW) === 0n) continue;
    const columns = Array.from({ length: ROW }, (_, at) => top - 1 - at);
    lines.push(
      `  ${columns.map((bit) => (bit % 4 === 3 || bit % 4 === 2 ? numberPart(bit) : '  ')).join('')}`.trimEnd(),
      `  ${columns.map((bit) => `${bitsOf(value, bit, 1)} `).join('')}`.trimEnd(),
      `  ${columns.map((bit) => `${owner[bit] ?? NO_FIELD} `).join('')}`.trimEnd(),
    );
  }
  return lines;
}

/** The number of bit 4n+3, up to three digits in the room of two bits. */
function numberPart(bit: number): string {
  const text = String(bit | 3).padEnd(4);
  return bit % 4 === 3 ? text.slice(0, 2) : text.slice(2);
}

function letterOf(at: number): string {
  return LETTERS[at % LETTERS.length] ?? NO_FIELD;
}

function fieldLines(fields: readonly StructureField[], bits: number): string[] {
  const large = bits > 2 * ROW;
  const shown = fields.map((field, at) => ({ field, at })).filter(({ field }) => !large || field.value !== '0x0');
  const width = Math.max(0, ...shown.map(({ field }) => field.name.length));
  const values = Math.max(0, ...shown.map(({ field }) => field.value.length));
  const lines = shown.map(({ field, at }) => {
    const place = field.width === 1 ? `${field.lsb}` : `${field.lsb + field.width - 1}:${field.lsb}`;
    const text = field.text === '' ? field.meaning : `${field.text} (${field.meaning})`;
    const source = field.source === '' ? '' : ` {${field.source}}`;
    return `  ${letterOf(at)} ${`[${place}]`.padEnd(9)} ${field.name.padEnd(width)} ${field.value.padEnd(values)}  ${text}${source}`;
  });
  if (shown.length < fields.length) {
    const zero = fields.filter(({ value }) => value === '0x0').map(({ name }) => name);
    lines.push(`  0: ${zero.join(' ')}`);
  }
  return lines;
}

/** An address cut into indexes, drawn over its bits. */
export function splitLines(split: AddressSplit): string[] {
  const { iova, ias, granule, joined, parts, beyond } = split;
  const value = BigInt(iova);
  const boxes = parts
    .filter(({ width }) => width > 0)
    .map(({ level, lsb, width }) => {
      const label = level === null ? 'offset' : `level ${level}`;
      const bits = bitsOf(value, lsb, width).toString(2).padStart(width, '0');
      const place = `${lsb + width - 1}:${lsb}`;
      const room = Math.max(label.length, bits.length, place.length);
      return [label, place, bits].map((text) => ` ${text.padEnd(room)} `);
    });
  const row = (at: number): string => `  |${boxes.map((box) => box[at]).join('|')}|`;
  const lines = [
    `${iova}: ${ias}-bit input, ${granule / 1024} KiB granule${joined > 1 ? `, ${joined} first-level tables joined` : ''}`,
    row(0),
    row(1),
    row(2),
  ];
  for (const { level, lsb, width, index, offset, covers } of parts) {
    const bits = width === 0 ? 'no bits' : `bits ${lsb + width - 1}:${lsb}`;
    lines.push(
      level === null
        ? `  ${bits}: offset ${hexText(offset)} in the page`
        : `  ${bits}: entry ${index} of the level ${level} table, at +${hexText(offset)}; an entry covers ${sizeText(covers)}`,
    );
  }
  if (beyond !== '') {
    lines.push(
      `  Bits above ${ias - 1} are set (${beyond}): outside the input size, a translation fault at the first level.`,
    );
  }
  return lines;
}
