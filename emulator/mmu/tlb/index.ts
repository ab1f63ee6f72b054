/** What an MMU remembers: its TLBs, walk caches and IPA cache, how they are tagged and searched, and the marks of the sanitizer. */
export { AssociativeCache, ENTRY_WORDS } from './cache.ts';
export {
  type CacheContents,
  type CachedTranslation,
  type CacheRole,
  cacheContents,
  probedSets,
} from './contents.ts';
export { fill, MmuCaches } from './mmu-caches.ts';
export { ANY_SET, RangeSearch } from './range-search.ts';
export { type MarkDropped, StaleMarks } from './stale-marks.ts';
export * from './tag.ts';
export type { Tbu } from './tbu.ts';
export { WALK_LEVELS, type WalkCaches } from './walk-caches.ts';
