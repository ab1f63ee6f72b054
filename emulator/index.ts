/** The hardware that every MMU shares. */
export * from './memory/index.ts';
export { type AssociativeCache, maskHigh, maskLow } from './mmu/cache/index.ts';
export * from './mmu/config/index.ts';
export * from './mmu/in-flight/index.ts';
export { ANY, type InvalidationObserver, InvalidationPort } from './mmu/invalidation/index.ts';
export * from './mmu/regime/index.ts';
export {
  type CacheContents,
  type CachedTranslation,
  type CacheRole,
  cacheContents,
  type MarkDropped,
  MmuCaches,
  probedSets,
  type StaleMarks,
} from './mmu/tlb/index.ts';
export * from './mmu/translation/index.ts';
export * from './mmu/walk/index.ts';
export * from './sanitizer/index.ts';
export * from './time/index.ts';
