import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { ReplayRun, readRunConfig } from '../../../traces/index.ts';
import { tablewalk, tablewalkProcess } from '../run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const directory = mkdtempSync(join(tmpdir(), 'tablewalk-sweep-'));
afterAll(() => rmSync(directory, { recursive: true }));

const out = join(directory, 'study');
const read = (...path: string[]): string => readFileSync(join(out, ...path), 'utf8');
const sweep = [
  'sweep',
  SMALL,
  '--limit',
  '400',
  '--vary',
  'allocator=page,pool',
  '--vary',
  'mmu.walkSlots=1,4',
  '--out',
  out,
];

describe('tablewalk sweep', () => {
  it('runs every combination on two threads, each with the report of replay, and puts them side by side', async () => {
    const run = tablewalkProcess([...sweep, '--workers', '2', '--pareto', 'softwareCycles,peakFootprintBytes']);
    expect([run.stderr, run.code]).toEqual(['', 0]);
    expect(run.stdout).toContain('4 of 4 runs finished');
    const ids = readdirSync(join(out, 'runs'));
    expect(ids.length).toBe(4);
    for (const id of ids) {
      expect(readdirSync(join(out, 'runs', id)).sort()).toEqual(['config.json', 'report.json', 'stats.txt']);
    }
    const [id = ''] = ids;
    const config = readRunConfig(JSON.parse(read('runs', id, 'config.json')));
    const report = await new ReplayRun([SMALL], config, { limit: 400 }).run();
    expect(JSON.parse(read('runs', id, 'report.json'))).toEqual(JSON.parse(JSON.stringify(report)));
    expect(
      read('manifest.csv')
        .trim()
        .split('\r\n')
        .map((line) => line.replace(/^[^,]*,/, '')),
    ).toEqual([
      'allocator,mmu.walkSlots,status,reason',
      'page,1,finished,',
      'page,4,finished,',
      'pool,1,finished,',
      'pool,4,finished,',
    ]);
    // The pool takes less time and more memory: both are on the front.
    const fronts = read('summary.csv').trim().split('\r\n').slice(1);
    expect(new Set(fronts.filter((line) => line.split(',')[3] === '1').map((line) => line.split(',')[1]))).toEqual(
      new Set(['page', 'pool']),
    );
    expect(read('index.html')).toContain('id="front"');
    expect(existsSync(join(out, 'events.bin'))).toBe(false);
  });

  it('goes on: what is finished stays, what is broken is run again; and does single runs by their ids', () => {
    const [first = '', second = '', third = ''] = readdirSync(join(out, 'runs'));
    const whole = read('runs', first, 'report.json');
    writeFileSync(join(out, 'runs', first, 'report.json'), whole.slice(0, 5000));
    rmSync(join(out, 'runs', second), { recursive: true });
    const before = statSync(join(out, 'runs', third, 'report.json')).mtimeMs;
    const collected = tablewalkProcess(['sweep', '--out', out, '--collect']);
    expect([collected.code, collected.stdout]).toEqual([1, expect.stringContaining('2 of 4 runs finished, 2 missing')]);

    const listed = tablewalkProcess(['sweep', '--out', out, '--list-runs']).stdout.trim().split('\n');
    expect(listed.map((line) => line.split('\t').slice(1).join(' '))).toContain('allocator=pool mmu.walkSlots=4');
    expect(tablewalkProcess(['sweep', '--out', out, '--run', second, third])).toMatchObject({ code: 0, stdout: '' });
    const rest = tablewalkProcess(['sweep', '--out', out, '--json', '-']);
    expect([rest.code, JSON.parse(rest.stdout).counts]).toEqual([
      0,
      { finished: 4, refused: 0, failed: 0, missing: 0 },
    ]);
    expect(read('runs', first, 'report.json')).toBe(whole);
    expect(statSync(join(out, 'runs', third, 'report.json')).mtimeMs).toBe(before);
  });

  it('refuses what does not belong together', async () => {
    const refusal = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await tablewalk(args);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await refusal('sweep', SMALL, '--vary', 'seed=1,2', '--out', out)).toContain(
      'its reading are {"limit":400}, not {}',
    );
    expect(await refusal('sweep', '--out', join(directory, 'none'))).toContain('sweep.json: found no such');
    expect(await refusal('sweep', '--out', out, '--vary', 'seed=1,2')).toContain(
      '--vary: found "seed=1,2", allowed: captures',
    );
    expect(await refusal('sweep', '--out', out, '--run', 'abc')).toContain('an id that --list-runs prints');
  });

  it('keeps what is finished when it is interrupted', async () => {
    const place = join(directory, 'interrupted');
    const args = ['sweep', SMALL, '--vary', 'seed=1..300', '--workers', '1', '--out', place, '--json', '-'];
    const child = spawn(process.execPath, [inject('cli'), ...args]);
    let stdout = '';
    child.stdout.on('data', (data) => {
      stdout += String(data);
    });
    while (!existsSync(join(place, 'runs')) || readdirSync(join(place, 'runs')).length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    const { counts } = JSON.parse(stdout);
    expect(counts.finished).toBeGreaterThan(0);
    expect(counts.missing).toBe(300 - counts.finished);
    expect(existsSync(join(place, 'events.bin'))).toBe(true);
  });
});
