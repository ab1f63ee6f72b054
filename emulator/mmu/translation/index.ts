/** One request with its answer, and the MMU that serves it when no other is in flight. */
export { AccessFlag, HitFlag, neededPermissions } from './access-flags.ts';
export * from './context-source.ts';
export type { CacheCounters, CacheLevelCounters, MmuCounters, WalkCacheCounters } from './counters.ts';
export type { TranslatingDevice } from './device.ts';
export * from './fixed-contexts.ts';
export { Mmu } from './mmu.ts';
export * from './register-fetch.ts';
export * from './request.ts';
export type { WalkCacheKind, WalkObserver } from './walk-observer.ts';
