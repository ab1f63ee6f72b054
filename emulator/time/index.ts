/** Time: events in the order in which they happen. */

export * from './cost-ledger.ts';
export { EventQueue } from './event-queue.ts';
export { LatencyHistogram } from './latency-histogram.ts';
export { SmallHistogram } from './small-histogram.ts';
