/** What one core does for a job: its tiles of every surface, in the order in which it comes to them. */
import type { SurfaceTiles } from './surface-layout.ts';

/** A surface at its place, and whether the job writes it. */
export interface PlacedTiles {
  readonly iova: number;
  readonly tiles: SurfaceTiles;
  readonly write: boolean;
}

/** Addresses in order. */
export interface AccessPlan {
  readonly addresses: Float64Array;
  /** 1: the access writes. */
  readonly writes: Uint8Array;
}

/**
 * The accesses of core `core` of `cores`. The job goes over the tiles of its largest surface row by row; cores take them in turn. For each
 * the core reads what lies at the same place of the other surfaces, scaled to their size, then writes.
 */
export function planOf(surfaces: readonly PlacedTiles[], core: number, cores: number): AccessPlan {
  const addresses: number[] = [];
  const writes: number[] = [];
  let steps = 0;
  for (const { tiles } of surfaces) steps = Math.max(steps, tiles.columns * tiles.rows);
  const ordered = [...surfaces].sort((a, b) => Number(a.write) - Number(b.write));
  for (let step = core; step < steps; step += cores) {
    for (const { iova, tiles, write } of ordered) {
      const count = tiles.columns * tiles.rows;
      // A smaller surface is spread over the steps; each of its tiles is touched once.
      const at = Math.floor((step * count) / steps);
      if (at === Math.floor(((step - 1) * count) / steps) && step > 0) continue;
      tiles.tile(at % tiles.columns, Math.floor(at / tiles.columns), (offset) => {
        addresses.push(iova + offset);
        writes.push(write ? 1 : 0);
      });
    }
  }
  return { addresses: Float64Array.from(addresses), writes: Uint8Array.from(writes) };
}
