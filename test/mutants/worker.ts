/** The process that runs test files against a mutant, one after the other, until one fails. Started by `crew.ts`. */
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { type File, startTests, type VitestRunner } from '@vitest/runner';
import fc from 'fast-check';

export interface Job {
  readonly number: number;
  /** Files, by absolute path, that are loaded anew. */
  readonly stale: readonly string[];
  /** Texts in place of files, by absolute path. */
  readonly texts: Readonly<Record<string, string>>;
  readonly tests: readonly { readonly file: string; readonly broken: readonly string[] }[];
  /** Go on when a test fails, and say which blocks were entered. */
  readonly blocks?: number;
}

export type Answer =
  | { readonly type: 'ready' }
  | { readonly type: 'file'; readonly file: string; readonly ms: number; readonly failed: readonly string[] }
  | { readonly type: 'done'; readonly entered: readonly number[]; readonly heap: number };

// What `expect` of vitest needs to know of the worker that it runs in.
Object.assign(globalThis, { __vitest_worker__: { config: {}, providedContext: {} } });
const { expect } = await import('vitest');
// The same cases for every mutant, and no search for a smaller one that fails.
fc.configureGlobal({ seed: 1, endOnFailure: true });

const { port1, port2 } = new MessageChannel();
register('./versions.mjs', { parentURL: import.meta.url, data: { port: port2 }, transferList: [port2] });

/** Runs one test file; gives the names of the tests that failed. */
async function run(file: string, number: number, broken: readonly string[], bail: boolean): Promise<string[]> {
  const failed: string[] = [];
  const name = (task: { name: string; suite?: { name: string } }): string => `${task.suite?.name ?? ''} > ${task.name}`;
  const runner: VitestRunner = {
    config: {
      root: process.cwd(),
      setupFiles: [],
      name: undefined,
      passWithNoTests: true,
      testNamePattern: undefined,
      allowOnly: true,
      sequence: { seed: 1, hooks: 'stack', setupFiles: 'list' },
      chaiConfig: undefined,
      maxConcurrency: 1,
      testTimeout: 600_000,
      hookTimeout: 600_000,
      retry: 0,
      includeTaskLocation: false,
      tags: [],
      tagsFilter: undefined,
      strictTags: false,
    },
    importFile: (path) => import(`${pathToFileURL(path).href}?version=${number}`),
    onBeforeRunTask(test) {
      if ((bail && failed.length > 0) || broken.includes(name(test))) test.mode = 'skip';
    },
    onBeforeTryTask(test) {
      expect.setState({ assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null });
      expect.setState({ currentTestName: name(test), testPath: file });
    },
    onAfterRunTask(test) {
      if (test.result?.state === 'fail') failed.push(name(test));
    },
  };
  const [result] = await startTests([{ filepath: file }], runner);
  if (failed.length === 0 && result !== undefined && suiteFailed(result)) failed.push('the file');
  return failed.filter((one) => !broken.includes(one));
}

/** Whether the file could not be loaded, or a hook failed. */
function suiteFailed(file: File): boolean {
  const errors = (task: File['tasks'][number] | File): boolean =>
    (task.result?.errors?.length ?? 0) > 0 || ('tasks' in task && task.tasks.some(errors));
  return errors(file);
}

const send = (answer: Answer): void => void process.send?.(answer);
const unexpected: unknown[] = [];
process.on('uncaughtException', (error) => unexpected.push(error));
process.on('unhandledRejection', (error) => unexpected.push(error));

async function work(job: Job): Promise<void> {
  const entered = new Uint8Array(job.blocks ?? 0);
  Object.assign(globalThis, { blocksEntered: entered });
  const stale = new Set(job.stale.map((path) => pathToFileURL(path).href));
  await new Promise((resolve) => {
    port1.once('message', resolve);
    port1.postMessage({ number: job.number, stale, texts: job.texts });
  });
  for (const { file, broken } of job.tests) {
    const start = performance.now();
    unexpected.length = 0;
    const failed = await run(file, job.number, broken, job.blocks === undefined);
    if (unexpected.length > 0 && !broken.includes('outside all tests')) failed.push('outside all tests');
    send({ type: 'file', file, ms: performance.now() - start, failed });
    if (failed.length > 0) break;
  }
  send({
    type: 'done',
    entered: Array.from(entered.keys()).filter((index) => entered[index] === 1),
    heap: process.memoryUsage().heapUsed,
  });
}

process.on('disconnect', () => process.exit());
process.on('message', (job: Job) => void work(job));
send({ type: 'ready' });
