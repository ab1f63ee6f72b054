import { GROUPS, type Sample } from './sample.ts';

/** Lookups by the least size that would have hit, for each owner (a stream, or an address space), of the pages that a sample takes. */
export class Depths {
  /** Lookups of pages taken that no size would have hit. */
  cold = 0;
  /** All lookups, of pages that are not taken too. */
  lookups = 0;
  /** Lookups of pages taken, by owner and depth (index 0: none would have hit). */
  readonly owners: (Float64Array | undefined)[] = [];
  /** All lookups, by owner. */
  readonly asked: number[] = [];
  /** The same by group of pages, where not all are taken. */
  readonly groups: (Float64Array | undefined)[] = [];
  readonly #sample: Sample;

  constructor(sample: Sample) {
    this.#sample = sample;
  }

  get share(): number {
    return this.#sample.share;
  }

  /** A lookup. */
  ask(owner: number): void {
    this.lookups++;
    while (this.asked.length <= owner) this.asked.push(0);
    this.asked[owner] = (this.asked[owner] as number) + 1;
  }

  /** What came of a lookup, or of one before. @param depth 0 when no size would have hit */
  add(owner: number, depth: number, group: number): void {
    if (depth === 0) this.cold++;
    count(this.owners, owner, depth);
    if (!this.#sample.all) count(this.groups, group, depth);
  }

  /** Lookups by depth of all owners together. */
  total(): Float64Array {
    const length = this.owners.reduce((most, counts) => Math.max(most, counts?.length ?? 0), 1);
    const all = new Float64Array(length);
    for (const counts of this.owners) {
      for (let depth = 0; depth < (counts?.length ?? 0); depth++) {
        all[depth] = (all[depth] as number) + (counts?.[depth] as number);
      }
    }
    return all;
  }

  /**
   * Share of lookups that hit in a cache of `entries` entries.
   * @param counts lookups of pages taken by depth, of an owner or of all
   * @param lookups of all pages
   */
  hitRate(counts: Float64Array, lookups: number, entries: number): number {
    const { share, all } = this.#sample;
    if (all) return lookups === 0 ? 0 : hitsAt(counts, entries) / lookups;
    const taken = counts.reduce((sum, some) => sum + some, 0);
    return taken === 0 ? 0 : hitsAt(counts, entries * share) / taken;
  }

  /**
   * Standard error of a hit rate of a sample: of what the groups of pages differ by, and of how many of the pages in between were taken.
   * 0 where every page is.
   */
  error(entries: number): number {
    const { share, all } = this.#sample;
    if (all) return 0;
    const total = this.total();
    const sum = total.reduce((one, some) => one + some, 0);
    if (sum === 0) return 1;
    const size = entries * share;
    const rate = hitsAt(total, size) / sum;
    let squares = 0;
    for (let group = 0; group < GROUPS; group++) {
      const counts = this.groups[group];
      if (counts === undefined) continue;
      squares += (hitsAt(counts, size) - rate * counts.reduce((one, some) => one + some, 0)) ** 2;
    }
    const ofGroups = Math.sqrt((squares * GROUPS) / (GROUPS - 1)) / sum;
    // Two standard deviations, because a curve may have cliffs.
    const spread = 2 * Math.sqrt(size * (1 - share));
    const ofDepth = (hitsAt(total, size + spread) - hitsAt(total, Math.max(0, size - spread))) / 2 / sum;
    return Math.hypot(ofGroups, ofDepth);
  }
}

function count(rows: (Float64Array | undefined)[], row: number, depth: number): void {
  let counts = rows[row];
  if (counts === undefined || depth >= counts.length) {
    counts = grown(counts, depth);
    rows[row] = counts;
  }
  counts[depth] = (counts[depth] as number) + 1;
}

function grown(counts: Float64Array | undefined, depth: number): Float64Array {
  const larger = new Float64Array(Math.max(16, 2 ** Math.ceil(Math.log2(depth + 1))));
  if (counts !== undefined) larger.set(counts);
  return larger;
}

/** Lookups that hit with so many entries; between two whole numbers in proportion. */
function hitsAt(counts: Float64Array, entries: number): number {
  const whole = Math.floor(entries);
  let hits = 0;
  for (let depth = 1; depth < counts.length && depth <= whole; depth++) hits += counts[depth] as number;
  return hits + (entries - whole) * (counts[whole + 1] ?? 0);
}
