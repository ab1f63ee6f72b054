/** Slurm's own commands, and what they say. The texts that are read here are those of Slurm 20 to 24. */
import { execFile } from 'node:child_process';
import { ConfigError } from '../../../../../formats/index.ts';

/** Where the tasks of an array stand in the queue. */
export interface QueueState {
  readonly running: number;
  readonly waiting: number;
}

/** How a task of an array ended. */
export interface TaskEnd {
  readonly task: number;
  /** `COMPLETED`, `FAILED`, `CANCELLED`, `TIMEOUT`, `OUT_OF_MEMORY`, `NODE_FAIL`, ... */
  readonly state: string;
  /** Exit code and signal: `1:0`, `0:9`. */
  readonly exit: string;
}

/**
 * Submits a script as an array of `tasks` tasks.
 * @param options further options of sbatch
 * @returns the job's number
 * @throws ConfigError with what sbatch says
 */
export async function submit(script: string, tasks: number, options: readonly string[]): Promise<string> {
  const args = ['--parsable', `--array=0-${tasks - 1}`, ...options, script];
  const { code, out, complaint } = await command('sbatch', args);
  const job = /^(\d+)/.exec(out)?.[1];
  if (code === 0 && job !== undefined) return job;
  throw new ConfigError(
    '--engine',
    'slurm',
    `a job that sbatch takes (it says: ${complaint || out || `code ${code}`})`,
  );
}

/** Where a job stands; null when it is no more in the queue. While the controller does not answer, as before. */
export async function queueState(job: string, before: QueueState): Promise<QueueState | null> {
  const { code, out, complaint } = await command('squeue', ['--noheader', '--array', `--jobs=${job}`, '--format=%T']);
  if (code !== 0) return /invalid job id/i.test(complaint) ? null : before;
  const states = out.split('\n').filter((state) => state !== '');
  if (states.length === 0) return null;
  const running = states.filter((state) => state === 'RUNNING' || state === 'COMPLETING').length;
  return { running, waiting: states.length - running };
}

/** How the tasks of a job ended, as far as the controller still knows (`MinJobAge`, commonly five minutes). */
export async function taskEnds(job: string): Promise<TaskEnd[]> {
  const { out } = await command('scontrol', ['--oneliner', 'show', 'job', job]);
  return out.split('\n').flatMap((line) => {
    const field = (name: string): string => new RegExp(`(?:^| )${name}=(\\S+)`).exec(line)?.[1] ?? '';
    const state = field('JobState');
    // Tasks that ended before they began stand in one line: `ArrayTaskId=4-7,9`.
    return tasksOf(field('ArrayTaskId')).map((task) => ({ task, state, exit: field('ExitCode') }));
  });
}

/** Takes a job out of the queue and ends its tasks. */
export async function cancel(job: string): Promise<void> {
  await command('scancel', [job]);
}

function tasksOf(list: string): number[] {
  return list.split(',').flatMap((part) => {
    const [, from, to] = /^(\d+)(?:-(\d+))?/.exec(part) ?? [];
    if (from === undefined) return [];
    return Array.from({ length: Number(to ?? from) - Number(from) + 1 }, (_, at) => Number(from) + at);
  });
}

interface Said {
  readonly code: number;
  readonly out: string;
  readonly complaint: string;
}

function command(name: string, args: readonly string[]): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = execFile(name, args, { maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      if (error !== null && 'code' in error && typeof error.code === 'string') {
        reject(new ConfigError('--engine', 'slurm', `a machine with Slurm's commands (${name}: ${error.code})`));
        return;
      }
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : 1;
      resolve({ code, out: stdout.trim(), complaint: stderr.trim().split('\n')[0] ?? '' });
    });
    child.stdin?.end();
  });
}
