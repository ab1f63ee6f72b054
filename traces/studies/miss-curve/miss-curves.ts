import {
  type AssociativeCache,
  InvalidationPort,
  type Mmu,
  MmuCaches,
  type MmuOptions,
  type ReplacementPolicy,
} from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { CacheTap } from './cache-tap.ts';
import type { Depths } from './depths.ts';
import { PolicyCaches } from './policy-caches.ts';
import { Sample } from './sample.ts';
import { MOST_WAYS } from './set-stacks.ts';

const MISS_CURVE_SCHEMA = 'tablewalk.miss-curve/1';

/** What a cache can hold at most in a configuration, and so in a curve. */
const MOST_ENTRIES = 65_536;
/** Sizes at which other policies are simulated. */
const POLICY_SIZES: readonly number[] = [8, 32, 128, 512];
/** The tree of PLRU has a bit for each way but one, in a word. */
const MOST_PLRU_WAYS = 32;

export interface MissCurveOptions {
  /** Numbers of sets, powers of two, of which the TLBs' hit rates with 1 to 16 ways are wanted. */
  readonly sets?: readonly number[];
  /** Page sizes, as shifts, of which the TLBs' curves are wanted as if all pages were of that size. */
  readonly pageShifts?: readonly number[];
  /** Policies that are simulated for TLBs and the IPA cache, at {@link policySizes}. */
  readonly policies?: readonly ReplacementPolicy[];
  readonly policySizes?: readonly number[];
  /** Share of the pages that are followed: below 1 hit rates are estimates with an error. */
  readonly sample?: number;
}

/** A point of a curve. */
export interface CurvePoint {
  readonly entries: number;
  readonly hitRate: number;
  /** Standard error of a sample; 0 where every page was followed. */
  readonly error: number;
}

/** All sizes of one cache, every other cache being as it is configured. Plain JSON. */
export interface CacheCurve {
  readonly name: string;
  /** Entries as configured. */
  readonly entries: number;
  readonly lookups: number;
  /** Lookups that no size would have hit; of the pages followed. */
  readonly cold: number;
  /** Fully associative, LRU; at powers of two. */
  readonly points: readonly CurvePoint[];
  /** The same without loss: least size, lookups that hit from it on and not below. Of a sample, both are those of the pages followed. */
  readonly depths: readonly (readonly [entries: number, lookups: number])[];
  /** The same by stream, for TLBs of a TBU, or by address space. */
  readonly owners: readonly {
    readonly owner: string;
    readonly lookups: number;
    readonly points: readonly CurvePoint[];
  }[];
  /** Set-associative, LRU: hit rates with 1 to 16 ways. */
  readonly sets: readonly { readonly sets: number; readonly hitRates: readonly number[] }[];
  /** If all pages were of this size (in bytes), fully associative, LRU. */
  readonly pageSizes: readonly { readonly pageSize: number; readonly points: readonly CurvePoint[] }[];
  /** Of other policies, simulated, fully associative. */
  readonly policies: readonly { readonly policy: ReplacementPolicy; readonly points: readonly CurvePoint[] }[];
  /** Entries that fell out of the largest size: from about there on the curve is too low. */
  readonly overflows: number;
}

export interface MissCurveReport {
  readonly schema: typeof MISS_CURVE_SCHEMA;
  readonly sources: readonly string[];
  /** Share of the pages that were followed. */
  readonly sample: number;
  readonly caches: readonly CacheCurve[];
}

/**
 * Hit rates of all sizes of every cache of an MMU, out of one run of it: stack distances of what each cache is asked, with invalidations.
 *
 *     const curves = new MissCurves(machine.device.mmu);
 *     ... any run ...
 *     curves.report(['trace.txt']);
 *
 * Does: exact hit rates of LRU caches, fully associative and in powers of two of sets; the invalidations of the run, with the machine's own rules
 * for what each of them means; other policies by simulation beside it. Does not: change what the other caches do, so a level's curve is that
 * behind the levels above as configured; a unified walk cache is asked for its levels in turn until one hits, and of another size it would be
 * asked for others; entries found by their first page only (preset gem5). Mattson et al. 1970.
 */
export class MissCurves {
  readonly #mmu: Mmu;
  readonly #taps: CacheTap[] = [];
  readonly #isPerStream = new Set<AssociativeCache>();
  readonly #sample: Sample;

