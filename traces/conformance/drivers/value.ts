import { hexText } from '../../quantity.ts';

/** Values of recorded events and fields against values of ours: numbers and booleans here, hexadecimal strings and JSON there. */

/** True when `found` is what was recorded. A number equals a number or a hexadecimal string; lists and objects go field by field. */
export function sameValue(found: unknown, recorded: unknown): boolean {
  if (typeof found === 'number' || typeof found === 'bigint') {
    if (typeof recorded === 'number') return Number(found) === recorded;
    if (typeof recorded !== 'string' || !/^0x[0-9a-f]{1,16}$/.test(recorded)) return false;
    if (typeof found === 'bigint' || found > Number.MAX_SAFE_INTEGER) {
      return Number.isInteger(Number(found)) && BigInt(recorded) === BigInt(found);
    }
    return Number(recorded) === found;
  }
  if (typeof found !== 'object' || found === null) return found === recorded;
  if (typeof recorded !== 'object' || recorded === null || Array.isArray(found) !== Array.isArray(recorded)) {
    return false;
  }
  const mine = Object.entries(found);
  const theirs = recorded as Readonly<Record<string, unknown>>;
  return mine.length === Object.keys(theirs).length && mine.every(([key, value]) => sameValue(value, theirs[key]));
}

/** Values in one line for a person: larger numbers in hexadecimal, as they were recorded. */
export function describeValues(values: readonly unknown[]): string {
  return values.map(describeValue).join(' ');
}

export function describeValue(value: unknown): string {
  if (typeof value === 'number') return value > 9 ? hexText(value) : String(value);
  if (typeof value === 'bigint') return hexText(value);
  if (typeof value === 'string') return value.replaceAll('\n', ' ');
  const inner = (_: string, part: unknown): unknown =>
    typeof part === 'bigint' || (typeof part === 'number' && part > 9) ? hexText(part) : part;
  return JSON.stringify(value, inner) ?? 'none';
}

export function hex64(low: number, high: number): string {
  return high === 0 ? hexText(low) : `${hexText(high)}${low.toString(16).padStart(8, '0')}`;
}
