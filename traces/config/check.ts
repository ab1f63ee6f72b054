import * as v from 'valibot';
import { allowedBy, ConfigError } from '../../formats/index.ts';
import { perhaps } from './did-you-mean.ts';
import { checkShape, objectOf } from './shape.ts';

type Schema = v.GenericSchema | v.ObjectEntries[string];

/** Fields that had another name once. */
const RENAMED: Readonly<Record<string, string>> = { 'mmu.interface': 'mmu.tbu' };

/**
 * Checks plain JSON against a schema and fills in the defaults.
 * @throws ConfigError for the first field that is wrong: its dotted path, what was found, what is allowed.
 */
export function checkConfig<const S extends v.GenericSchema>(schema: S, input: unknown): v.InferOutput<S> {
  checkShape(schema, input);
  const parsed = v.safeParse(schema, input, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const path = (issue.path ?? []).map((step) => String(step.key));
  if (issue.expected === 'never') {
    // A field that is not there: its neighbours are what is allowed.
    const fields = fieldsAt(schema, path.slice(0, -1));
    const renamed = RENAMED[path.join('.')];
    const meant = renamed === undefined ? perhaps(path[path.length - 1] ?? '', fields) : perhaps(renamed, [renamed]);
    throw new ConfigError(
      path.join('.'),
      issue.input,
      `no such field; ${meant}the fields here are ${fields.join(', ')}`,
    );
  }
  throw new ConfigError(path.join('.') || 'configuration', issue.input, allowedBy(issue));
}

/** The names of the fields of the object at `path`, empty where there is no object. */
function fieldsAt(schema: Schema, path: readonly string[]): string[] {
  let here: Schema | undefined = objectOf(schema);
  for (const key of path) {
    here = here === undefined ? undefined : entriesOf(here)?.[key];
    if (here !== undefined) here = objectOf(here);
  }
  return here === undefined ? [] : Object.keys(entriesOf(here) ?? {});
}

/** Whether there is a field at `path`. */
export function hasField(schema: Schema, path: readonly string[]): boolean {
  return fieldsAt(schema, path.slice(0, -1)).includes(path[path.length - 1] ?? '');
}

function entriesOf(schema: Schema): v.ObjectEntries | undefined {
  return 'entries' in schema ? (schema.entries as v.ObjectEntries) : undefined;
}
