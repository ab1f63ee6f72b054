/** The sanitizer: driver bugs, named. */
export * from './finding.ts';
export {
  EXCESS_PAGES,
  type InvalidationWatch,
  WHOLE_SPACE_PAGES,
} from './invalidation-watch.ts';
export * from './sanitizer.ts';
export type { ClosedWindow, StaleWindows } from './stale-windows.ts';
export { type KnownTable, type TableObserver, TableWatch } from './table-watch.ts';
export { WalkCheck } from './walk-check.ts';
export { watchedOthers, watchedTables } from './watched-allocator.ts';
export type { WatchedSpace } from './watched-space.ts';
