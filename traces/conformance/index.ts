/** Our page tables and drivers held against what real ones did, case for case. */
export {
  type ConformanceOptions,
  type ConformanceResult,
  ConformanceRun,
  describeMismatch,
  type FileResult,
} from './run-file.ts';
export { parseVector, type Vector } from './tables/index.ts';
