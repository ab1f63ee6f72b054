import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SweepRun } from '../../../../../traces/index.ts';
import { writeWholeFile } from '../../../../../traces/index.ts';
import { submit } from './slurm.ts';

/** One array that was submitted. Plain JSON: `slurm/N/submission.json` in the folder of the sweep. */
export interface Submission {
  readonly job: string;
  /** The ids of each task's runs. */
  readonly batches: readonly (readonly string[])[];
}

/**
 * Writes `slurm/N/` (the script, `batches/TASK` with the ids of each task, later `task-TASK.log`) into the folder of a sweep, and submits it.
 * A task that Slurm begins again does what is not finished; so may one that runs a second time beside the first.
 * @param batch runs of one task
 * @param options further options of sbatch
 * @throws ConfigError with what sbatch says
 */
export async function submitRuns(
  folder: string,
  runs: readonly SweepRun[],
  batch: number,
  options: readonly string[],
): Promise<Submission> {
  const place = newPlace(resolve(folder));
  mkdirSync(join(place, 'batches'), { recursive: true });
  const ids = runs.map(({ id }) => id);
  const batches = Array.from({ length: Math.ceil(ids.length / batch) }, (_, at) =>
    ids.slice(at * batch, (at + 1) * batch),
  );
  for (const [task, some] of batches.entries()) write(join(place, 'batches', String(task)), `${some.join('\n')}\n`);
  const script = join(place, 'task.sh');
  write(script, taskScript(resolve(folder), place));
  const job = await submit(script, batches.length, options);
  const submission: Submission = { job, batches };
  write(join(place, 'submission.json'), `${JSON.stringify(submission)}\n`);
  return submission;
}

/** The last array that was submitted for a sweep, or null. */
export function lastSubmission(folder: string): Submission | null {
  const [last] = placesOf(folder).reverse();
  if (last === undefined) return null;
  try {
    return JSON.parse(readFileSync(join(folder, 'slurm', last, 'submission.json'), 'utf8')) as Submission;
  } catch {
    return null;
  }
}

function newPlace(folder: string): string {
  return join(folder, 'slurm', String(Number(placesOf(folder).at(-1) ?? 0) + 1));
}

function placesOf(folder: string): string[] {
  const place = join(folder, 'slurm');
  if (!existsSync(place)) return [];
  return readdirSync(place).sort((a, b) => Number(a) - Number(b));
}

function taskScript(folder: string, place: string): string {
  const command = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)].map(quoted).join(' ');
  return `#!/bin/bash
#SBATCH --job-name=tablewalk
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=${place.replaceAll('%', '%%')}/task-%a.log
# One task of an array: the runs whose ids stand in its batch.
exec ${command} sweep --out ${quoted(folder)} --run $(cat ${quoted(place)}/batches/"$SLURM_ARRAY_TASK_ID")
`;
}

/** As one word of the shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function write(file: string, text: string): void {
  writeWholeFile('--out', file, text);
}
