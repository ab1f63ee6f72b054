/** Hexadecimal digits of an id: with a million runs, two share one with a chance of 2 in 1000 at 48 bits, of 1 in 30 million at 64. */
const DIGITS = 16;

/** A name for a configuration that is the same wherever and whenever it is made: the beginning of the SHA-256 of its canonical JSON. */
export async function runId(config: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(canonical(config)));
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest.subarray(0, DIGITS / 2), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The same value with the fields of every object in the order of their names. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, canonical(field)]),
  );
}
