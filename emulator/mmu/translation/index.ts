/** One request with its answer, and the MMU that serves it when no other is in flight. */
export { AccessFlag, HitFlag, neededPermissions } from './access-flags.ts';
export * from './context-source.ts';
export type { CacheCounters, CacheLevelCounters, MmuCounters, WalkCacheCounters } from './counters.ts';
export type { TranslatingDevice } from './device.ts';
export { Mmu } from './mmu.ts';
export * from './request.ts';
export type { WalkCacheKind, WalkObserver } from './walk-observer.ts';
