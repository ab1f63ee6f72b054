import type * as v from 'valibot';
import { ConfigError } from '../../formats/index.ts';

type Schema = v.GenericSchema | v.ObjectEntries[string];

/** Larger numbers are not exact, and neither would be anything that they are added to. */
const LARGEST = Number.MAX_SAFE_INTEGER;

/**
 * Refuses what a schema lets through: a list or nothing where fields belong, names that every object has anyway, and numbers with
 * which costs could not be added up.
 * @throws ConfigError for the first field that is so
 */
export function checkShape(schema: Schema | undefined, input: unknown, path = ''): void {
  const field = path || 'configuration';
  if (typeof input === 'number' && !(Math.abs(input) <= LARGEST)) {
    throw new ConfigError(field, input, 'a number up to 2^53, as far as numbers are exact');
  }
  const entries = entriesOf(schema);
  if (entries !== undefined && input !== undefined && !isObject(input)) {
    throw new ConfigError(field, input, 'an object');
  }
  if (typeof input !== 'object' || input === null) return;
  for (const [key, value] of Object.entries(input)) {
    const at = path === '' ? key : `${path}.${key}`;
    // A schema finds such names in the object that all objects come from, and assigning to the first one changes that.
    if (key === '__proto__' || (key in Object.prototype && entries !== undefined)) {
      throw new ConfigError(at, value, `no such field; the fields here are ${Object.keys(entries ?? {}).join(', ')}`);
    }
    checkShape(entries?.[key], value, at);
  }
}

/** The schema below pipes and defaults. */
export function objectOf(schema: Schema): Schema {
  let here = schema;
  while ('wrapped' in here) here = here.wrapped as Schema;
  return here;
}

/** The fields that a schema has, where it is one of an object that must be one. */
function entriesOf(schema: Schema | undefined): v.ObjectEntries | undefined {
  let here = schema;
  while (here !== undefined && 'wrapped' in here) {
    const type: string = here.type;
    if (type === 'nullable' || type === 'nullish') return undefined;
    here = here.wrapped as Schema;
  }
  return here !== undefined && 'entries' in here ? (here.entries as v.ObjectEntries) : undefined;
}

/** Whether a value is an object with fields, and no list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
