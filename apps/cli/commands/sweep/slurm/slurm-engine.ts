import type { SweepFolder, SweepRun } from '../../../../../traces/index.ts';
import type { Engine, SweepProgress } from '../engine.ts';
import { cancel, type QueueState, queueState, taskEnds } from './slurm.ts';
import { lastSubmission, type Submission, submitRuns } from './submission.ts';

export interface SlurmOptions {
  /** Runs of one task; null: so many that there are at most {@link TASKS} tasks. */
  readonly batch: number | null;
  /** Further options of sbatch. */
  readonly sbatch: readonly string[];
  /** Whether to stay until the array is done. */
  readonly wait: boolean;
}

/** Slurm starts a few tasks a second and keeps a record of each: more than these make the queue slow, not the sweep fast. */
const TASKS = 256;
/** Arrays of commonly at most 1001 tasks (`MaxArraySize`). */
const MOST_TASKS = 1000;
/** Times that runs are submitted again whose task ended without them. */
const RETRIES = 2;
/** Milliseconds between two looks at the queue. */
const PAUSE = 1000;

/**
 * Runs as a job array. What counts is what stands in the folder: a task that says it is done may have done nothing, and one that was killed
 * may have finished most of its runs. Runs that a task left undone are submitted again, each as a task of its own, so that one that takes
 * its task down with it takes no others; what is missing even then has failed, with the end of its task as the reason.
 */
export class SlurmEngine implements Engine {
  /** The job that was submitted last. */
  job = '';
  readonly #folder: SweepFolder;
  readonly #options: SlurmOptions;
  #wake: () => void = () => {};
  #stopped = false;

  constructor(folder: SweepFolder, options: SlurmOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async run(runs: readonly SweepRun[], onProgress: SweepProgress): Promise<void> {
    const { batch, wait } = this.#options;
    // Whoever waited for an earlier array may be gone; its tasks need not be done twice.
    const before = lastSubmission(this.#folder.path);
    let current = before !== null && (await queueState(before.job, NOTHING)) !== null ? before : null;
    let missing = runs;
    for (let attempt = 0; attempt <= RETRIES && missing.length > 0 && !this.#stopped; attempt++) {
      const size = attempt > 0 ? Math.ceil(missing.length / MOST_TASKS) : (batch ?? Math.ceil(missing.length / TASKS));
      current ??= await submitRuns(this.#folder.path, missing, size, this.#options.sbatch);
      this.job = current.job;
      if (!wait) return;
      const done = await this.#wait(current, runs, onProgress);
      if (!done) return;
      const ends = await endsOf(current);
      missing = runs.filter((run) => this.#folder.result(run).status === 'missing');
      const cancelled = missing.filter(({ id }) => ends.get(id)?.startsWith('CANCELLED') === true);
      // Somebody took it out of the queue: it stays out.
      if (cancelled.length > 0 || attempt === RETRIES) fail(this.#folder, missing, current, ends);
      if (cancelled.length > 0) return;
      current = null;
    }
  }

  /** @returns whether the job has left the queue by itself */
  async #wait({ job }: Submission, runs: readonly SweepRun[], onProgress: SweepProgress): Promise<boolean> {
    let state: QueueState | null = NOTHING;
    for (;;) {
      if (this.#stopped) {
        await cancel(job);
        return false;
      }
      state = await queueState(job, state);
      if (state === null) return true;
      const finished = runs.filter((run) => this.#folder.hasReport(run)).length;
      onProgress(finished / runs.length, 0, `job ${job}: ${state.running} running, ${state.waiting} waiting`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PAUSE);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (this.#stopped) this.#wake();
      });
    }
  }
}

/** By run, how its task ended. */
async function endsOf({ job, batches }: Submission): Promise<Map<string, string>> {
  const ends = new Map<string, string>();
  for (const { task, state, exit } of await taskEnds(job)) {
    for (const id of batches[task] ?? []) ends.set(id, `${state} ${exit} (task ${job}_${task})`);
  }
  return ends;
}

function fail(
  folder: SweepFolder,
  runs: readonly SweepRun[],
  { job }: Submission,
  ends: ReadonlyMap<string, string>,
): void {
  for (const run of runs) folder.fail(run, `Slurm ended its task without it: ${ends.get(run.id) ?? `job ${job}`}`);
}

/**
 * Looks how the last array of a sweep stands, without waiting: where it is over, runs that its tasks left undone have failed.
 * @returns what to tell of an array that is not over; empty where there is none
 */
export async function settle(folder: SweepFolder, runs: readonly SweepRun[]): Promise<string> {
  const last = lastSubmission(folder.path);
  if (last === null) return '';
  const state = await queueState(last.job, NOTHING);
  if (state !== null) return `Slurm job ${last.job}: ${state.running} tasks running, ${state.waiting} waiting.`;
  const asked = new Set(last.batches.flat());
  const undone = runs.filter((run) => asked.has(run.id) && folder.result(run).status === 'missing');
  fail(folder, undone, last, await endsOf(last));
  return '';
}

const NOTHING: QueueState = { running: 0, waiting: 0 };
