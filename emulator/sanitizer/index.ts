/** The sanitizer: driver bugs, named. */
export * from './finding.ts';
export type { InvalidationObserver, InvalidationWatch } from './invalidation-watch.ts';
export * from './sanitizer.ts';
export type { StaleWindows } from './stale-windows.ts';
export { TableWatch } from './table-watch.ts';
export { WalkCheck } from './walk-check.ts';
export type { WatchedSpace } from './watched-space.ts';
