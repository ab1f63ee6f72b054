import { hexText } from '../bits/index.ts';

/** A configuration that cannot work: names the field, what was found there, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** Dotted path of the field, for example `mmu.mainTlb.ways`. */
  readonly field: string;
  /** What was found. */
  readonly value: unknown;
  /** What is allowed, as a phrase: "a power of two from 1 to 64". */
  readonly allowed: string;

  constructor(field: string, value: unknown, allowed: string) {
    super(`${field}: found ${printable(value)}, allowed: ${allowed}`);
    this.field = field;
    this.value = value;
    this.allowed = allowed;
  }
}

/** Letters of a text that a complaint repeats: it may be a whole binary file. */
const LONGEST = 120;

function printable(value: unknown): string {
  if (typeof value === 'bigint') return hexText(value);
  if (typeof value === 'number' && Number.isSafeInteger(value) && Math.abs(value) > 0xffff) return hexText(value);
  if (typeof value === 'string' && value.length > LONGEST) return JSON.stringify(`${value.slice(0, LONGEST)}...`);
  // JSON has no infinite numbers.
  return typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
}
