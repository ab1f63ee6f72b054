/** Lookups by the least size that would have hit, for each owner (a stream, or an address space). */
export class Depths {
  /** Lookups that no size would have hit. */
  cold = 0;
  lookups = 0;
  /** By owner: lookups, then lookups by depth (index 0: none would have hit). */
  readonly owners: (Float64Array | undefined)[] = [];

  /** @param depth 0 when no size would have hit */
  add(owner: number, depth: number): void {
    this.lookups++;
    if (depth === 0) this.cold++;
    let counts = this.owners[owner];
    if (counts === undefined || depth >= counts.length) {
      counts = grown(counts, depth);
      this.owners[owner] = counts;
    }
    counts[depth] = (counts[depth] as number) + 1;
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
}

function grown(counts: Float64Array | undefined, depth: number): Float64Array {
  const larger = new Float64Array(Math.max(16, 2 ** Math.ceil(Math.log2(depth + 1))));
  if (counts !== undefined) larger.set(counts);
  return larger;
}

/** Share of lookups that hit in a cache of `entries` entries. */
export function hitRate(counts: Float64Array, entries: number): number {
  let hits = 0;
  let all = counts[0] ?? 0;
  for (let depth = 1; depth < counts.length; depth++) {
    const some = counts[depth] as number;
    all += some;
    if (depth <= entries) hits += some;
  }
  return all === 0 ? 0 : hits / all;
}
