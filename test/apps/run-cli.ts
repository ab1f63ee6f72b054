import { spawnSync } from 'node:child_process';
import { inject } from 'vitest';

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line to its end, in a pipe, as a script would. @param folder where it is started; default here */
export function tablewalk(args: readonly string[], input: string | Buffer = '', folder = process.cwd()): CliResult {
  const run = spawnSync(process.execPath, [inject('cli'), ...args], {
    input,
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 256 * 2 ** 20,
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { code: run.status, stdout: run.stdout, stderr: run.stderr };
}
