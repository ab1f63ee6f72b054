import { HitFlag, type MmuCounters, type TranslationRequest } from '../../emulator/index.ts';

/**
 * The figures of an experiment, in the names and forms of the reference files: what each translation took, by which path, and the
 * counters of every cache.
 */

/** gem5's latency distributions: buckets of 2000 ticks up to 2,000,000. */
const BUCKET_TICKS = 2000;
const BUCKETS = 1001;
/** Latencies that the reference lists. */
const LISTED = 40;
/** Latencies in cycles counted in a flat array; the few beyond go to a map. */
const FLAT = 1 << 16;

/** A running distribution in ticks. */
class Distribution {
  samples = 0;
  #sum = 0;
  #squares = 0;
  #least = 0;
  #most = 0;
  #overflows = 0;
  readonly #buckets = new Float64Array(BUCKETS);

  add(ticks: number): void {
    if (this.samples === 0 || ticks < this.#least) this.#least = ticks;
    if (this.samples === 0 || ticks > this.#most) this.#most = ticks;
    this.samples++;
    this.#sum += ticks;
    this.#squares += ticks * ticks;
    const bucket = Math.floor(ticks / BUCKET_TICKS);
    if (bucket >= BUCKETS) this.#overflows++;
    else this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
  }

  get mean(): number {
    return this.samples === 0 ? Number.NaN : this.#sum / this.samples;
  }

  /** As gem5 prints it, each entry under `name`. */
  stats(name: string): Record<string, number | null> {
    const { samples } = this;
    const stats: Record<string, number | null> = {
      [`${name}::samples`]: samples,
      [`${name}::mean`]: samples === 0 ? null : this.mean,
      [`${name}::stdev`]: this.#deviation(),
      [`${name}::underflows`]: 0,
    };
    for (const [bucket, count] of this.#buckets.entries()) {
      if (count === 0) continue;
      const from = bucket * BUCKET_TICKS;
      stats[`${name}::${sixDigits(from)}-${sixDigits(from + BUCKET_TICKS - 1)}`] = count;
    }
    stats[`${name}::overflows`] = this.#overflows;
    stats[`${name}::min_value`] = this.#least;
    stats[`${name}::max_value`] = this.#most;
    stats[`${name}::total`] = samples;
    return stats;
  }

  /** Of a sample, as gem5 computes it: not a number below two samples. */
  #deviation(): number | null {
    const { samples } = this;
    if (samples === 0) return null;
    if (samples === 1) return null;
    const variance = (samples * this.#squares - this.#sum * this.#sum) / (samples * (samples - 1));
    return Math.sqrt(Math.max(variance, 0));
  }
}

/** A number as C++ streams print it: six significant digits. */
function sixDigits(value: number): string {
  if (value < 1e6) return String(value);
  const [mantissa, exponent] = value.toExponential(5).split('e') as [string, string];
  const digits = mantissa.replace(/\.?0+$/, '');
  return `${digits}e+${exponent.replace('+', '').padStart(2, '0')}`;
}

interface Kind {
  n: number;
  total: number;
}

/** Takes every translation of an experiment and adds up. */
export class FigureRecorder {
  readonly #ticksPerCycle: number;
  requests = 0;
  totalCycles = 0;
  descriptorReads = 0;
  configurationReads = 0;
  walkCacheLookups = 0;
  held = 0;
  /** Walks, prefetches included; in ticks. */
  readonly walkTimes = new Distribution();
  readonly translationTimes = new Distribution();
  readonly #flat = new Float64Array(FLAT);
  readonly #beyond = new Map<number, number>();
  readonly #kinds = new Map<number, Kind>();

  constructor(ticksPerCycle: number) {
    this.#ticksPerCycle = ticksPerCycle;
  }

  /** One finished translation. */
  add(request: Readonly<TranslationRequest>): void {
    const { latency: cycles, hit, descriptorReads } = request;
    this.requests++;
    this.totalCycles += cycles;
    this.descriptorReads += descriptorReads;
    this.configurationReads += request.configurationReads;
    this.walkCacheLookups += request.walkCacheLookups;
    if ((hit & HitFlag.HELD) !== 0) this.held++;
    this.translationTimes.add(cycles * this.#ticksPerCycle);
    if (cycles < FLAT && Number.isInteger(cycles)) this.#flat[cycles] = (this.#flat[cycles] as number) + 1;
    else this.#beyond.set(cycles, (this.#beyond.get(cycles) ?? 0) + 1);
    const key = ((request.walkCacheLevel + 1) * 64 + hit) * 1024 + Math.min(descriptorReads, 1023);
    const kind = this.#kinds.get(key);
    if (kind === undefined) {
      this.#kinds.set(key, { n: 1, total: cycles });
    } else {
      kind.n++;
      kind.total += cycles;
    }
  }

  /** Cycles of one walk. */
  walked(cycles: number): void {
    this.walkTimes.add(cycles * this.#ticksPerCycle);
  }

  get meanCycles(): number {
    return this.requests === 0 ? 0 : this.totalCycles / this.requests;
  }

  /** Latency to count, commonest first as the reference lists them. */
  histogram(): Map<number, number> {
    const counts: [number, number][] = [...this.#beyond];
    for (const [cycles, count] of this.#flat.entries()) if (count > 0) counts.push([cycles, count]);
    return new Map(counts.sort((a, b) => a[0] - b[0]));
  }

  /** How many took each path, by the reference's names. */
  kinds(): Map<string, { readonly n: number; readonly mean_cycles: number }> {
    const named = new Map<string, Kind>();
    for (const [key, { n, total }] of this.#kinds) {
      const name = kindName((key >>> 10) & 63, (key >>> 16) - 1, key & 1023);
      const kind = named.get(name) ?? { n: 0, total: 0 };
      named.set(name, { n: kind.n + n, total: kind.total + total });
    }
    return new Map([...named].map(([name, { n, total }]) => [name, { n, mean_cycles: total / n }]));
  }
}

function kindName(hit: number, hitLevel: number, descriptorReads: number): string {
  if ((hit & HitFlag.MICRO_TLB) !== 0) return 'uTLB hit';
  if ((hit & HitFlag.MAIN_TLB) !== 0) return (hit & HitFlag.HELD) === 0 ? 'main TLB hit' : 'main TLB hit after 4K hold';
  if ((hit & HitFlag.TLB) !== 0) return 'SMMU TLB hit';
  const from = hitLevel < 0 ? 'no S1 walk-cache hit' : `S1 walk-cache hit at L${hitLevel}`;
  const fetch = (hit & HitFlag.CONFIGURATION_FETCHED) === 0 ? '' : ' + config fetch';
  return `walk, ${from}, ${descriptorReads} PTE reads${fetch}`;
}

/** Everything a reference file tells, computed from a run of ours. */
export function figuresOf(
  recorder: FigureRecorder,
  counters: MmuCounters,
  cyclesTotal: number,
  ticksPerCycle: number,
): Record<string, unknown> {
  const simTicks = Math.round(cyclesTotal * ticksPerCycle);
  const cache = (name: string, of: { lookups: number; misses: number; updates: number; insertions: number }) => ({
    [`${name}.totalLookups`]: of.lookups,
    [`${name}.totalMisses`]: of.misses,
    [`${name}.totalUpdates`]: of.updates,
    [`${name}.insertions`]: of.insertions,
  });
  const walkLevels: Record<string, number> = {};
  for (const [stage, levels] of [counters.walkCache.stage1, counters.walkCache.stage2].entries()) {
    for (const [level, of] of levels.entries()) {
      const at = `S${stage + 1}::L${level}`;
      walkLevels[`smmu.walk.totalLookupsByStageLevel_${at}`] = of.lookups;
      walkLevels[`smmu.walk.totalMissesByStageLevel_${at}`] = of.misses;
      walkLevels[`smmu.walk.totalUpdatesByStageLevel_${at}`] = of.updates;
      walkLevels[`smmu.walk.insertionsByStageLevel_${at}`] = of.insertions;
    }
  }
  return {
    requests: recorder.requests,
    cycles_total: cyclesTotal,
    translation_mean_cycles: recorder.meanCycles,
    walk_mean_cycles: recorder.walkTimes.samples === 0 ? 0 : recorder.walkTimes.mean / ticksPerCycle,
    walks: recorder.walkTimes.samples,
    trace: {
      n: recorder.requests,
      mean_cycles: recorder.meanCycles,
      pte_reads: recorder.descriptorReads,
      config_reads: recorder.configurationReads,
      walk_cache_lookups: recorder.walkCacheLookups,
      held_4k: recorder.held,
      kinds: Object.fromEntries(recorder.kinds()),
    },
    latency_histogram_top40: topOf(recorder.histogram()),
    stats: {
      simSeconds: Math.round(simTicks / 1e6) / 1e6,
      simTicks,
      simFreq: 1e12,
      ...cache('ifc.maintlb', counters.mainTlb),
      ...cache('ifc.utlb', counters.microTlb),
      'smmu.steL1Fetches': counters.streamTableL1Fetches,
      'smmu.steFetches': counters.streamTableEntryFetches,
      'smmu.cdL1Fetches': counters.contextDescriptorL1Fetches,
      'smmu.cdFetches': counters.contextDescriptorFetches,
      ...recorder.translationTimes.stats('smmu.translationTimeDist'),
      ...recorder.walkTimes.stats('smmu.ptwTimeDist'),
      ...cache('smmu.cfg', counters.configurationCache),
      ...cache('smmu.ipa', counters.ipaCache),
      ...cache('smmu.tlb', counters.tlb),
      ...cache('smmu.walk', counters.walkCache),
      ...walkLevels,
    },
  };
}

/** The commonest latencies, listed by latency. */
function topOf(histogram: ReadonlyMap<number, number>): Record<string, number> {
  const commonest = [...histogram].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, LISTED);
  return Object.fromEntries(commonest.sort((a, b) => a[0] - b[0]).map(([cycles, count]) => [cycles.toFixed(1), count]));
}
