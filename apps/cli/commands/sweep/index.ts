/** Very many replays: who runs them, and what is shown of them. */
export { register } from './command.ts';
export { startWorker } from './worker.ts';
