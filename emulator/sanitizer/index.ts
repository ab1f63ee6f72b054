/** The sanitizer: driver bugs, named. */
export * from './finding.ts';
export * from './sanitizer.ts';
export type { ClosedWindow, StaleWindows } from './stale-windows.ts';
export {
  EXCESS_PAGES,
  type InvalidationWatch,
  type KnownTable,
  type TableObserver,
  TableWatch,
  type WatchedSpace,
  WHOLE_SPACE_PAGES,
  watchedOthers,
  watchedTables,
} from './tables/index.ts';
export { WalkCheck } from './walk-check.ts';
