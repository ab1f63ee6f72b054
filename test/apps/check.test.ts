import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const directory = mkdtempSync(join(tmpdir(), 'tablewalk-check-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('tablewalk check', () => {
  it('of a correct driver finds nothing and exits 0', async () => {
    const run = await tablewalk(['check', SMALL]);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toContain('1,110 events, 1,094 maps and unmaps, 1,694 device accesses');
    expect(run.stdout).toContain('No findings.');
  });

  it('of a broken one prints a line per kind, then the first findings, and exits 1', async () => {
    const run = await tablewalk(['check', SMALL, '--break', 'skip-invalidate=0.05', '--findings', '6']);
    expect(run).toMatchObject({ code: 1, stderr: '' });
    expect(run.stdout).toMatch(
      /^ {2}missing-invalidation +\d+ {2}an unmap returned before all of it was invalidated$/m,
    );
    expect(run.stdout).toMatch(/^ {2}stale-tlb-hit +\d+ {2}/m);
    const listed = run.stdout.split('\n').filter((line) => /^ {2}#\d+ /.test(line));
    expect(listed).toHaveLength(6);
    // Each kind that was found is among them.
    expect(new Set(listed.map((line) => line.split(' ')[3])).size).toBeGreaterThanOrEqual(4);
    expect(run.stdout).toMatch(/\d more; the first \d+ of all are kept \(--findings, --json\)/);
  });

  it('plants dropped syncs in a machine whose walk they matter to', async () => {
    const run = await tablewalk(['check', SMALL, '--break', 'drop-sync=0.05', '--json', '-']);
    const report = JSON.parse(run.stdout);
    expect(run.code).toBe(1);
    expect(report.config.table.walk).toBe('non-coherent');
    // What the walker read too early shows in what the device reaches.
    expect(Object.keys(report.byKind)[0]).toBe('stale-walk');
    const coherent = await tablewalk(['check', SMALL, '--break', 'drop-sync=0.05', '--walk', 'coherent']);
    // Coherent walks need no sync: leaving some out would look like a driver without bugs.
    expect(coherent.code).toBe(2);
    expect(coherent.stderr).toMatch(/plantedBugs\.dropSync: found 0\.05, allowed: nothing with coherent walks/);
  });

  it('counts the windows that lazy invalidation means, and exits 0', async () => {
    const run = await tablewalk(['check', SMALL, '--invalidation', 'lazy', '--limit', '300']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toMatch(/No findings\.\n {2}What lazy mode means, and no finding:\n {2}stale-window +\d+ /);
    expect(run.stdout).not.toMatch(/^ {2}#\d+ stale/m);
  });

  it('lists the bugs that can be planted, and where', async () => {
    const listed = await tablewalk(['check', '--list-bugs']);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(listed.stdout).toMatch(
      /^ {2}short-invalidate .*\n +found as missing-invalidation; short-flush on mali; not on ipmmu-vmsa$/m,
    );
    expect(listed.stdout).toMatch(/\n\n\d\d bugs; smmuv3 can have \d\d, smmuv2 can have \d\d, mali can have \d\d, /);
    const bugs = JSON.parse((await tablewalk(['check', '--list-bugs', '--json', '-'])).stdout);
    expect(bugs[0]).toMatchObject({ name: 'dirty-table', mmus: { mali: { finds: ['dirty-table'] } } });
  });

  it('says what was damaged, so that no findings in half a capture are not taken for none in all of it', async () => {
    const path = join(directory, 'half.gz');
    writeFileSync(path, readFileSync(SMALL).subarray(0, 3000));
    const run = await tablewalk(['check', path]);
    expect(run.stdout).toContain('2 damaged records skipped');
    expect(run.stdout).toContain('the gzip data ends early');
  });

  it('writes findings as JSON, with the machine that found them', async () => {
    const path = join(directory, 'findings.json');
    const run = await tablewalk(['check', SMALL, '--break', 'late-invalidate', '--json', path]);
    expect(run.stdout).toContain('missing-invalidation');
    const report = JSON.parse(readFileSync(path, 'utf8'));
    expect(report.schema).toBe('tablewalk.check/1');
    expect(report.config.plantedBugs.lateInvalidation).toBe(true);
    expect(report.total).toBe(Object.values(report.byKind as Record<string, number>).reduce((a, b) => a + b));
    expect(report.findings[0]).toMatchObject({ operation: expect.any(Number), domain: expect.any(Number), level: 3 });
  });

  it.each([
    ['a bug that is none', [SMALL, '--break', 'nonsense'], /--break: found "nonsense", allowed: dirty-table, /],
    ['a share beyond 1', [SMALL, '--break', 'leak=7'], /share from 0 to 1/],
    ['a missing capture', [join(directory, 'nothing')], /no such file/],
    ['no capture', [], /missing required argument/],
    ['JSON nowhere', [SMALL, '--json', join(directory, 'no', 'where')], /--json/],
  ])('refuses %s in one line, exit code 2', async (_, args, said) => {
    const run = await tablewalk(['check', ...args]);
    expect(run.code).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(said);
    expect(run.stderr).toMatch(/^tablewalk: [^\n]+\n$/);
  });
});

describe('tablewalk replay --leaves', () => {
  it('writes what tablewalk walk --expect takes: on a dump of the same run they are the same leaves', async () => {
    const path = join(directory, 'leaves.jsonl');
    const replayed = await tablewalk([
      'replay',
      'traces/samples/dma-dump.ftrace.txt.gz',
      ...['--until', '19.877514', '--access', 'none', '--leaves', path],
    ]);
    expect(replayed).toMatchObject({ code: 0, stderr: '' });
    const leaves = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(leaves).toHaveLength(3324);
    expect(JSON.parse(leaves[0] ?? '')).toMatchObject({ sid: 0x10, level: 3, size: 4096 });
    const compared = await tablewalk(['walk', 'test/vectors/images/dma', '--expect', path]);
    expect(compared.stderr).toBe('');
    expect(compared.code).toBe(0);
  });

  it.each([
    ['where it cannot be written', ['--leaves', join(directory, 'no', 'where')]],
    ['on standard output, where the report is', ['--leaves', '-']],
  ])('is refused %s, before anything is replayed', async (_, options) => {
    const run = await tablewalk(['replay', SMALL, ...options]);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/^tablewalk: --leaves: [^\n]+\n$/);
  });

  it('is refused, as --json is, where it would overwrite the capture', async () => {
    const capture = join(directory, 'capture.gz');
    const bytes = readFileSync(SMALL);
    writeFileSync(capture, bytes);
    for (const option of ['--json', '--leaves']) {
      const run = await tablewalk(['replay', capture, option, capture]);
      expect(run.code).toBe(2);
      expect(readFileSync(capture).equals(bytes)).toBe(true);
    }
  });

  it('writes the same leaves whether edits are made at once or as VM_BIND jobs', async () => {
    const written = async (name: string, ...options: string[]): Promise<string> => {
      const path = join(directory, name);
      expect((await tablewalk(['replay', SMALL, '--leaves', path, ...options])).code).toBe(0);
      return readFileSync(path, 'utf8');
    };
    expect(await written('bound', '--bind', 'async')).toBe(await written('direct'));
  });
});
