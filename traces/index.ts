export * from './access.ts';
export * from './capture/capture-reader.ts';
export * from './capture/stats.ts';
export { openVectors } from './conformance/open-vectors.ts';
export {
  type ConformanceOptions,
  type ConformanceResult,
  ConformanceRun,
  describeMismatch,
  type FileResult,
} from './conformance/run-file.ts';
export * from './event.ts';
export * from './input-error.ts';
export * from './page-sizes.ts';
