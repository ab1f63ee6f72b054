import { ConfigError } from '../../formats/index.ts';
import { FIELD_DOCS } from './field-docs.ts';

/**
 * Sets one field of a configuration from text, as `--set mmu.slots=32` gives it. The value is read as JSON, and as a plain
 * string where it is none; numbers may be hexadecimal (`0x1000`), and sizes in bytes may end in K, M or G. Whether field and value exist is for the schema to say, afterwards.
 * @throws ConfigError when the assignment has no `=`, or runs through something that is not an object.
 */
export function setField(config: Record<string, unknown>, assignment: string): void {
  const at = assignment.indexOf('=');
  if (at <= 0) throw new ConfigError('--set', assignment, 'path.to.field=value');
  const path = assignment.slice(0, at).split('.');
  // No field is called that, and following it would reach into every object of the program.
  if (path.some((name) => name in Object.prototype))
    throw new ConfigError('--set', assignment, 'the fields that `tablewalk config` prints');
  const last = path.pop() ?? '';
  let here = config;
  for (const [depth, key] of path.entries()) {
    const next = here[key] ?? {};
    if (typeof next !== 'object' || next === null) {
      throw new ConfigError(path.slice(0, depth + 1).join('.'), next, 'an object, for --set to go into');
    }
    here[key] = next;
    here = next as Record<string, unknown>;
  }
  here[last] = readValue(assignment.slice(at + 1), FIELD_DOCS.get(assignment.slice(0, at))?.unit === 'bytes');
}

const SIZES: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function readValue(text: string, isSize: boolean): unknown {
  if (/^0x[0-9a-f]+$/i.test(text)) return Number(text);
  const size = isSize ? /^(\d+)([kmg])(?:i?b)?$/i.exec(text) : null;
  if (size !== null) return Number(size[1]) * (SIZES[(size[2] ?? '').toLowerCase()] ?? 1);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