  /** @throws ConfigError for what cannot be */
  constructor(
    mmu: Mmu,
    { sets = [], pageShifts = [], policies = [], policySizes = POLICY_SIZES, sample = 1 }: MissCurveOptions = {},
  ) {
    const odd = sets.find((count) => !Number.isInteger(Math.log2(count)) || count > 2 ** 20);
    if (odd !== undefined) throw new ConfigError('--sets', odd, 'powers of two up to 2^20');
    if (!(sample > 0 && sample <= 1)) throw new ConfigError('--sample', sample, 'a share above 0 and at most 1');
    if (sample < 1 && (sets.length > 0 || policies.length > 0))
      throw new ConfigError('--sample', sample, 'without --sets and --policies, which need every page');
    this.#mmu = mmu;
    this.#sample = new Sample(sample);
    const { caches } = mmu;
    const large = new MmuCaches({ ...mmu.config, ...enlarged(mmu.config) } as ConstructorParameters<
      typeof MmuCaches
    >[0]);
    const others = policies.flatMap((policy) =>
      policySizes
        .filter((entries) => policy !== 'plru' || (entries <= MOST_PLRU_WAYS && Number.isInteger(Math.log2(entries))))
        .map((entries) => new PolicyCaches(mmu.config, policy, entries)),
    );
    const all = [large, ...others.map((other) => other.caches)];
    const meets = (space: number): void => {
      if (space < large.spaces.size && large.streams.size === caches.streams.size) return;
      for (const one of all) {
        const { spaces, streams } = one;
        for (let at = spaces.size; at <= space; at++)
          spaces.numberOf(caches.spaces.first[at] as number, caches.spaces.second[at] as number);
        for (let at = streams.size; at < caches.streams.size; at++)
          one.streamNumber(caches.streams.first[at] as number, caches.streams.second[at] as number);
      }
    };
    const tap = (
      find: (some: MmuCaches) => AssociativeCache | null | undefined,
      some: readonly number[],
      isTlb: boolean,
    ): void => {
      const real = find(caches) ?? null;
      const shadow = find(large) ?? null;
      if (real === null || shadow === null) return;
      const simulated = others.flatMap(({ policy, caches: own }) => {
        const cache = find(own) ?? null;
        return cache === null ? [] : [{ policy, cache }];
      });
      this.#taps.push(
        new CacheTap(real, shadow, {
          sets: some,
          pageShifts: isTlb ? pageShifts : [],
          policies: simulated,
          sample: this.#sample,
          meets,
        }),
      );
    };
    for (const [at, { microTlb, mainTlb }] of caches.tbus.entries()) {
      for (const cache of [microTlb, mainTlb]) if (cache !== null) this.#isPerStream.add(cache);
      tap(({ tbus }) => tbus[at]?.microTlb, [], true);
      tap(({ tbus }) => tbus[at]?.mainTlb, sets, true);
    }
    tap(({ tlb }) => tlb, sets, true);
    tap(({ ipa }) => ipa, [], false);
    for (const at of caches.walk.arrays.keys()) tap(({ walk }) => walk.arrays[at], [], false);
    follow(mmu.invalidation, [new InvalidationPort(large.config, large), ...others.map(({ port }) => port)]);
  }

  report(sources: readonly string[]): MissCurveReport {
    return {
      schema: MISS_CURVE_SCHEMA,
      sources,
      sample: this.#sample.share,
      caches: this.#taps.filter(({ shadow }) => shadow.depths.lookups > 0).map((tap) => this.#curve(tap)),
    };
  }

  #curve({ real, shadow, policies }: CacheTap): CacheCurve {
    const { depths, overflows, setStacks, pageStacks } = shadow;
    const total = depths.total();
    const { streams, spaces } = this.#mmu.caches;
    const ownerName = (owner: number): string =>
      this.#isPerStream.has(real)
        ? `stream ${streams.first[owner]}`
        : `ASID ${spaces.first[owner]}, VMID ${spaces.second[owner]}`;
    const sizes = sizesOf([total, ...pageStacks.map((pages) => pages.depths.total())], real.entries, depths.share);
    return {
      name: real.name,
      entries: real.entries,
      lookups: depths.lookups,
      cold: depths.cold,
      points: pointsOf(depths, total, depths.lookups, sizes),
      depths: [...total].flatMap((count, depth) => (depth > 0 && count > 0 ? [[depth, count] as const] : [])),
      owners: depths.owners.flatMap((counts, owner) => {
        const lookups = depths.asked[owner] ?? 0;
        return counts === undefined
          ? []
          : [{ owner: ownerName(owner), lookups, points: pointsOf(depths, counts, lookups, sizes) }];
      }),
      sets: setStacks.map(({ sets, hits }) => {
        let sum = 0;
        return {
          sets,
          hitRates: Array.from({ length: MOST_WAYS }, (_, way) => {
            sum += hits[way] as number;
            return depths.lookups === 0 ? 0 : sum / depths.lookups;
          }),
        };
      }),
      pageSizes: pageStacks.map(({ shift, depths: own }) => ({
        pageSize: 2 ** shift,
        points: pointsOf(own, own.total(), own.lookups, sizes),
      })),
      policies: [...new Set(policies.map(({ policy }) => policy))].map((policy) => ({
        policy,
        points: policies
          .filter((one) => one.policy === policy)
          .map(({ cache }) => ({
            entries: cache.entries,
            hitRate: 1 - cache.misses / Math.max(1, cache.lookups),
            error: 0,
          })),
      })),
      overflows,
    };
  }
}

