import { AssociativeCache, type CacheGeometry, NO_SALT, SECTION_SHIFT } from '../cache/index.ts';
import type { MmuConfig } from '../config/index.ts';

/** Levels per stage. */
export const WALK_LEVELS = 4;

/**
 * The walk caches of both stages: what table entry a level of a walk found, so that the next walk nearby begins below it. One array
 * per level (gem5, MMU-600) or one for all (MMU-700). An entry's value is the address of the next table, as the walker reads it
 * (stage-2 translated where there is a stage 2), or for a leaf the output address less the input address.
 *
 * Sections number a stage's levels: stage 1 level 0 to 3 are 0 to 3, stage 2 level 0 to 3 are 4 to 7.
 */
export class WalkCaches {
  /** Cache of each section, null where a level has none. */
  readonly sections: readonly (AssociativeCache | null)[];
  /** The arrays behind the sections, each once. */
  readonly arrays: readonly AssociativeCache[];
  // Of a unified array, by section; separate arrays count for themselves.
  readonly #lookups = new Float64Array(2 * WALK_LEVELS);
  readonly #misses = new Float64Array(2 * WALK_LEVELS);
  readonly #updates = new Float64Array(2 * WALK_LEVELS);
  readonly #insertions = new Float64Array(2 * WALK_LEVELS);
  /** One array holds all sections. */
  readonly unified: boolean;
  /** What the sections mix into the set index of their cache; and those of stage 1 alone. */
  readonly salts: Int32Array;
  readonly salts1: Int32Array;

  constructor(config: MmuConfig) {
    const { walkCache } = config;
    const sizes = [...walkCache.stage1, ...walkCache.stage2];
    const levels = [...walkCache.stage1Levels, ...walkCache.stage2Levels.map((level) => level + WALK_LEVELS)];
    this.unified = walkCache.unifiedEntries > 0;
    this.salts = this.unified
      ? Int32Array.from({ length: 2 * WALK_LEVELS }, (_, section) => this.salt(section))
      : NO_SALT;
    this.salts1 = this.salts.subarray(0, WALK_LEVELS);
    const pointers = config.onePointerForAllSets ? new Int32Array(1) : null;
    const geometry = (entries: number): CacheGeometry => ({
      entries,
      ways: walkCache.ways,
      holdsTables: true,
      policy: walkCache.policy,
      seed: config.seed,
      blocksFoundByFirstPageOnly: false,
      onePointerForAllSets: config.onePointerForAllSets,
      freshEntryIsOldest: config.freshEntryIsOldest,
    });
    const arrays: AssociativeCache[] = [];
    const sections: (AssociativeCache | null)[] = Array.from({ length: 2 * WALK_LEVELS }, () => null);
    if (walkCache.enabled) {
      const all = this.unified ? new AssociativeCache('walk', geometry(walkCache.unifiedEntries), pointers) : null;
      if (all !== null) arrays.push(all);
      for (let section = 0; section < 2 * WALK_LEVELS; section++) {
        const entries = sizes[section] as number;
        if (!levels.includes(section)) continue;
        if (all !== null) {
          sections[section] = all;
        } else if (entries > 0) {
          const stage = section < WALK_LEVELS ? 1 : 2;
          const own = new AssociativeCache(`walk S${stage}L${section % WALK_LEVELS}`, geometry(entries), pointers);
          sections[section] = own;
          arrays.push(own);
        }
      }
    }
    this.arrays = arrays;
    this.sections = sections;
  }

  /**
   * Probes one level.
   *
   * @param shift log2 of the bytes that an entry of this level covers
   * @param high high tag word with the address space as owner
   * @returns the entry in `sections[section]`, or -1
   */
  lookup(section: number, shift: number, low: number, high: number): number {
    const cache = this.sections[section];
    if (cache === null || cache === undefined) return -1;
    if (!this.unified) return cache.lookupSized(shift, low, high | (section << SECTION_SHIFT), 0);
    const entry = cache.lookupSized(shift, low, high | (section << SECTION_SHIFT), this.salt(section));
    this.#lookups[section] = (this.#lookups[section] as number) + 1;
    if (entry < 0) this.#misses[section] = (this.#misses[section] as number) + 1;
    return entry;
  }

  /**
   * Keeps what a level of a walk found. The caller writes the value: `sections[section].values[entry]`.
   *
   * @returns the entry, or -1 when the level is not kept
   */
  store(section: number, shift: number, low: number, high: number, attributes: number, space: number): number {
    const cache = this.sections[section];
    if (cache === null || cache === undefined) return -1;
    const { insertions } = cache;
    const entry = cache.store(low, high | (section << SECTION_SHIFT), shift, this.salt(section), attributes, space, 0);
    if (this.unified) {
      this.#updates[section] = (this.#updates[section] as number) + 1;
      if (cache.insertions !== insertions) this.#insertions[section] = (this.#insertions[section] as number) + 1;
    }
    return entry;
  }

  /** As {@link store}, with the value. */
  keep(
    section: number,
    shift: number,
    low: number,
    high: number,
    value: number,
    attributes: number,
    space: number,
  ): void {
    const cache = this.sections[section];
    const entry = this.store(section, shift, low, high, attributes, space);
    if (cache !== null && cache !== undefined && entry >= 0) cache.values[entry] = value;
  }

  /** Counters of one level. */
  countersOf(section: number): { lookups: number; misses: number; updates: number; insertions: number } {
    if (this.unified) {
      return {
        lookups: this.#lookups[section] as number,
        misses: this.#misses[section] as number,
        updates: this.#updates[section] as number,
        insertions: this.#insertions[section] as number,
      };
    }
    const { lookups = 0, misses = 0, updates = 0, insertions = 0 } = this.sections[section] ?? {};
    return { lookups, misses, updates, insertions };
  }

  resetCounters(): void {
    this.#lookups.fill(0);
    this.#misses.fill(0);
    this.#updates.fill(0);
    this.#insertions.fill(0);
    for (const cache of this.arrays) cache.resetCounters();
  }

  /** What a section mixes into the set index, which spreads the levels of a unified array over its sets. */
  salt(section: number): number {
    return this.unified ? section * 37 : 0;
  }
}
