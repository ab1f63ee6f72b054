import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { tablewalk, tablewalkProcess } from './run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const directory = mkdtempSync(join(tmpdir(), 'tablewalk-replay-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** The parts of a report that a change of one latency does not move: what the terminal shows is held in the text goldens. */
describe('tablewalk replay', () => {
  it.each([
    ['strict', []],
    ['lazy-probe', ['--invalidation', 'lazy', '--access', 'probe']],
    ['drop-sync', ['--walk', 'non-coherent', '--drop-sync', '0.05']],
    ['gem5', ['--preset', 'gem5']],
  ])('prints the golden report: %s', async (name, options) => {
    const run = await tablewalk(['replay', SMALL, ...options]);
    expect(run.stderr).toBe('');
    expect(run.code).toBe(0);
    await expect(run.stdout).toMatchFileSnapshot(`golden/replay-${name}.txt`);
  });

  it('writes the golden JSON report, with every section of its schema', async () => {
    const run = await tablewalk(['replay', SMALL, '--json', '-']);
    const report = JSON.parse(run.stdout);
    expect(report.schema).toBe('tablewalk.report/1');
    expect(Object.keys(report)).toEqual(
      expect.arrayContaining([
        'capture',
        'table',
        'dma',
        'invalidation',
        'translation',
        'software',
        'sanitizer',
        'config',
      ]),
    );
    await expect(run.stdout).toMatchFileSnapshot('golden/replay-strict.json');
  });

  it('writes JSON to a file beside the terminal report', async () => {
    const path = join(directory, 'report.json');
    const run = await tablewalk(['replay', SMALL, '--json', path]);
    expect(run.stdout).toContain('page table');
    expect(JSON.parse(readFileSync(path, 'utf8')).capture.maps).toBe(852);
  });

  it('runs the machine that a configuration file describes, and reports it back', async () => {
    const printed = await tablewalk(['config', '--preset', 'gem5', '--set', 'mmu.walkSlots=4']);
    const config = JSON.parse(printed.stdout);
    const path = file('machine.json', JSON.stringify(config));
    const report = JSON.parse((await tablewalk(['replay', SMALL, '--config', path, '--json', '-'])).stdout);
    expect(report.config).toEqual(config);
    expect(report.config.mmu.walkSlots).toBe(4);
  });

  it('reads a capture from standard input', async () => {
    const run = tablewalkProcess(['replay', '-', '--json', '-'], gunzipSync(readFileSync(SMALL)));
    expect(JSON.parse(run.stdout).capture.events).toBe(1110);
  });

  it('replays two captures one after the other, in domains of their own', async () => {
    const both = JSON.parse((await tablewalk(['replay', SMALL, SMALL, '--json', '-'])).stdout);
    expect(both.capture.events).toBe(2220);
    expect(both.capture.liveAtEnd).toBe(
      2 * JSON.parse((await tablewalk(['replay', SMALL, '--json', '-'])).stdout).capture.liveAtEnd,
    );
  });
});

