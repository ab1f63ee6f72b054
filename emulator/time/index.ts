/** Time: events in the order in which they happen, and what it was spent on. */
export * from './cost-ledger.ts';
export { EventQueue } from './event-queue.ts';
export { LatencyHistogram } from './latency-histogram.ts';
export { Ring } from './ring.ts';
export { SmallHistogram } from './small-histogram.ts';
