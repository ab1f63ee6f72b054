import {
  type AssociativeCache,
  InvalidationPort,
  type Mmu,
  MmuCaches,
  type MmuOptions,
} from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { CacheTap } from './cache-tap.ts';
import { hitRate } from './depths.ts';
import { MOST_WAYS } from './set-stacks.ts';

const MISS_CURVE_SCHEMA = 'tablewalk.miss-curve/1';

/** What a cache can hold at most in a configuration, and so in a curve. */
const MOST_ENTRIES = 65_536;
/** Levels of each stage that a walk cache may keep, and the ways that come nearest to none falling out. */
const WALK_WAYS = 64;

export interface MissCurveOptions {
  /** Numbers of sets, powers of two, of which the TLBs' hit rates with 1 to 16 ways are wanted. */
  readonly sets?: readonly number[];
}

/** A point of a curve. */
export interface CurvePoint {
  readonly entries: number;
  readonly hitRate: number;
}

/** All sizes of one cache, every other cache being as it is configured. Plain JSON. */
export interface CacheCurve {
  readonly name: string;
  /** Entries as configured, 0 ways being full associativity. */
  readonly entries: number;
  readonly lookups: number;
  /** Lookups that no size would have hit. */
  readonly cold: number;
  /** Fully associative, LRU; at powers of two. */
  readonly points: readonly CurvePoint[];
  /** The same without loss: least size, lookups that hit from it on and not below. */
  readonly depths: readonly (readonly [entries: number, lookups: number])[];
  /** The same by stream, for TLBs of a TBU, or by address space. */
  readonly owners: readonly {
    readonly owner: string;
    readonly lookups: number;
    readonly points: readonly CurvePoint[];
  }[];
  /** Set-associative, LRU: hit rates with 1 to 16 ways. */
  readonly sets: readonly { readonly sets: number; readonly hitRates: readonly number[] }[];
  /** Entries that fell out of the largest size: from about there on the curve is too low. */
  readonly overflows: number;
}

export interface MissCurveReport {
  readonly schema: typeof MISS_CURVE_SCHEMA;
  readonly sources: readonly string[];
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
 * for what each of them means. Does not: change what the other caches do, so a level's curve is that behind the levels above as configured; a
 * unified walk cache is asked for its levels in turn until one hits, and of another size it would be asked for others; other replacement than
 * LRU; entries found by their first page only (preset gem5). Mattson et al. 1970.
 */
export class MissCurves {
  readonly #mmu: Mmu;
  readonly #taps: CacheTap[] = [];
  readonly #isPerStream = new Set<AssociativeCache>();

  /** @throws ConfigError for a number of sets that cannot be */
  constructor(mmu: Mmu, { sets = [] }: MissCurveOptions = {}) {
    const odd = sets.find((count) => !Number.isInteger(Math.log2(count)) || count > 2 ** 20);
    if (odd !== undefined) throw new ConfigError('--sets', odd, 'powers of two up to 2^20');
    this.#mmu = mmu;
    const { caches } = mmu;
    const large = new MmuCaches({ ...mmu.config, ...enlarged(mmu.config) } as ConstructorParameters<
      typeof MmuCaches
    >[0]);
    const meets = (space: number): void => {
      for (let at = large.spaces.size; at <= space; at++) {
        large.spaces.numberOf(caches.spaces.first[at] as number, caches.spaces.second[at] as number);
      }
      for (let at = large.streams.size; at < caches.streams.size; at++) {
        large.streamNumber(caches.streams.first[at] as number, caches.streams.second[at] as number);
      }
    };
    const tap = (real: AssociativeCache | null, shadow: AssociativeCache | null, some: readonly number[]): void => {
      if (real === null || shadow === null) return;
      const options = { sets: some, meets };
      this.#taps.push(new CacheTap(real, shadow, options));
    };
    for (const [at, { microTlb, mainTlb }] of caches.tbus.entries()) {
      for (const cache of [microTlb, mainTlb]) if (cache !== null) this.#isPerStream.add(cache);
      tap(microTlb, large.tbus[at]?.microTlb ?? null, []);
      tap(mainTlb, large.tbus[at]?.mainTlb ?? null, sets);
    }
    tap(caches.tlb, large.tlb, sets);
    tap(caches.ipa, large.ipa, []);
    for (const [at, cache] of caches.walk.arrays.entries()) tap(cache, large.walk.arrays[at] ?? null, []);
    follow(mmu.invalidation, new InvalidationPort(large.config, large));
  }

  report(sources: readonly string[]): MissCurveReport {
    return {
      schema: MISS_CURVE_SCHEMA,
      sources,
      caches: this.#taps.filter(({ shadow }) => shadow.depths.lookups > 0).map((tap) => this.#curve(tap)),
    };
  }

  #curve({ real, shadow }: CacheTap): CacheCurve {
    const { depths, overflows, setStacks } = shadow;
    const total = depths.total();
    const most = Math.max(
      real.entries,
      2 **
        Math.ceil(
          Math.log2(
            Math.max(
              1,
              total.findLastIndex((count) => count > 0),
            ),
          ),
        ),
    );
    const sizes = Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, at) => 2 ** at);
    const { streams, spaces } = this.#mmu.caches;
    const ownerName = (owner: number): string =>
      this.#isPerStream.has(real)
        ? `stream ${streams.first[owner]}`
        : `ASID ${spaces.first[owner]}, VMID ${spaces.second[owner]}`;
    const pointsOf = (counts: Float64Array): CurvePoint[] =>
      sizes.map((entries) => ({
        entries,
        hitRate: hitRate(counts, entries),
      }));
    return {
      name: real.name,
      entries: real.entries,
      lookups: depths.lookups,
      cold: depths.cold,
      points: pointsOf(total),
      depths: [...total].flatMap((count, depth) => (depth > 0 && count > 0 ? [[depth, count] as const] : [])),
      owners: depths.owners.flatMap((counts, owner) =>
        counts === undefined
          ? []
          : [
              {
                owner: ownerName(owner),
                lookups: counts.reduce((sum, count) => sum + count, 0),
                points: pointsOf(counts),
              },
            ],
      ),
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
      overflows,
    };
  }
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
      ways: WALK_WAYS,
      policy: 'round-robin',
    },
  };
}

/** Has `other` do whatever `port` is told to do. */
function follow(port: InvalidationPort, other: InvalidationPort): void {
  const { byAddress, byRange, byAsid, byVmid, byIpa, byIpaRange, all, streams, substream } = port;
  port.byAddress = (...asked) => {
    other.byAddress(...asked);
    return byAddress.apply(port, asked);
  };
  port.byRange = (...asked) => {
    other.byRange(...asked);
    return byRange.apply(port, asked);
  };
  port.byAsid = (...asked) => {
    other.byAsid(...asked);
    return byAsid.apply(port, asked);
  };
  port.byVmid = (...asked) => {
    other.byVmid(...asked);
    return byVmid.apply(port, asked);
  };
  port.byIpa = (...asked) => {
    other.byIpa(...asked);
    return byIpa.apply(port, asked);
  };
  port.byIpaRange = (...asked) => {
    other.byIpaRange(...asked);
    return byIpaRange.apply(port, asked);
  };
  port.all = () => {
    other.all();
    return all.call(port);
  };
  port.streams = (...asked) => {
    other.streams(...asked);
    return streams.apply(port, asked);
  };
  port.substream = (...asked) => {
    other.substream(...asked);
    return substream.apply(port, asked);
  };
}
