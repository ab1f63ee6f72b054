/** Fields that panthor's cases have in common. */
import * as v from 'valibot';
import type { CaseFields } from '../runner.ts';

const HEX = v.regex<string, string>(/^0x[0-9a-f]{1,16}$/, 'a hexadecimal number such as "0x1000"');

/** An address or a size of up to 64 bits whose low bits are clear, or all ones: then it becomes 2^64. */
export const span = v.pipe(
  v.string(),
  HEX,
  v.transform((text) => Number(text)),
);

/** A 64-bit register as its halves. */
export const halves = v.pipe(
  v.string(),
  HEX,
  v.transform((text) => {
    const value = BigInt(text);
    return { low: Number(value & 0xffffffffn), high: Number(value >> 32n) };
  }),
);

/** Bits of an address that a table can have. */
export const addressBits = v.pipe(v.number(), v.integer(), v.minValue(32), v.maxValue(48));

/** A value that is only compared. */
export const recorded = v.pipe(v.string(), HEX);

/** A scatter list: pairs of address and length. */
export const scatterList = v.array(v.strictTuple([span, span]));

export function has(line: CaseFields, ...fields: readonly string[]): boolean {
  return fields.every((field) => Object.hasOwn(line, field));
}

/** Whether the operations of a case, or its only one, have this field. */
export function firstOpHas(line: CaseFields, ...fields: readonly string[]): boolean {
  const ops = line['ops'];
  const [first] = Array.isArray(ops) ? (ops as readonly unknown[]) : [];
  return typeof first === 'object' && first !== null && has(first as CaseFields, ...fields);
}
