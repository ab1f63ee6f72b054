/** All of `traces` that needs no file system: what a page imports. `index.ts` adds the files. */
export * from './capture/index.ts';
export { hasField } from './config/check.ts';
export * from './config/run-config.ts';
export * from './config/set-field.ts';
export {
  type ConformanceOptions,
  type ConformanceResult,
  ConformanceRun,
  describeMismatch,
  type FileResult,
} from './conformance/run-file.ts';
export { parseVector, type Vector } from './conformance/vector.ts';
export * from './domains/tracker.ts';
export * from './explain/index.ts';
export * from './generate/index.ts';
export * from './image/bare-table.ts';
export * from './image/compare-leaves.ts';
export * from './image/image-streams.ts';
export * from './image/leaf-list.ts';
export * from './image/memory-image.ts';
export * from './image/narrate.ts';
export * from './image/summary.ts';
export * from './input-error.ts';
export * from './reference/compare.ts';
export * from './reference/experiment.ts';
export * from './reference/run.ts';
export * from './replay/access.ts';
export type { Refusal } from './replay/refusal.ts';
export type { ReplayDomain } from './replay/replay-domain.ts';
export { Replayer } from './replay/replayer.ts';
export { Replay, type ReplayOptions, streamIdOf } from './replay/run.ts';
export { forEachStreamLeaf } from './replay/table-leaves.ts';
export * from './report/findings.ts';
export { bestOf, METRICS, type Metric, metricsOf } from './report/metrics.ts';
export * from './report/outputs/index.ts';
export * from './report/report.ts';
export { renderReport, type TerminalOptions } from './report/terminal.ts';
export * from './scenarios/index.ts';
export * from './studies/compare.ts';
export * from './studies/invalidation-bench.ts';
export * from './studies/sweep/index.ts';
export * from './studies/variation/index.ts';
export * from './translate/map.ts';
export * from './translate/stream.ts';