/** Entries of a sample below which nothing is said: there the depths are too coarse. */
const LEAST_OF_SAMPLE = 8;

/** Powers of two up to where the last lookup hits, and to what is configured; of a sample, from where it tells something. */
function sizesOf(all: readonly Float64Array[], configured: number, share: number): number[] {
  const deepest = Math.max(1, ...all.map((counts) => counts.findLastIndex((count) => count > 0) / share));
  const most = Math.max(Math.log2(configured), Math.ceil(Math.log2(deepest)));
  const powers = Array.from({ length: Math.floor(most) + 1 }, (_, at) => 2 ** at);
  return share < 1 ? powers.filter((entries) => entries * share >= LEAST_OF_SAMPLE) : powers;
}

function pointsOf(depths: Depths, counts: Float64Array, lookups: number, sizes: readonly number[]): CurvePoint[] {
  return sizes.map((entries) => ({
    entries,
    hitRate: depths.hitRate(counts, lookups, entries),
    error: depths.error(entries),
  }));
}

/** The same machine with caches from which nothing falls. */
function enlarged(config: Mmu['config']): Partial<MmuOptions> {
  const whole = { entries: MOST_ENTRIES, ways: 'full', policy: 'round-robin' } as const;
  const { microTlb, mainTlb } = config.tbu;
  const levels = (entries: readonly number[]): [number, number, number, number] =>
    entries.map((count) => (count > 0 ? MOST_ENTRIES : 0)) as [number, number, number, number];
  const { stage1, stage2, unifiedEntries } = config.walkCache;
  return {
    tbu: { ...config.tbu, microTlb: { ...microTlb, ...whole }, mainTlb: { ...mainTlb, ...whole } },
    tlb: { ...config.tlb, ...whole },
    ipaCache: { ...config.ipaCache, ...whole },
    walkCache: {
      ...config.walkCache,
      stage1: levels(stage1),
      stage2: levels(stage2),
      unifiedEntries: unifiedEntries > 0 ? MOST_ENTRIES : 0,
      ways: 0,
      policy: 'round-robin',
    },
  };
}

/** Has `others` do whatever `port` is told to do. */
function follow(port: InvalidationPort, others: readonly InvalidationPort[]): void {
  const { byAddress, byRange, byAsid, byVmid, byIpa, byIpaRange, all, streams, substream } = port;
  port.byAddress = (...asked) => {
    for (const other of others) other.byAddress(...asked);
    return byAddress.apply(port, asked);
  };
  port.byRange = (...asked) => {
    for (const other of others) other.byRange(...asked);
    return byRange.apply(port, asked);
  };
  port.byAsid = (...asked) => {
    for (const other of others) other.byAsid(...asked);
    return byAsid.apply(port, asked);
  };
  port.byVmid = (...asked) => {
    for (const other of others) other.byVmid(...asked);
    return byVmid.apply(port, asked);
  };
  port.byIpa = (...asked) => {
    for (const other of others) other.byIpa(...asked);
    return byIpa.apply(port, asked);
  };
  port.byIpaRange = (...asked) => {
    for (const other of others) other.byIpaRange(...asked);
    return byIpaRange.apply(port, asked);
  };
  port.all = () => {
    for (const other of others) other.all();
    return all.call(port);
  };
  port.streams = (...asked) => {
    for (const other of others) other.streams(...asked);
    return streams.apply(port, asked);
  };
  port.substream = (...asked) => {
    for (const other of others) other.substream(...asked);
    return substream.apply(port, asked);
  };
}
