import type { Prng } from '../../../formats/index.ts';

/** Values that software gets wrong: limits, one beyond them, signs, other notations, and what is no number. */
export const NASTY: readonly string[] = [
  '0',
  '-1',
  '1',
  '4095',
  '4096',
  '65536',
  '2147483648',
  '4294967295',
  '4294967296',
  '4503599627370495',
  '4503599627370496',
  '9007199254740993',
  '18446744073709551615',
  '18446744073709551616',
  '0x0',
  '0xffffffff',
  '0xfffffffffffff000',
  '0xffffffffffffffff',
  '0x10000000000000000',
  '1e300',
  '1e999',
  '-0',
  'NaN',
  'Infinity',
  '9'.repeat(309),
  `0.${'0'.repeat(309)}1`,
  '',
  ' ',
  'null',
  'true',
  '"',
  '__proto__',
  'constructor',
  'toString',
  '\u0000',
  '\r',
  '\ufffd',
];

export function pick<T>(random: Prng, from: readonly T[]): T {
  return from[random.below(from.length)] as T;
}

/** A line with a part of it changed, left out, doubled or replaced. */
export function mutateText(random: Prng, text: string): string {
  const at = random.below(text.length + 1);
  const end = Math.min(text.length, at + 1 + random.below(12));
  switch (random.below(7)) {
    case 0:
      return text.slice(0, at) + text.slice(end);
    case 1:
      return text.slice(0, at) + text.slice(at, end).repeat(2 + random.below(3)) + text.slice(end);
    case 2:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
    case 3:
      return text.slice(0, at) + pick(random, NASTY) + text.slice(end);
    case 4:
      return text.slice(0, at);
    default:
      return replaceNumber(random, text);
  }
}

/** One of the numbers in a text becomes a nasty one. */
function replaceNumber(random: Prng, text: string): string {
  const all = [...text.matchAll(/0x[0-9a-f]+|\d+(?:\.\d+)?/gi)];
  const one = all.length === 0 ? undefined : pick(random, all);
  if (one === undefined) return text;
  return text.slice(0, one.index) + pick(random, NASTY) + text.slice(one.index + one[0].length);
}

/** Bytes with a few of them changed, left out, doubled or cut off; lengths and offsets are as likely as anything. */
export function mutateBytes(random: Prng, bytes: Uint8Array): Uint8Array {
  let out = new Uint8Array(bytes);
  for (let change = 1 + random.below(4); change > 0; change--) {
    const at = random.below(out.length);
    switch (random.below(8)) {
      case 0:
        out = out.slice(0, at);
        if (out.length === 0) return bytes.slice(0, 1);
        break;
      case 1:
        out.fill(pick(random, [0, 0xff, 0x80, 0x7f]), at, at + 1 + random.below(8));
        break;
      case 2:
        out = spliced(out, at, 1 + random.below(16), new Uint8Array(0));
        if (out.length === 0) return bytes.slice(0, 1);
        break;
      case 3:
        out = spliced(out, at, 0, out.slice(at, at + 1 + random.below(32)));
        break;
      case 4:
        out[at] = ((out[at] as number) + pick(random, [1, 255])) & 0xff;
        break;
      default:
        out[at] = (out[at] as number) ^ (1 << random.below(8));
    }
  }
  return out;
}

function spliced(bytes: Uint8Array, at: number, length: number, put: Uint8Array): Uint8Array<ArrayBuffer> {
  const end = Math.min(bytes.length, at + length);
  const out = new Uint8Array(bytes.length - (end - at) + put.length);
  out.set(bytes.subarray(0, at));
  out.set(put, at);
  out.set(bytes.subarray(end), at + put.length);
  return out;
}

/** A JSON value with one thing in it changed, left out, renamed or put in. */
export function mutateJson(random: Prng, value: unknown): unknown {
  if (random.chance(0.15) || value === null || typeof value !== 'object') return nastyValue(random, value);
  if (Array.isArray(value)) {
    const out = [...(value as unknown[])];
    const at = random.below(out.length + 1);
    if (at === out.length) out.push(nastyValue(random, out[0]));
    else if (random.chance(0.1)) out.splice(at, 1);
    else out[at] = mutateJson(random, out[at]);
    return out;
  }
  const entries = Object.entries(value);
  const at = random.below(entries.length + 1);
  const entry = entries[at];
  if (entry === undefined) entries.push([pick(random, ['__proto__', 'constructor', 'x', '']), nastyValue(random, 0)]);
  else if (random.chance(0.08)) entries.splice(at, 1);
  else entry[1] = mutateJson(random, entry[1]);
  // As JSON.parse makes them: `__proto__` is a key like any other.
  const out: Record<string, unknown> = {};
  for (const [key, one] of entries) {
    Object.defineProperty(out, key, { value: one, enumerable: true, writable: true, configurable: true });
  }
  return out;
}

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1,
  3,
  64,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 40,
  2 ** 52,
  2 ** 53,
  1e300,
  -1e300,
  1e-300,
  '',
  '0',
  'x',
  [],
  {},
  [[]],
  [null],
  '__proto__',
];

function nastyValue(random: Prng, old: unknown): unknown {
  if (typeof old === 'number' && random.chance(0.5)) return pick(random, [old + 1, old - 1, old * 2, -old, old / 3]);
  if (typeof old === 'string' && random.chance(0.6)) return mutateText(random, old);
  return pick(random, VALUES);
}
