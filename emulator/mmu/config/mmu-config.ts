import * as v from 'valibot';
import { ConfigError } from '../../../formats/index.ts';
import { DeviationsSchema } from './deviations.ts';
import { REPLACEMENT_POLICIES } from './replacement-policy.ts';

/**
 * The machine that {@link Mmu} is, as plain JSON: every size, width, latency and slot count. Cycles are SMMU clock cycles.
 * presets.ts holds the named machines and the sources of their numbers; the defaults here are those of preset `gem5`.
 */

const count = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const cycles = v.pipe(v.number(), v.minValue(0), v.maxValue(1e9));

const cache = (enabled: boolean, entries: number, ways: number | 'full', latency: number, ports: number) =>
  v.pipe(
    v.strictObject({
      /** Off: every lookup goes past it and costs nothing. */
      enabled: v.optional(v.boolean(), enabled),
      /** 1 to 65536. */
      entries: v.optional(count(1, 65536), entries),
      /** Ways of a set, must divide `entries`; `full` is fully associative. The number of sets need not be a power of two. */
      ways: v.optional(v.union([v.literal('full'), count(1, 65536)], 'full, or a whole number from 1 to 65536'), ways),
      policy: v.optional(v.picklist(REPLACEMENT_POLICIES), 'round-robin'),
      /** Cycles of one lookup. */
      latency: v.optional(cycles, latency),
      /** Lookups that may overlap. */
      ports: v.optional(count(1, 4096), ports),
    }),
    v.check((c) => c.ways === 'full' || c.entries % c.ways === 0, 'entries must be a multiple of ways'),
    v.check(
      (c) => c.policy !== 'plru' || isPlruWays(c.ways === 'full' ? c.entries : c.ways),
      'plru needs 1, 2, 4, 8, 16 or 32 ways',
    ),
  );

function isPlruWays(ways: number): boolean {
  return ways <= 32 && (ways & (ways - 1)) === 0;
}

/** Entries of one stage's walk caches, level 0 to 3; 0 leaves a level out. */
const levelSizes = (sizes: readonly [number, number, number, number]) =>
  v.optional(v.tuple([count(0, 65536), count(0, 65536), count(0, 65536), count(0, 65536)]), [...sizes]);

const walkCache = v.pipe(
  v.strictObject({
    enabled: v.optional(v.boolean(), true),
    /** Entries by level of stage 1: gem5 `walk_S1L0` to `walk_S1L3`. */
    stage1: levelSizes([4, 28, 348, 4]),
    /** Entries by level of stage 2. */
    stage2: levelSizes([4, 28, 92, 4]),
    /** Levels that are looked up and filled (gem5 `wc_s1_levels`, there a bit mask). */
    stage1Levels: v.optional(v.array(count(0, 3)), [0, 1, 2]),
    stage2Levels: v.optional(v.array(count(0, 3)), [0, 1, 2]),
    /** Larger than 0: one array of this many entries for all levels of both stages (MMU-700) instead of one per level. */
    unifiedEntries: v.optional(count(0, 65536), 0),
    ways: v.optional(count(1, 64), 4),
    policy: v.optional(v.picklist(REPLACEMENT_POLICIES), 'round-robin'),
    /** Cycles to probe one level. */
    latency: v.optional(cycles, 4),
    ports: v.optional(count(1, 4096), 4),
    /** True: all levels are probed at once, so a lookup costs `latency` however many levels there are. */
    parallelLevels: v.optional(v.boolean(), false),
    /** Leaves are kept too, not only tables. */
    holdsLeaves: v.optional(v.boolean(), true),
    /** Stage-2 translations of stage-1 tables use the stage-2 walk caches too, not only the final address. */
    nonFinal: v.optional(v.boolean(), false),
  }),
  v.check(
    (c) => [...c.stage1, ...c.stage2, c.unifiedEntries].every((entries) => entries % c.ways === 0),
    'entries of each level must be a multiple of ways',
  ),
  v.check((c) => c.policy !== 'plru' || isPlruWays(c.ways), 'plru needs 1, 2, 4, 8, 16 or 32 ways'),
);

/** One translation buffer unit: what stands between a master and the SMMU proper. */
const tbuSchema = v.strictObject({
  /** Width of the port to the master in bytes; a write takes size / width cycles on it. */
  portWidth: v.optional(count(1, 1024), 16),
  /** Translations that may be in flight. */
  slots: v.optional(count(1, 4096), 16),
  /** Beats of write data that may wait for their translation. */
  writeBufferSlots: v.optional(count(1, 4096), 16),
  microTlb: v.optional(cache(true, 32, 'full', 1, 1), {}),
  mainTlb: v.optional(cache(true, 2048, 4, 3, 3), {}),
  /** After a miss, fetch the translation of the next 4 KiB page as well. Done by the engine for requests in flight. */
  prefetch: v.optional(v.boolean(), false),
  /** Prefetches fill the last way of the main TLB only, and nothing else does. */
  prefetchOwnsLastWay: v.optional(v.boolean(), true),
});

