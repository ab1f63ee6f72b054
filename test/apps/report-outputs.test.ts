import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const directory = mkdtempSync(join(tmpdir(), 'tablewalk-outputs-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('tablewalk replay, other outputs', () => {
  it('writes CSV files into a folder that it makes, and stats.txt, beside the terminal report', () => {
    const tables = join(directory, 'tables');
    const stats = join(directory, 'stats.txt');
    const run = tablewalk(['replay', SMALL, '--csv', tables, '--stats', stats]);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toContain('page table');
    expect(readdirSync(tables).sort()).toEqual([
      'accesses.csv',
      'costs.csv',
      'findings.csv',
      'metrics.csv',
      'operations.csv',
    ]);
    expect(readFileSync(join(tables, 'metrics.csv'), 'utf8')).toContain('\r\ndescriptorsWritten,986,count,less,');
    expect(readFileSync(stats, 'utf8')).toMatch(/^tablewalk\.descriptorsWritten +986 {2}# /m);
  });

  it('gives stats.txt on standard output instead of the terminal report', () => {
    const run = tablewalk(['replay', SMALL, '--stats', '-']);
    expect(run.stdout).toMatch(/^\n-+ Begin Simulation Statistics -+\ntablewalk\.allocations +24 /);
    expect(run.stdout).not.toContain('page table\n');
  });

  it('refuses places that cannot be written, before it runs', () => {
    const taken = join(directory, 'a-file');
    writeFileSync(taken, '');
    for (const [option, place, allowed] of [
      ['--csv', taken, 'a folder, not a file'],
      ['--csv', join(directory, 'none', 'tables'), 'no such folder'],
      ['--stats', join(directory, 'none', 'stats.txt'), 'no such folder'],
      ['--stats', SMALL, 'other than the input'],
    ] as const) {
      const run = tablewalk(['replay', SMALL, option, place]);
      expect(run).toMatchObject({ code: 2, stdout: '' });
      expect(run.stderr).toContain(option);
      expect(run.stderr).toContain(allowed);
    }
  });
});
