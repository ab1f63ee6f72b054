import { type AssociativeCache, OWNER_SHIFT } from '../cache/index.ts';
import type { MmuConfig } from '../config/index.ts';
import type { TranslationRegime } from '../regime/index.ts';
import { ENTRY } from '../walk/index.ts';
import { CleanRange } from './clean-range.ts';
import { TagTable } from './tag-table.ts';
import { cacheOf, Tbu } from './tbu.ts';
import { WalkCaches } from './walk-caches.ts';

/** ASID of stage-2 entries, which belong to no ASID. */
const NO_ASID = -1;

/**
 * All caches of an MMU, and the numbers under which they know streams and address spaces. Both timing engines and all invalidations
 * work on this one state.
 */
export class MmuCaches {
  readonly tbus: readonly Tbu[];
  /** Shared TLB of the SMMU, by address space. */
  readonly tlb: AssociativeCache | null;
  readonly ipa: AssociativeCache | null;
  readonly configuration: AssociativeCache | null;
  readonly walk: WalkCaches;
  /** Every cache that holds translations, walk caches included. */
  readonly translations: readonly AssociativeCache[];
  /** Where invalidations have left no leaf. */
  readonly clean: CleanRange;
  /** Streams met: stream ID and substream ID. */
  readonly streams = new TagTable('streams');
  /** Address spaces met: ASID and VMID. */
  readonly spaces = new TagTable('address spaces');
  /** Configuration of each stream as last fetched; valid while the configuration cache holds the stream. */
  readonly regimes: (TranslationRegime | null)[] = [];
  /** Address space of each stream, and its stage-2 space. */
  readonly streamSpaces: number[] = [];
  readonly streamSpaces2: number[] = [];
  /** What each stream's set in the configuration cache follows from. */
  readonly configurationSets: number[] = [];
  readonly #stage2Asid: number;
  /** What the last lookup or store of a configuration found: regime, address space and stage-2 space of the stream. */
  regime: TranslationRegime | null = null;
  space = 0;
  space2 = 0;
  // The last hit in the configuration cache: most requests come from the stream of the one before.
  #lastStream = -1;
  #lastVersion = -1;
  #lastEntry = 0;

  readonly config: MmuConfig;

  constructor(config: MmuConfig) {
    this.config = config;
    this.tbus = Array.from({ length: config.masters }, (_, index) => new Tbu(index, config));
    this.tlb = cacheOf('TLB', config.tlb, config, true);
    this.ipa = cacheOf('IPA cache', config.ipaCache, config, true);
    this.configuration = cacheOf('configuration cache', config.configurationCache, config, false);
    this.walk = new WalkCaches(config);
    const translating = [...this.tbus.flatMap((one) => [one.microTlb, one.mainTlb]), this.tlb, this.ipa];
    this.translations = [...translating.filter((cache) => cache !== null), ...this.walk.arrays];
    this.clean = new CleanRange(this.translations);
    this.#stage2Asid = config.deviations.stage2EntriesHaveAsid0 ? 0 : NO_ASID;
  }

  /** The number of a stream, given out on first sight. */
  streamNumber(streamId: number, substreamId: number): number {
    const stream = this.streams.numberOf(streamId, substreamId);
    if (stream === this.regimes.length) {
      this.regimes.push(null);
      this.streamSpaces.push(0);
      this.streamSpaces2.push(0);
      this.configurationSets.push((streamId ^ Math.max(substreamId, 0)) & 0x7fffffff);
    }
    return stream;
  }

  /** The number of a VMID's stage-2 space. */
  stage2Space(vmid: number): number {
    return this.spaces.numberOf(this.#stage2Asid, vmid);
  }

  /** Whether the configuration cache holds a stream; then `regime`, `space` and `space2` are the stream's. Counts. */
  lookupConfiguration(stream: number): boolean {
    const cache = this.configuration;
    if (cache === null) return false;
    if (stream === this.#lastStream && cache.version === this.#lastVersion) {
      cache.lookupAgain(this.#lastEntry);
      return true;
    }
    const entry = cache.lookup(0, stream << OWNER_SHIFT, this.configurationSets[stream] as number);
    if (entry < 0) return false;
    this.#found(stream);
    this.#lastStream = stream;
    this.#lastVersion = cache.version;
    this.#lastEntry = entry;
    return true;
  }

  /** Keeps a fetched configuration. */
  storeConfiguration(stream: number, regime: TranslationRegime): void {
    this.regimes[stream] = regime;
    this.streamSpaces[stream] = this.spaces.numberOf(regime.asid, regime.vmid);
    this.streamSpaces2[stream] = this.stage2Space(regime.vmid);
    this.configuration?.store(0, stream << OWNER_SHIFT, 12, this.configurationSets[stream] as number, 12, stream, 0);
    this.#found(stream);
  }

  #found(stream: number): void {
    this.#lastStream = -1;
    this.regime = this.regimes[stream] as TranslationRegime | null;
    this.space = this.streamSpaces[stream] as number;
    this.space2 = this.streamSpaces2[stream] as number;
  }

  resetCounters(): void {
    for (const cache of this.translations) cache.resetCounters();
    this.walk.resetCounters();
    this.configuration?.resetCounters();
  }
}

/**
 * Fills a TLB, and carries a sanitizer mark over from where the translation came. The caller writes the value of the entry.
 *
 * @param ways 0 any way, 1 only the last, 2 any but the last
 * @returns the entry
 */
export function fill(
  cache: AssociativeCache,
  low: number,
  high: number,
  salt: number,
  attributes: number,
  space: number,
  mark: number,
  ways: number,
): number {
  const entry = cache.store(low, high, attributes & ENTRY.SHIFT_MASK, salt, attributes, space, ways);
  if (mark !== 0) cache.mark(entry, mark);
  return entry;
}
