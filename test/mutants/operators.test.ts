import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ACCEPTED } from './accepted.ts';
import { mutantsOf } from './mutant.ts';
import { edits } from './operators.ts';
import { noting, parse } from './syntax.ts';

function changes(source: string): string[] {
  return edits(parse(source), source).map(({ label }) => label);
}

describe('the operators of npm run mutants', () => {
  it('change boundaries, operators, constants and conditions', () => {
    expect(changes('if (a < b) c;')).toEqual([
      'a < b → true',
      'a < b → false',
      'a < b → a <= b',
      'a < b → a >= b',
      'c; → ;',
    ]);
    expect(changes('x = (a >>> 0) + 0x10;')).toEqual(
      expect.arrayContaining(['a >>> 0 → a << 0', 'a >>> 0 → a >> 0', 'a >>> 0 → a', '0x10 → 17', '0x10 → 15']),
    );
    expect(changes('f(!a && Math.min(1, b));')).toEqual(
      expect.arrayContaining([
        '!a → a',
        '!a && Math.min(1, b) → !a || Math.min(1, b)',
        'Math.min(1, b) → Math.max(1, b)',
      ]),
    );
  });

  it('leave types, texts and what is thrown alone', () => {
    expect(changes('type Two = 2; const a = "1" as "1" | "2"; export { a };')).toEqual([]);
    expect(changes('if (bad) throw new Error(1 + 1);')).toEqual([
      'bad → true',
      'bad → false',
      'throw new Error(1 + 1); → ;',
    ]);
  });

  it('note every block, in text of any width', () => {
    const source = 'const é = "é"; function f(): void { if (é) { f(); } switch (1) { case 1: f(); } }';
    expect(noting(source, 5)).toBe(
      'const é = "é"; function f(): void {globalThis.blocksEntered[5]=1; if (é) {globalThis.blocksEntered[6]=1; f(); } switch (1) { case 1:globalThis.blocksEntered[7]=1; f(); } }',
    );
  });
});

describe('accepted mutants', () => {
  it('are all still there', () => {
    const gone = ACCEPTED.filter(({ file, line }) => !readFileSync(file, 'utf8').includes(line));
    const names = new Map([...new Set(ACCEPTED.map(({ file }) => file))].map((file) => [file, mutantsOf(file)]));
    const unnamed = ACCEPTED.filter(
      ({ file, line, change }) => !names.get(file)?.some((one) => one.text === line && one.change === change),
    );
    expect([...gone, ...unnamed]).toEqual([]);
  });
});
