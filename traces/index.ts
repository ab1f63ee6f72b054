export * from './access.ts';
export * from './address-list.ts';
export { BIND_SCHEMA, BindReplay, type BindReplayReport } from './bind-replay.ts';
export { BindReplayer, type BoundDomain } from './bind-replayer.ts';
export { BREAKS, plantBreaks } from './break-list.ts';
export * from './capture/capture-reader.ts';
export * from './capture/stats.ts';
export * from './compare.ts';
export { COMPARE_METRICS, type CompareMetric } from './compare-metrics.ts';
export { hasField } from './config/check.ts';
export * from './config/run-config.ts';
export * from './config/set-field.ts';
export { openVectors } from './conformance/open-vectors.ts';
export {
  type ConformanceOptions,
  type ConformanceResult,
  ConformanceRun,
  describeMismatch,
  type FileResult,
} from './conformance/run-file.ts';
export { parseVector, type Vector } from './conformance/vector.ts';
export { type CaseCall, writeCase } from './conformance/write-case.ts';
export * from './domains.ts';
export * from './event.ts';
export * from './image/bare-table.ts';
export * from './image/compare-leaves.ts';
export * from './image/image-streams.ts';
export * from './image/leaf-list.ts';
export * from './image/memory-image.ts';
export * from './image/narrate.ts';
export * from './image/summary.ts';
export * from './input-error.ts';
export * from './invalidation-bench.ts';
export * from './latency-histogram.ts';
export { type Log, SILENT } from './log.ts';
export { Machine } from './machine.ts';
export type { MemoryUse } from './memory-meter.ts';
export type { Refusal } from './refusal.ts';
export { type ReplayOptions, ReplayRun, streamIdOf } from './replay.ts';
export { type ReplayDomain, Replayer } from './replayer.ts';
export * from './report/findings.ts';
export * from './report/report.ts';
export * from './report/terminal.ts';
export * from './scenarios/index.ts';
export { forEachStreamLeaf, writeStreamLeaves } from './table-leaves.ts';
export { placeTables, type TableRegion } from './table-region.ts';
export * from './translate-experiment.ts';
export * from './translate-experiment-compare.ts';
export * from './translate-experiment-run.ts';
export * from './translate-map.ts';
export * from './translate-stream.ts';
