import { isMainThread } from 'node:worker_threads';
import { startWorker } from './commands/index.ts';
import { runProgram } from './program.ts';
import { watchStreams } from './terminal/index.ts';

// The threads of a sweep start from this file as well.
if (isMainThread) {
  watchStreams();
  await runProgram(process.argv.slice(2));
} else startWorker();
