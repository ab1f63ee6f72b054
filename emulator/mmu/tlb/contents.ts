import {
  type AssociativeCache,
  ENTRY_WORDS,
  FIRST_SHIFT,
  OWNER_SHIFT,
  SECTION_SHIFT,
  tagHigh,
  tagLow,
  UPPER_HALF_BIT,
} from '../cache/index.ts';
import { ENTRY } from '../walk/index.ts';
import type { MmuCaches } from './mmu-caches.ts';
import { WALK_LEVELS } from './walk-caches.ts';

/** What a cache is for: whose entries it holds, and how they are found. */
export type CacheRole = 'micro-TLB' | 'main TLB' | 'SMMU TLB' | 'IPA cache' | 'walk cache' | 'configuration cache';

/** One entry as it stands, decoded. Plain JSON. */
export interface CachedTranslation {
  readonly set: number;
  readonly way: number;
  /** First input address that it covers, without the bits above the upper half's size. */
  readonly iova: number;
  /** Bytes that it covers; 0 for all addresses of its owner. */
  readonly size: number;
  /** Of the half of TTBR1. */
  readonly upper: boolean;
  /** Address space; -1 for an ASID that entries of stage 2 do not have. */
  readonly asid: number;
  readonly vmid: number;
  /** Of a walk cache: stage and level of the descriptor that it spares; else 0 and -1. */
  readonly stage: number;
  readonly level: number;
  /** It leads to a table; otherwise to memory. */
  readonly table: boolean;
  /** What `iova` becomes, or where the next table lies. Of a configuration 0. */
  readonly output: number;
  /** Bits of `Permission`. */
  readonly permissions: number;
  readonly global: boolean;
  /** The sanitizer knows that it should be gone. */
  readonly stale: boolean;
}

/** One cache as it stands. Plain JSON. */
export interface CacheContents {
  readonly name: string;
  readonly role: CacheRole;
  readonly sets: number;
  readonly ways: number;
  readonly lookups: number;
  readonly misses: number;
  readonly evictions: number;
  readonly invalidated: number;
  readonly entries: readonly CachedTranslation[];
}

/** Everything that an MMU remembers now, cache by cache: for people to look at. Counts nothing and changes nothing. */
export function cacheContents(caches: MmuCaches): CacheContents[] {
  const found: CacheContents[] = [];
  const show = (cache: AssociativeCache | null, role: CacheRole): void => {
    if (cache !== null) found.push(contentsOf(caches, cache, role));
  };
  for (const { microTlb, mainTlb } of caches.tbus) {
    show(microTlb, 'micro-TLB');
    show(mainTlb, 'main TLB');
  }
  show(caches.tlb, 'SMMU TLB');
  for (const cache of caches.walk.arrays) show(cache, 'walk cache');
  show(caches.ipa, 'IPA cache');
  show(caches.configuration, 'configuration cache');
  return found;
}

/**
 * The sets in which a cache would look for an address: one for each page size that it holds, or for the smallest page while it is empty.
 * What mixes the address space into the set (`indexMixesAddressSpace`) is left out.
 */
export function probedSets(cache: AssociativeCache, iova: number, upper = false): number[] {
  const low = tagLow(iova);
  const high = tagHigh(iova, upper);
  const sets = new Set<number>();
  for (let index = 0; index < cache.pageSizes.count; index++) {
    sets.add(cache.setStart(cache.pageSizes.shifts[index] as number, low, high, 0) / cache.ways);
  }
  if (sets.size === 0) sets.add(cache.setStart(FIRST_SHIFT, low, high, 0) / cache.ways);
  return [...sets];
}

function contentsOf(caches: MmuCaches, cache: AssociativeCache, role: CacheRole): CacheContents {
  const entries: CachedTranslation[] = [];
  for (let entry = 0; entry < cache.reach; entry++) {
    if (cache.holds(entry)) entries.push(entryOf(caches, cache, role, entry));
  }
  const { name, sets, ways, lookups, misses, evictions, invalidated } = cache;
  return { name, role, sets, ways, lookups, misses, evictions, invalidated, entries };
}

function entryOf(caches: MmuCaches, cache: AssociativeCache, role: CacheRole, entry: number): CachedTranslation {
  const at = entry * ENTRY_WORDS;
  const low = cache.words[at] as number;
  const high = cache.words[at + 1] as number;
  const shift = cache.words[at + 6] as number;
  const attributes = cache.attributesOf(entry);
  const isConfiguration = role === 'configuration cache';
  const stream = high >>> OWNER_SHIFT;
  const space = isConfiguration ? (caches.streamSpaces[stream] ?? 0) : cache.spaceOf(entry);
  const section = (high >>> SECTION_SHIFT) & 7;
  const table = cache.holdsTables && (attributes & ENTRY.LEAF) === 0;
  const iova = ((high & 0xff) * 2 ** 32 + (low >>> 0)) * 2 ** FIRST_SHIFT;
  const value = cache.values[entry] as number;
  return {
    set: Math.floor(entry / cache.ways),
    way: entry % cache.ways,
    iova: isConfiguration ? (caches.streams.first[stream] ?? 0) : iova,
    size: isConfiguration || shift >= 52 ? 0 : 2 ** shift,
    upper: (high & UPPER_HALF_BIT) !== 0,
    asid: caches.spaces.first[space] ?? 0,
    vmid: caches.spaces.second[space] ?? 0,
    stage: cache.holdsTables ? (section < WALK_LEVELS ? 1 : 2) : 0,
    level: cache.holdsTables ? section % WALK_LEVELS : -1,
    table,
    output: isConfiguration ? 0 : table ? value : iova + value,
    permissions: (attributes >>> ENTRY.PERMISSIONS_SHIFT) & ENTRY.PERMISSIONS_MASK,
    global: role !== 'IPA cache' && (attributes & ENTRY.NOT_GLOBAL) === 0,
    stale: (cache.marks[entry] as number) !== 0,
  };
}
