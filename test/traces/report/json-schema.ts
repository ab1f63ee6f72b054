/** The part of JSON Schema that the report's schema uses. Stricter than the standard: a field that is not described is a mismatch. */
export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

/** Where a value does not fit a schema; empty when it does. */
export function mismatches(root: Schema, value: unknown, schema: Schema = root, path = '$'): string[] {
  const { $ref, anyOf, type } = schema;
  if ($ref !== undefined) {
    const name = $ref.replace('#/$defs/', '');
    const target = root.$defs?.[name];
    return target === undefined ? [`${path}: no ${$ref}`] : mismatches(root, value, target, path);
  }
  if (anyOf !== undefined) {
    const each = anyOf.map((one) => mismatches(root, value, one, path));
    return each.find((found) => found.length === 0) ?? each.flat();
  }
  if ('const' in schema && value !== schema.const) return [`${path}: not ${schema.const}`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${path}: none of ${schema.enum.join()}`];
  if (type !== undefined && !isOfType(type, value)) return [`${path}: no ${type}`];
  if (typeof value === 'number' && value < (schema.minimum ?? value)) return [`${path}: below ${schema.minimum}`];
  if (typeof value === 'string' && !new RegExp(schema.pattern ?? '').test(value)) return [`${path}: another form`];
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((one, at) => mismatches(root, one, items, `${path}[${at}]`));
  }
  if (typeof value !== 'object' || value === null) return [];
  const fields = Object.entries(value);
  const missing = (schema.required ?? []).filter((key) => !(key in value)).map((key) => `${path}: ${key} is missing`);
  if (schema.properties === undefined && schema.additionalProperties === undefined) return missing;
  return fields.reduce((found, [key, one]) => {
    const inner = schema.properties?.[key] ?? schema.additionalProperties;
    return found.concat(
      inner === undefined ? `${path}: ${key} is not described` : mismatches(root, one, inner, `${path}.${key}`),
    );
  }, missing);
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'null') return value === null;
  return typeof value === type && value !== null && !Array.isArray(value);
}
