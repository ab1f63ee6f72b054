/** What tables are, what becomes of their descriptors, and what has to be invalidated for it. */
export { EXCESS_PAGES, type InvalidationWatch, WHOLE_SPACE_PAGES } from './invalidation-watch.ts';
export { PAGE_WORDS_SHIFT, PageUse, type TableMap } from './table-map.ts';
export { type KnownTable, type TableObserver, TableWatch } from './table-watch.ts';
export { watchedOthers, watchedTables } from './watched-allocator.ts';
export type { WatchedSpace } from './watched-space.ts';
