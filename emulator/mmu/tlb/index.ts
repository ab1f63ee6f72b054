/** What an MMU remembers: its TLBs, walk caches and IPA cache, and the marks of the sanitizer. */
export {
  type CacheContents,
  type CachedTranslation,
  type CacheRole,
  cacheContents,
  probedSets,
} from './contents.ts';
export { fill, MmuCaches } from './mmu-caches.ts';
export { type MarkDropped, StaleMarks } from './stale-marks.ts';
export type { Tbu } from './tbu.ts';
export { WALK_LEVELS, type WalkCaches } from './walk-caches.ts';
