/** A capture's events, done on a machine. */
export { type AccessAccount, AccessStream, type RecordedReport, SERVED_NAMES, Served } from './accesses/index.ts';
export { type CpuAccount, CpuTimes } from './cpu-times.ts';
export type { Refusal } from './refusal.ts';
export type { ReplayDomain } from './replay-domain.ts';
export { Replayer } from './replayer.ts';
export { forEachStreamLeaf } from './table-leaves.ts';
