/** `tablewalk conform` as a script meets it: output, JSON and exit codes. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tablewalk } from '../run-cli.ts';

const RACE = join(import.meta.dirname, '../../vectors/golden/race.jsonl.gz');
const FOLDER = mkdtempSync(join(tmpdir(), 'tablewalk-conform-'));

function file(name: string, contents: string | Buffer): string {
  const path = join(FOLDER, name);
  writeFileSync(path, contents);
  return path;
}

const lines = gunzipSync(readFileSync(RACE)).toString();

describe('tablewalk conform', () => {
  it('prints cases, operations and mismatches per file, and exits 0 when all match', async () => {
    const plain = file('race.jsonl', lines);
    const { code, stdout, stderr } = await tablewalk(['conform', RACE, plain]);
    expect([code, stderr]).toEqual([0, '']);
    const rows = stdout.split('\n').map((row) => row.split(/[^\w./-]+/).filter((cell) => cell !== ''));
    expect(rows).toContainEqual([RACE, '28', '70', '0']);
    expect(rows).toContainEqual([plain, '28', '70', '0']);
    expect(rows).toContainEqual(['all', '56', '140', '0']);
  });

  it('shows a mismatch with operation, entry and field, and exits 1', async () => {
    const changed = file('changed.jsonl', lines.replace('[0,"0x400e43"]', '[0,"0x400ec3"]'));
    const { code, stdout } = await tablewalk(['conform', changed]);
    expect(code).toBe(1);
    expect(stdout).toContain('operation 1: dump');
    expect(stdout).toContain('table 0x80005000 level 3 entry 0 = 0x400ec3');
    expect(stdout).toContain('apReadOnly (bit 7): expected 0x1 (read only), found 0x0 (read and write)');
  });

  it('writes only JSON to standard output with --json -', async () => {
    const { code, stdout } = await tablewalk(['conform', RACE, '--json', '-', '--filter', 'race/S2']);
    expect(code).toBe(0);
    const result = { cases: 15, ops: JSON.parse(stdout).ops, mismatches: 0 };
    expect(JSON.parse(stdout)).toEqual({ files: [{ file: RACE, ...result }], ...result });
  });

  const WRONG: readonly [what: string, args: () => string[], message: string][] = [
    ['a malformed vector', () => [file('cut.jsonl', `${lines.split('\n')[0]}\n{"name":`)], 'cut.jsonl: line 2: found'],
    ['a missing file', () => ['/nowhere.jsonl'], '/nowhere.jsonl: found no such file'],
    ['a directory', () => [FOLDER], 'found a directory'],
    ['a gzip file that is cut off', () => [file('cut.jsonl.gz', readFileSync(RACE).subarray(0, 2000))], 'cut off'],
    ['an empty file', () => [file('empty.jsonl', '')], 'found no case'],
    [
      'a filter that selects nothing',
      () => [RACE, '--filter', 'nothing like this'],
      '--filter: found "nothing like this"',
    ],
  ];
  for (const [what, args, message] of WRONG) {
    it(`exits 2 with one line for ${what}`, async () => {
      const { code, stderr } = await tablewalk(['conform', ...args()]);
      expect(stderr).toContain(message);
      expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
    });
  }
});
