import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tablewalk, tablewalkProcess } from './run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const directory = mkdtempSync(join(tmpdir(), 'tablewalk-outputs-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('tablewalk replay, other outputs', () => {
  it('writes CSV files into a folder that it makes, and stats.txt, beside the terminal report', async () => {
    const tables = join(directory, 'tables');
    const stats = join(directory, 'stats.txt');
    const run = await tablewalk(['replay', SMALL, '--csv', tables, '--stats', stats]);
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

  it('gives stats.txt on standard output instead of the terminal report', async () => {
    const run = await tablewalk(['replay', SMALL, '--stats', '-']);
    expect(run.stdout).toMatch(/^\n-+ Begin Simulation Statistics -+\ntablewalk\.allocations +24 /);
    expect(run.stdout).not.toContain('page table\n');
  });

  it('refuses places that cannot be written, before it runs', async () => {
    const taken = join(directory, 'a-file');
    writeFileSync(taken, '');
    for (const [option, place, allowed] of [
      ['--csv', taken, 'a folder, not a file'],
      ['--csv', join(directory, 'none', 'tables'), 'no such folder'],
      ['--stats', join(directory, 'none', 'stats.txt'), 'no such folder'],
      ['--stats', SMALL, 'other than the input'],
    ] as const) {
      const run = await tablewalk(['replay', SMALL, option, place]);
      expect(run).toMatchObject({ code: 2, stdout: '' });
      expect(run.stderr).toContain(option);
      expect(run.stderr).toContain(allowed);
    }
  });
});

describe('tablewalk replay --html', () => {
  const page = async (name: string, args: readonly string[]): Promise<string> => {
    const path = join(directory, name);
    expect(await tablewalk(['replay', ...args, '--html', path])).toMatchObject({ code: 0, stderr: '' });
    return readFileSync(path, 'utf8');
  };

  it('is one small page that asks for nothing, with the sentences, the figures and the points of its plots', async () => {
    const html = await page('report.html', [SMALL, '--drop-sync', '0.05', '--walk', 'non-coherent']);
    expect(html.length).toBeLessThan(500_000);
    expect(html).not.toMatch(/<(?:link|img|script[^>]* src|iframe)\b|@import|url\(/);
    expect(html).toContain('852 maps and 242 unmaps were replayed on smmuv3');
    expect(html).toContain('stale-walk');
    expect(html).toMatch(
      /<figcaption>CPU time by domain<\/figcaption><table class="bars"><tr><td>[^<]+<\/td><td class="bar">/,
    );
    expect(html).toContain('uPlot');
    const { points } = JSON.parse(/id="data">(.*?)<\/script>/s.exec(html)?.[1] ?? '');
    const { length } = points.seconds;
    expect(length).toBeGreaterThan(10);
    expect(length).toBeLessThanOrEqual(512);
    for (const name of ['liveRanges', 'liveBytes', 'tableBytes']) {
      expect(points[name]).toHaveLength(length);
    }
    const accesses = points.latencies
      .flatMap((one: { counts: [number, number][] }) => one.counts)
      .reduce((sum: number, [, count]: [number, number]) => sum + count, 0);
    expect(accesses).toBe(1331);
  });
});

describe('tablewalk replay --db and tablewalk sql', () => {
  it('writes a folder of Parquet files and answers a query from it as JSON', async () => {
    const run = join(directory, 'run');
    expect(await tablewalk(['replay', SMALL, '--limit', '200', '--db', run])).toMatchObject({ code: 0, stderr: '' });
    const query = "select count(*) as maps from operations where kind = 'map'";
    const answer = await tablewalk(['sql', run, query, '--format', 'json']);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(answer.stdout)).toEqual([{ maps: expect.any(Number) }]);
  });

  it('says how to get the engine where it is not installed, before anything is run', async () => {
    const run = tablewalkProcess(['replay', resolve(SMALL), '--db', 'run.duckdb'], '', directory);
    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toBe(
      'tablewalk: --db: found "no DuckDB", allowed: DuckDB, here or beside tablewalk: npm install @duckdb/node-api\n',
    );
    expect(readdirSync(directory)).not.toContain('run.duckdb');
  });
});