/** What an invalidation command costs. No vendor publishes the split: it is assumed, and the published totals are met, see `tablewalk validate`. */
const invalidationSchema = v.strictObject({
  /** Cycles from the doorbell to the first command read. */
  doorbell: v.optional(cycles, 20),
  /** Commands that one memory read brings in: 4 fill a 64-byte line. */
  commandsPerRead: v.optional(count(1, 64), 4),
  /** Cycles to decode and issue one command. */
  issue: v.optional(cycles, 4),
  /** Cycles for a command to reach every TBU and for its acknowledgement to come back. Commands follow each other in a pipeline. */
  broadcast: v.optional(cycles, 40),
  /** Cycles a TBU is busy with one invalidation by address: it probes one set per page size. */
  byAddress: v.optional(cycles, 6),
  /** Sets of a TLB that a search by ASID, VMID or range goes through per cycle. */
  setsPerCycle: v.optional(count(1, 65536), 8),
  /** Cycles of a SYNC besides waiting: completion written back (what is missing to 190 ns for a CMD_SYNC on an empty queue, waking by SEV). */
  sync: v.optional(cycles, 80),
  /** A SYNC waits for translations that were in flight when it was issued. */
  syncDrains: v.optional(v.boolean(), true),
});

export const MmuSchema = v.strictObject({
  /** Masters, each behind a TBU of its own. */
  masters: v.optional(count(1, 1024), 1),
  /** TBU of every master. */
  tbu: v.optional(tbuSchema, {}),
  /** Cycles from a TBU to the MMU and back; 1 of each is the slot on the link. */
  link: v.optional(
    v.strictObject({
      request: v.optional(v.pipe(cycles, v.minValue(1)), 8),
      response: v.optional(v.pipe(cycles, v.minValue(1)), 8),
    }),
    {},
  ),
  /** Translations that may be inside the SMMU. */
  slots: v.optional(count(1, 65536), 64),
  /** Table walks at a time. */
  walkSlots: v.optional(count(1, 4096), 16),
  /** Cycles between two steps of a walk. */
  walkStep: v.optional(cycles, 1),
  /** Width of the port to memory in bytes. */
  portWidth: v.optional(count(1, 1024), 16),
  configurationCache: v.optional(cache(true, 64, 4, 3, 3), {}),
  /** TLB of the SMMU itself, shared by all TBUs, tagged by ASID and VMID (MMU-500 calls it macro TLB). */
  tlb: v.optional(cache(false, 2048, 4, 3, 3), {}),
  walkCache: v.optional(walkCache, {}),
  /** Stage-2 translations by IPA. */
  ipaCache: v.optional(cache(false, 128, 4, 3, 3), {}),
  memory: v.optional(
    v.strictObject({
      /** Cycles from request to data. */
      latency: v.optional(cycles, 100),
      /** Bytes per cycle that memory takes; 0 is unlimited. */
      bandwidth: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
    }),
    {},
  ),
  /** An aligned contiguous run of pages becomes one TLB entry. */
  contiguousRunIsOneEntry: v.optional(v.boolean(), false),
  /** The round-robin pointer of a cache belongs to all its sets, and that of the walk caches to all their levels. */
  onePointerForAllSets: v.optional(v.boolean(), false),
  /** The set of an SMMU TLB or IPA cache entry depends on ASID and VMID too. */
  indexMixesAddressSpace: v.optional(v.boolean(), false),
  /** LRU: a fresh entry counts as the oldest until its first hit. */
  freshEntryIsOldest: v.optional(v.boolean(), false),
  /** Seed of random replacement. */
  seed: v.optional(v.pipe(v.number(), v.integer()), 1),
  deviations: v.optional(DeviationsSchema, {}),
  invalidation: v.optional(invalidationSchema, {}),
});

export type MmuConfig = v.InferOutput<typeof MmuSchema>;
export type MmuOptions = v.InferInput<typeof MmuSchema>;
export type CacheConfig = MmuConfig['tlb'];
export type WalkCacheConfig = MmuConfig['walkCache'];
export type TbuConfig = MmuConfig['tbu'];

/**
 * Fills in defaults and checks.
 * @throws ConfigError naming the first field that is wrong
 */
export function parseMmuConfig(options: unknown): MmuConfig {
  const parsed = v.safeParse(MmuSchema, options);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  throw new ConfigError(path === null ? 'mmu' : `mmu.${path}`, issue.input, issue.expected ?? issue.message);
}
