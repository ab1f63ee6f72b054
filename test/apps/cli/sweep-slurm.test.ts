import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { tablewalkProcess } from '../run-cli.ts';

const MEDIUM = 'traces/samples/vfio-dump.ftrace.txt.gz';
/** A Slurm that answers: `.ci/run` starts one. */
const hasSlurm = spawnSync('sinfo', ['--noheader'], { encoding: 'utf8' }).stdout?.includes('up') === true;
const directory = mkdtempSync(join(tmpdir(), 'tablewalk-slurm-'));
afterAll(() => rmSync(directory, { recursive: true }));

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));
const slurm = (...command: string[]): string => execFileSync(command[0] ?? '', command.slice(1), { encoding: 'utf8' });

function begin(
  out: string,
  vary: string,
): { readonly child: ChildProcess; readonly done: Promise<[number | null, string]> } {
  const args = ['sweep', MEDIUM, '--vary', vary, '--engine', 'slurm', '--batch', '2', '--out', out, '--json', '-'];
  const child = spawn(process.execPath, [inject('cli'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.on('data', (data) => {
    stdout += String(data);
  });
  return { child, done: new Promise((resolve) => child.on('close', (code) => resolve([code, stdout]))) };
}

/** Waits until the tasks of the first array satisfy something; each is `[number of the job, task, state]`. */
async function tasksOf(out: string, wanted: (tasks: readonly (readonly string[])[]) => boolean): Promise<string[][]> {
  const file = join(out, 'slurm', '1', 'submission.json');
  for (;;) {
    await pause();
    if (!existsSync(file)) continue;
    const { job } = JSON.parse(readFileSync(file, 'utf8'));
    const lines = slurm('squeue', '--noheader', '--array', `--jobs=${job}`, '--format=%A %K %T %r').trim().split('\n');
    const tasks = lines.map((line) => line.split(' '));
    if (wanted(tasks)) return tasks;
  }
}

describe.skipIf(!hasSlurm)('tablewalk sweep --engine slurm', () => {
  it('finishes every run, though one task is put back into the queue and another is killed in the middle', async () => {
    const out = join(directory, 'study');
    const { done } = begin(out, 'seed=1..6');
    const [first, second] = await tasksOf(
      out,
      (tasks) => tasks.filter(([, , state]) => state === 'RUNNING').length > 1,
    ).then((tasks) => tasks.filter(([, , state]) => state === 'RUNNING'));
    let pid: string | undefined;
    while (pid === undefined) {
      // A task that Slurm calls running has its process a little later.
      await pause();
      const { stdout } = spawnSync('scontrol', ['listpids', second?.[0] ?? ''], { encoding: 'utf8' });
      pid = stdout.match(/^(\d+)/m)?.[1];
    }
    process.kill(Number(pid), 'SIGKILL');
    const task = `${JSON.parse(readFileSync(join(out, 'slurm', '1', 'submission.json'), 'utf8')).job}_${first?.[1]}`;
    slurm('scontrol', 'requeue', task);
    // Slurm would let it wait for two minutes, once it is back in the queue.
    while (spawnSync('scontrol', ['update', `JobId=${task}`, 'StartTime=now']).status !== 0) await pause();
    while (slurm('squeue', '--noheader', `--jobs=${task}`, '--format=%r').trim() === 'BeginTime') {
      await pause();
      spawnSync('scontrol', ['update', `JobId=${task}`, 'StartTime=now']);
    }
    const [code, stdout] = await done;
    expect(JSON.parse(stdout).counts).toEqual({ finished: 6, refused: 0, failed: 0, missing: 0 });
    expect(code).toBe(0);
    expect(readdirSync(join(out, 'slurm')).sort()).toEqual(['1', '2']);
  });

  it('cancels its job when it is interrupted, and --collect tells what is there', async () => {
    const out = join(directory, 'interrupted');
    const { child, done } = begin(out, 'seed=1..40');
    const [[job = ''] = []] = await tasksOf(out, (tasks) => tasks.some(([, , state]) => state === 'RUNNING'));
    child.kill('SIGINT');
    const [code] = await done;
    expect(code).toBe(130);
    while (/RUNNING|PENDING/.test(spawnSync('squeue', ['-h', `-j${job}`, '-o%T'], { encoding: 'utf8' }).stdout))
      await pause();
    const { counts, rows } = JSON.parse(tablewalkProcess(['sweep', '--out', out, '--collect', '--json', '-']).stdout);
    expect([counts.finished + counts.failed, counts.missing]).toEqual([40, 0]);
    const failed = rows.filter(({ status }: { status: string }) => status === 'failed');
    expect(failed[0].reason).toMatch(/^Slurm ended its task without it: CANCELLED \d+:\d+ \(task \d+_\d+\)/);
  });

  it('submits and returns, and says by its id which run failed and why', async () => {
    const out = join(directory, 'submitted');
    const args = ['sweep', MEDIUM, '--vary', 'seed=1,2', '--limit', '100', '--out', out];
    const [, failing = ''] = tablewalkProcess([...args, '--list-runs']).stdout.match(/^(\w+)\tseed=2$/m) ?? [];
    mkdirSync(join(out, 'runs', failing, 'stats.txt'), { recursive: true });
    const submitted = tablewalkProcess([...args, '--engine', 'slurm', '--no-wait']);
    expect(submitted.stdout).toMatch(/^Slurm job \d+ is submitted: /);
    let collected = tablewalkProcess(['sweep', '--out', out, '--collect']);
    while (collected.stdout.includes('Slurm job')) collected = tablewalkProcess(['sweep', '--out', out, '--collect']);
    expect(collected.stdout).toContain('1 of 2 runs finished, 1 failed');
    expect(collected.stdout).toMatch(new RegExp(`^  ${failing}  seed=2: --out: found .*stats.txt`, 'm'));
  });
});

describe('tablewalk sweep --engine', () => {
  it.each([
    [['--engine', 'pbs'], '--engine: found "pbs", allowed: local or slurm'],
    [['--batch', '4'], '--batch: found "local", allowed: --engine slurm beside it'],
  ])('refuses %s', (args, line) => {
    const run = tablewalkProcess(['sweep', MEDIUM, '--vary', 'seed=1,2', '--out', join(directory, 'refused'), ...args]);
    expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(line) });
  });
});
