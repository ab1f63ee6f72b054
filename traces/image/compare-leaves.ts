import { InputError } from '../input-error.ts';
import type { LeafRecord } from './leaf-list.ts';

/** A leaf list as a file gives it: it may leave fields out, and those are not compared. */
export type ExpectedLeaf = Readonly<Record<string, unknown>>;

/** One difference between what was found and what was expected. */
export interface LeafDifference {
  readonly kind: 'missing' | 'extra' | 'different';
  readonly sid: number;
  readonly iova: string;
  /** For `different`: "pa: expected 0x1000, found 0x2000". Else what the leaf is. */
  readonly what: string;
}

/** Reads a leaf list: one JSON object per line. @param file what it is called in complaints @throws InputError naming the line */
export function parseLeafList(file: string, text: string): ExpectedLeaf[] {
  const leaves: ExpectedLeaf[] = [];
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const where = `line ${index + 1}`;
    let leaf: unknown;
    try {
      leaf = JSON.parse(line);
    } catch {
      throw new InputError(file, where, line.slice(0, 60), 'one JSON object per line');
    }
    if (typeof leaf !== 'object' || leaf === null || Array.isArray(leaf)) {
      throw new InputError(file, where, line.slice(0, 60), 'a leaf {sid, iova, pa, size, ...}');
    }
    const { iova } = leaf as { iova?: unknown };
    if (typeof iova !== 'string' || !/^0x[0-9a-f]+$/i.test(iova)) {
      throw new InputError(file, where, `iova ${JSON.stringify(iova) ?? 'missing'}`, 'a string such as "0xfffe0000"');
    }
    leaves.push(leaf as ExpectedLeaf);
  }
  return leaves;
}

/** How a list came to be is no part of what it says of the tables. */
const INFERRED = 'inferred' satisfies keyof LeafRecord;

/** Compares leaves as they are found with a list; fields that the list leaves out are not looked at. */
export class LeafComparison {
  readonly differences: LeafDifference[] = [];
  /** Leaves that are equal in all fields. */
  equal = 0;
  readonly #expected = new Map<string, ExpectedLeaf>();

  constructor(expected: readonly ExpectedLeaf[]) {
    for (const leaf of expected) this.#expected.set(keyOf(leaf), leaf);
  }

  /** Takes the next leaf that was found. */
  found(leaf: LeafRecord): void {
    const key = keyOf({ ...leaf });
    const expected = this.#expected.get(key);
    if (expected === undefined) {
      this.differences.push({ kind: 'extra', sid: leaf.sid, iova: leaf.iova, what: summary({ ...leaf }) });
      return;
    }
    this.#expected.delete(key);
    const fields: Readonly<Record<string, unknown>> = { ...leaf };
    const wrong: string[] = [];
    for (const [name, value] of Object.entries(expected)) {
      if (name === INFERRED) continue;
      if (!same(value, fields[name])) wrong.push(`${name}: expected ${value}, found ${fields[name] ?? 'nothing'}`);
    }
    if (wrong.length === 0) this.equal++;
    else this.differences.push({ kind: 'different', sid: leaf.sid, iova: leaf.iova, what: wrong.join('; ') });
  }

  /** After the last leaf: whatever of the list has not been found is missing. @returns the number of differences */
  finish(): number {
    for (const leaf of this.#expected.values()) {
      const { sid, iova } = leaf as { sid?: number; iova: string };
      this.differences.push({ kind: 'missing', sid: sid ?? 0, iova, what: summary(leaf) });
    }
    this.#expected.clear();
    return this.differences.length;
  }
}

function keyOf(leaf: ExpectedLeaf): string {
  const { sid, ssid, iova } = leaf as { sid?: number; ssid?: number; iova: string };
  return `${sid ?? 0}:${ssid ?? -1}:${BigInt(iova)}`;
}

function summary(leaf: ExpectedLeaf): string {
  return Object.entries(leaf)
    .filter(([name]) => name === 'pa' || name === 'size' || name === 'perm')
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

/** Hexadecimal strings are equal when their numbers are. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const number = /^0x[0-9a-f]+$/i;
  return typeof a === 'string' && typeof b === 'string' && number.test(a) && number.test(b) && BigInt(a) === BigInt(b);
}
