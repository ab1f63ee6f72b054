/** Sweeps in folders: the plan, the runs, and the captures' events for all of them. */
export { EventPacking, packedEvents } from './packed-events.ts';
export { runOne } from './run-one.ts';
export { captureSizes, SweepFolder } from './sweep-folder.ts';
