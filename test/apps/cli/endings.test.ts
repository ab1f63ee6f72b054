/** How a command ends when its outputs fail or somebody wants it to end. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tablewalk-endings-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('a full device', () => {
  const full = (args: readonly string[], out: 'stdout' | 'stderr'): { code: number | null; stderr: string } => {
    const device = openSync('/dev/full', 'w');
    const stdio = out === 'stdout' ? (['ignore', device, 'pipe'] as const) : (['ignore', 'pipe', device] as const);
    const run = spawnSync(process.execPath, [inject('cli'), ...args], { stdio: [...stdio], encoding: 'utf8' });
    return { code: run.status, stderr: run.stderr };
  };

  it.each([[['check', SMALL]], [['layout', 'map 0 0 2M']]])(
    'on standard output is one line and exit code 2, which is not "found": %s',
    (args) => {
      expect(full(args, 'stdout')).toEqual({
        code: 2,
        stderr: 'tablewalk: standard output cannot be written: no space left on the device\n',
      });
    },
  );

  it('on standard error does not change the exit code of a bad capture', () => {
    expect(full(['check', 'package.json'], 'stderr').code).toBe(2);
  });
});

describe('a named pipe that nobody closes', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'ends with %s: the report so far, exit code %i, result files whole, those written from the start too, and nothing beside them',
    async (signal, code) => {
      const pipe = join(folder, `pipe-${signal}`);
      const json = join(folder, `${signal}.json`);
      execFileSync('mkfifo', [pipe]);
      writeFileSync(json, 'an old result');
      const timeline = join(folder, `${signal}.pftrace`);
      const database = join(folder, `${signal}.duckdb`);
      const child = spawn(process.execPath, [
        ...[inject('cli'), 'replay', pipe, '--json', json],
        ...['--perfetto', timeline, '--db', database],
      ]);
      let stdout = '';
      child.stdout.on('data', (data) => {
        stdout += String(data);
      });
      const ended = new Promise((resolve) => child.on('exit', resolve));
      // Opened for both, it needs nobody at the other end.
      const writer = openSync(pipe, 'r+');
      writeSync(writer, gunzipSync(readFileSync(SMALL)).subarray(0, 30_000));
      // Once it writes its timeline it also reads.
      while (!readdirSync(folder).some((name) => name.startsWith(`.${signal}.pftrace`))) await sleep(20);
      await sleep(500);
      child.kill(signal);
      expect(await ended).toBe(code);
      expect(stdout).toContain('(stopped before the end)');
      expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({
        complete: false,
        capture: { maps: 172, unmaps: 22 },
      });
      expect(statSync(timeline).size).toBeGreaterThan(1000);
      expect(statSync(database).size).toBeGreaterThan(1000);
      expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
    },
  );
});