describe('tablewalk replay of bad input: one line on standard error, exit code 2', () => {
  const empty = file('empty.txt', '');
  const binary = file(
    'binary.bin',
    Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256),
  );

  it.each([
    ['no capture', [], /missing required argument 'capture'/],
    ['an empty file', [empty], /an empty file/],
    ['a binary file', [binary], /allowed: /],
    ['a directory', [directory], /a directory/],
    ['a missing file', [join(directory, 'nothing')], /no such file/],
    ['an unknown option', [SMALL, '--wlak', 'coherent'], /unknown option '--wlak' \(Did you mean --walk\?\)/],
    [
      'a wrong value',
      [SMALL, '--walk', 'sometimes'],
      /table\.walk: found "sometimes", allowed: coherent, non-coherent/,
    ],
    ['a misspelt field', [SMALL, '--set', 'mmu.tbu.mainTlb.wyas=4'], /mainTlb\.wyas: .*no such field.*ways/],
    ['a TLB with 0 ways', [SMALL, '--set', 'mmu.tbu.mainTlb.ways=0'], /mmu\.tbu\.mainTlb\.ways: found 0/],
    ['ways that do not divide', [SMALL, '--set', 'mmu.tbu.mainTlb.ways=7'], /multiple of ways/],
    ['a preset that is none', [SMALL, '--preset', 'mmu-401'], /preset: found "mmu-401"/],
    ['an allocator that is none', [SMALL, '--allocator', 'slub'], /allocator/],
    ['a configuration file that is missing', [SMALL, '--config', join(directory, 'nope.json')], /no such file/],
    ['a configuration file that is no JSON', [SMALL, '--config', empty], /JSON/],
    ['a report that cannot be written', [SMALL, '--json', join(directory, 'no', 'where')], /--json/],
    ['a kernel that only looks like 6.1', [SMALL, '--linux', '6.10'], /table\.linux: found "6\.10", allowed: .*6\.12/],
    [
      'dropped syncs where none are needed',
      [SMALL, '--drop-sync', '0.1'],
      /plantedBugs\.dropSync: .*--walk non-coherent/,
    ],
    ['a limit of nothing', [SMALL, '--limit', '0'], /whole number from 1/],
  ])('%s', async (_, args, said) => {
    const run = await tablewalk(['replay', ...args]);
    expect(run.code).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(said);
    expect(run.stderr).toMatch(/^tablewalk: [^\n]+\n$/);
  });
});

describe('tablewalk replay of damaged input: counted, skipped, and with --strict refused', () => {
  const text = gunzipSync(readFileSync(SMALL)).toString();
  const lines = text.split('\n');
  const firstMap = lines.findIndex((line) => line.includes(' map: '));

  it('skips a line cut in the middle, and says where it was', async () => {
    const cut = [...lines];
    cut[firstMap] = cut[firstMap]?.slice(0, 90) ?? '';
    const path = file('cut.txt', cut.join('\n'));
    const report = JSON.parse((await tablewalk(['replay', path, '--json', '-'])).stdout);
    expect(report.capture).toMatchObject({ maps: 851, damaged: 1 });
    expect(report.capture.damage[0]).toMatchObject({ line: firstMap + 1 });
    const strict = await tablewalk(['replay', path, '--strict']);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toContain(`line ${firstMap + 1}`);
  });

  it('uses what a truncated gzip file still gives', async () => {
    const path = file('cut.gz', gzipSync(text));
    truncateSync(path, 8000);
    const report = JSON.parse((await tablewalk(['replay', path, '--json', '-'])).stdout);
    expect(report.capture.events).toBeGreaterThan(50);
    expect(report.capture.damaged).toBeGreaterThan(0);
    expect((await tablewalk(['replay', path, '--strict'])).code).toBe(2);
  });

  it('says so when a capture has neither maps nor unmaps', async () => {
    const path = file('other.txt', '     sh-1  [000] ..... 1.000000: sched_switch: prev_comm=sh ==> next_comm=init\n');
    const run = await tablewalk(['replay', path]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(
      /found 1 event of other kinds \(such as sched_switch\), allowed: .*iommu:map and iommu:unmap/,
    );
  });
});

describe('tablewalk replay, interrupted', () => {
  it('prints the report so far and exits 130', async () => {
    const child = spawn(process.execPath, [inject('cli'), 'replay', '-'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const text = gunzipSync(readFileSync('traces/samples/medium-strict.ftrace.txt.gz'));
    let stdout = '';
    child.stdout.on('data', (data) => {
      stdout += String(data);
    });
    // What it has not read by then is lost.
    child.stdin.on('error', () => {});
    // Standard input stays open, so that the replay waits for more when the signal comes.
    child.stdin.write(text.subarray(0, text.length / 2));
    await new Promise((resolve) => setTimeout(resolve, 2500));
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.on('exit', resolve));
    expect(code).toBe(130);
    expect(stdout).toContain('(stopped before the end)');
    expect(stdout).toContain('CPU time');
  });
});
