import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { edits } from './operators.ts';
import { blocks, parse } from './syntax.ts';

/** One change of one file of the product. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** The line, without its indentation. With file and change it names the mutant, also when other lines change. */
  readonly text: string;
  /** `a < b → a <= b`, with a number from the second time that it stands in such a line. */
  readonly change: string;
  /** Index of the innermost block around it, -1 outside all: it then runs when the module is loaded. */
  readonly block: number;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

export function mutantsOf(file: string): Mutant[] {
  const source = readFileSync(file, 'utf8');
  const tree = parse(source);
  const within = blocks(tree, source);
  const seen = new Map<string, number>();
  return edits(tree, source).map(({ start, end, text: replacement, label }) => {
    const line = source.slice(0, start).split('\n').length;
    const text = (source.split('\n')[line - 1] ?? '').trim();
    const plain = `${file} | ${text} | ${label}`;
    const times = (seen.get(plain) ?? 0) + 1;
    seen.set(plain, times);
    // Blocks stand outermost first, so the last that fits is the innermost.
    const block = within.findLastIndex((one) => one.at <= start && end < one.end);
    const change = times === 1 ? label : `${label} #${times}`;
    return { file, line, text, change, block, start, end, replacement };
  });
}

export function nameOf({ file, text, change }: Mutant): string {
  return `${file}|${text}|${change}`;
}

/** The file's text with the change. */
export function mutated(source: string, mutant: Pick<Mutant, 'start' | 'end' | 'replacement'>): string {
  return source.slice(0, mutant.start) + mutant.replacement + source.slice(mutant.end);
}

/** A sample that hardly moves when the code changes: the mutants whose names have the smallest hash. */
export function sample(mutants: readonly Mutant[], size: number, seed: number): Mutant[] {
  const rank = (mutant: Mutant): string =>
    createHash('sha256')
      .update(`${seed}|${nameOf(mutant)}`)
      .digest('hex');
  return mutants
    .map((mutant) => ({ mutant, rank: rank(mutant) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, size)
    .map(({ mutant }) => mutant);
}
