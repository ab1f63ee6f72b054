import type { AssociativeCache } from '../cache/index.ts';
import { type MmuCaches, WALK_LEVELS } from '../tlb/index.ts';
import { ContextStructure } from './context-source.ts';

/** Counters of one cache (MMU-700 PMU: lookup, miss). */
export interface CacheCounters {
  readonly lookups: number;
  readonly misses: number;
  /** Stores. */
  readonly updates: number;
  /** Stores into an empty way. */
  readonly insertions: number;
  readonly evictions: number;
  /** Entries that invalidations dropped. */
  readonly invalidated: number;
}

/** Counters of a walk cache with those of each level, level 0 first. */
export interface WalkCacheCounters extends CacheCounters {
  readonly stage1: readonly CacheLevelCounters[];
  readonly stage2: readonly CacheLevelCounters[];
}

export interface CacheLevelCounters {
  readonly lookups: number;
  readonly misses: number;
  readonly updates: number;
  readonly insertions: number;
}

/** What an MMU has counted since it was made or its counters were reset. Micro and main TLBs are summed over the masters. */
export interface MmuCounters {
  readonly requests: number;
  readonly faults: number;
  readonly walks: number;
  readonly descriptorReads: number;
  readonly configurationReads: number;
  readonly streamTableEntryFetches: number;
  readonly streamTableL1Fetches: number;
  readonly contextDescriptorFetches: number;
  readonly contextDescriptorL1Fetches: number;
  readonly walkCycles: number;
  readonly latencyCycles: number;
  readonly microTlb: CacheCounters;
  readonly mainTlb: CacheCounters;
  readonly tlb: CacheCounters;
  readonly ipaCache: CacheCounters;
  readonly configurationCache: CacheCounters;
  readonly walkCache: WalkCacheCounters;
}

function sum(caches: readonly (AssociativeCache | null)[]): CacheCounters {
  const total = { lookups: 0, misses: 0, updates: 0, insertions: 0, evictions: 0, invalidated: 0 };
  for (const cache of caches) {
    if (cache === null) continue;
    total.lookups += cache.lookups;
    total.misses += cache.misses;
    total.updates += cache.updates;
    total.insertions += cache.insertions;
    total.evictions += cache.evictions;
    total.invalidated += cache.invalidated;
  }
  return total;
}

/** What an MMU counts itself; its caches have counters of their own. */
export interface MmuTally {
  readonly caches: MmuCaches;
  readonly requests: number;
  readonly faults: number;
  readonly walks: number;
  readonly totalDescriptorReads: number;
  readonly totalWalkCycles: number;
  readonly totalLatency: number;
  /** Configuration structures read, by `ContextStructure`. */
  readonly configurationFetches: Float64Array;
}

/** Gathers the counters of an MMU and its caches. */
export function readCounters(mmu: MmuTally): MmuCounters {
  const { caches, configurationFetches: fetches } = mmu;
  const { walk } = caches;
  const fetched = (structure: ContextStructure): number => fetches[structure] as number;
  const total = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
  const level = (section: number): CacheLevelCounters => walk.countersOf(section);
  const levels = (base: number) => Array.from({ length: WALK_LEVELS }, (_, index) => level(base + index));
  return {
    requests: mmu.requests,
    faults: mmu.faults,
    walks: mmu.walks,
    descriptorReads: mmu.totalDescriptorReads,
    configurationReads: total(fetches),
    streamTableEntryFetches: fetched(ContextStructure.STREAM),
    streamTableL1Fetches: fetched(ContextStructure.STREAM_L1),
    contextDescriptorFetches: fetched(ContextStructure.CONTEXT),
    contextDescriptorL1Fetches: fetched(ContextStructure.CONTEXT_L1),
    walkCycles: mmu.totalWalkCycles,
    latencyCycles: mmu.totalLatency,
    microTlb: sum(caches.tbus.map((unit) => unit.microTlb)),
    mainTlb: sum(caches.tbus.map((unit) => unit.mainTlb)),
    tlb: sum([caches.tlb]),
    ipaCache: sum([caches.ipa]),
    configurationCache: sum([caches.configuration]),
    walkCache: { ...sum(walk.arrays), stage1: levels(0), stage2: levels(WALK_LEVELS) },
  };
}
