/**
 * What a real driver did, in order, as vectors write it: reads and writes of registers with their values, delays, and named events
 * (a table was edited, a warning fired, a fault handler ran). This file is the schema of register events and delays:
 *
 *     ["r32", offset, value]           one read; r64, w32, w64 likewise
 *     ["r32", offset, value, n]        n identical reads in a row
 *     ["r32", offset, value, n, us]    n identical reads, each followed by a delay of `us` microseconds
 *     ["w32", offset, value, n, step]  n writes to the same offset; the value grows by `step` each, and wraps at its width
 *     ["udelay", us]                   a delay outside such a run
 *
 * Offsets and values are lower-case hexadecimal strings, counts and times are numbers. Named events are a kind and any JSON values.
 */
import * as v from 'valibot';

/** One thing a driver did: its kind, then its values. */
export type DriverEvent = readonly [kind: string, ...values: unknown[]];

/** Most repetitions that one event may stand for: a poll makes ten thousand reads, a flush of 4 GiB a million writes. */
const MOST_REPEATED = 2 ** 20;
const OFFSET = /^0x[0-9a-f]{1,8}$/;
const VALUES: Readonly<Record<string, RegExp>> = {
  r32: OFFSET,
  w32: OFFSET,
  r64: /^0x[0-9a-f]{1,16}$/,
  w64: /^0x[0-9a-f]{1,16}$/,
};

/** True for an event list whose register events and delays have the form above. */
export function isEventList(value: unknown): value is readonly DriverEvent[] {
  return Array.isArray(value) && value.every(isEvent);
}

/** An `ev` field of a case. */
export const eventList = v.custom<readonly DriverEvent[]>(
  isEventList,
  'a list of events such as ["r32","0x2428","0x0"] or ["udelay",10]',
);

function isEvent(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [kind, first, second, count, last] = value as readonly unknown[];
  if (typeof kind !== 'string') return false;
  if (kind === 'udelay') return value.length === 2 && isCount(first, Number.MAX_SAFE_INTEGER);
  const form = Object.hasOwn(VALUES, kind) ? VALUES[kind] : undefined;
  if (form === undefined) return true;
  if (value.length < 3 || value.length > 5 || !matches(OFFSET, first) || !matches(form, second)) return false;
  if (value.length > 3 && (!isCount(count, MOST_REPEATED) || count === 0)) return false;
  // Only reads repeat without a fifth value: of a write it is the step.
  if (value.length === 4) return kind.startsWith('r');
  return value.length === 3 || isCount(last, 2 ** 32);
}

function matches(form: RegExp, value: unknown): boolean {
  return typeof value === 'string' && form.test(value);
}

function isCount(value: unknown, most: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}
