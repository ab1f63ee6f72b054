import { ConfigError } from '../../../formats/index.ts';
import { FIELD_DOCS, hasField, perhaps, RunConfigSchema } from '../../config/index.ts';

/** One thing that is varied. */
export interface Variation {
  /** What people call it: `allocator`. */
  readonly name: string;
  /** Its field in the configuration: `table.allocator`. */
  readonly field: string;
  /** The values that it takes, as `--set` would be given them. */
  readonly values: readonly string[];
}

/** Options of the command line that stand for fields. */
export interface FieldNames {
  /** The field that an option stands for; null where there is no such option. */
  fieldOf(option: string): string | null;
  readonly options: readonly string[];
}

/** The most values of one range. */
const MAX_VALUES = 1_000_000;

const RANGES = 'a range that grows: 1..8, 0..64+16 or 4..4096*2';

/** `16..4096*2` at the end of a value, with what stands before it: `pool:high=16..4096*2`. */
const RANGE = /^(.*?)(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?:([+*])(\d+(?:\.\d+)?))?$/;

/**
 * Reads `name=value,value,...`. A value may be a range: `1..8`, `0..64+16`, `4..4096*2`; a list such as `[1,2]` is one value.
 * @throws ConfigError for a name that is no field, and for values that are none, empty, or there twice
 */
export function parseVariation(text: string, names: FieldNames): Variation {
  const at = text.indexOf('=');
  const values = splitValues(text.slice(at + 1)).flatMap(expandRange);
  if (at < 1 || values.includes('') || new Set(values).size !== values.length) {
    throw new ConfigError('--vary', text, 'name=value,value with different values, or a range such as 4..4096*2');
  }
  const name = text.slice(0, at);
  return { name, field: fieldNamed(name, names), values };
}

/** The field that a name stands for: an option of replay, or the field itself. @throws ConfigError */
export function fieldNamed(name: string, names: FieldNames): string {
  const field = names.fieldOf(name) ?? name;
  if (hasField(RunConfigSchema, field.split('.'))) return field;
  const meant = perhaps(name, [...names.options, ...FIELD_DOCS.keys()]);
  throw new ConfigError(
    '--vary',
    name,
    `${meant}a field that tablewalk config prints, or one of ${names.options.join(', ')}`,
  );
}

/** Every choice of one value from each variation; the last varies fastest. */
export function combinationsOf(variations: readonly Variation[]): string[][] {
  let combinations: string[][] = [[]];
  for (const { values } of variations) {
    combinations = combinations.flatMap((begun) => values.map((value) => [...begun, value]));
  }
  return combinations;
}

/** Cuts at commas, but not inside a list such as `[1,2]`. */
function splitValues(text: string): string[] {
  const values = [''];
  let depth = 0;
  for (const letter of text) {
    if (letter === '[' || letter === '{') depth++;
    else if (letter === ']' || letter === '}') depth--;
    if (letter === ',' && depth === 0) values.push('');
    else values[values.length - 1] += letter;
  }
  return values;
}

function expandRange(value: string): string[] {
  const match = RANGE.exec(value);
  if (match === null && !/\d\.\.[\d-]/.test(value)) return [value];
  if (match === null) throw new ConfigError('--vary', value, RANGES);
  const [, before = '', first = '', last = '', operator = '+', by = '1'] = match;
  const from = Number(first);
  const to = Number(last);
  const step = Number(by);
  const times = operator === '*';
  if (from > to || (times ? from <= 0 || step <= 1 : step <= 0)) {
    throw new ConfigError('--vary', value, RANGES);
  }
  const count = Math.floor((times ? Math.log(to / from) / Math.log(step) : (to - from) / step) + 1e-9) + 1;
  if (count > MAX_VALUES) throw new ConfigError('--vary', value, `a range of at most ${MAX_VALUES} values`);
  // Twelve digits: 0.1 + 0.2 is 0.3 here.
  const valueAt = (at: number): number => Number((times ? from * step ** at : from + step * at).toPrecision(12));
  return Array.from({ length: count }, (_, at) => `${before}${valueAt(at)}`);
}
