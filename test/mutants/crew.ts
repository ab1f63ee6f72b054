import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Answer, Job } from './worker.ts';

/** How a job ended: with the tests that failed first, at a time limit, or with the end of the process. */
export interface Outcome {
  readonly how: 'passed' | 'failed' | 'timeout' | 'crash';
  /** The test file that ran last, and its tests that failed. */
  readonly file: string;
  readonly failed: readonly string[];
  readonly ms: number;
  readonly entered: readonly number[];
}

/** Modules of mutants are never freed; a worker of this heap is let go. */
const HEAP = 800 * 2 ** 20;

/** One worker process at a time, renewed when it does not answer, ends, or grows. */
export class Crew {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tablewalk-mutants-'));
  #worker: ChildProcess | undefined;
  #jobs = 0;

  /** @param limit milliseconds that a test file may take. */
  async run(job: Omit<Job, 'number'>, limit: (file: string) => number): Promise<Outcome> {
    const worker = this.#worker ?? (await this.#start());
    this.#worker = worker;
    this.#jobs += 1;
    const outcome = await this.#watch(worker, { ...job, number: this.#jobs }, limit);
    if (outcome.how === 'timeout' || outcome.how === 'crash') this.#dismiss();
    return outcome;
  }

  end(): void {
    this.#dismiss();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #dismiss(): void {
    this.#worker?.removeAllListeners();
    this.#worker?.kill('SIGKILL');
    this.#worker = undefined;
  }

  #start(): Promise<ChildProcess> {
    const worker = fork('test/mutants/worker.ts', {
      execArgv: ['--import', './test/native.mjs', '--max-old-space-size=2000', '--no-warnings'],
      stdio: ['ignore', 'ignore', process.env['MUTANTS_STDERR'] === undefined ? 'ignore' : 'inherit', 'ipc'],
      // What a killed test leaves behind goes with the folder.
      env: { ...process.env, TMPDIR: this.#folder },
    });
    return new Promise((resolve, reject) => {
      worker.once('message', () => {
        worker.removeAllListeners('exit');
        resolve(worker);
      });
      worker.once('exit', (code) => reject(new Error(`the worker ended at its start with ${code}`)));
    });
  }

  #watch(worker: ChildProcess, job: Job, limit: (file: string) => number): Promise<Outcome> {
    let timer: NodeJS.Timeout;
    let ran = 0;
    let file = job.tests[0]?.file ?? '';
    let failed: readonly string[] = [];
    let ms = 0;
    return new Promise((resolve) => {
      const end = (how: Outcome['how'], entered: readonly number[] = []): void => {
        clearTimeout(timer);
        worker.removeAllListeners();
        resolve({ how, file, failed, ms, entered });
      };
      const arm = (): void => {
        clearTimeout(timer);
        timer = setTimeout(() => end('timeout'), limit(file));
      };
      worker.on('exit', () => end('crash'));
      worker.on('message', (answer: Answer) => {
        if (answer.type === 'file') {
          ran += 1;
          ms += answer.ms;
          failed = answer.failed;
          if (failed.length === 0) file = job.tests[ran]?.file ?? file;
          arm();
        } else if (answer.type === 'done') {
          end(failed.length === 0 ? 'passed' : 'failed', answer.entered);
          if (answer.heap > HEAP) this.#dismiss();
        }
      });
      arm();
      worker.send(job);
    });
  }
}
