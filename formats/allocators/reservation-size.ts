/**
 * How many tables an operation can need at most, without a look at the tree: what must be reserved before it is queued, since the
 * tree may be another one by the time it runs. The panthor driver does this for one shape (4 KiB granule, 48 bits, blocks of 2 MiB);
 * here it holds for every granule, every number of levels and every set of page sizes.
 */
import { sizesOf } from '../address.ts';
import type { Geometry } from '../geometry.ts';

/** Aligned spans of `span` bytes that `[start, end)` touches. */
function spansTouched(start: number, end: number, span: number): number {
  return Math.ceil(end / span) - Math.floor(start / span);
}

/** Aligned spans of `span` bytes that `[start, end)` covers in part only: 0, 1 or 2. */
function spansCut(start: number, end: number, span: number): number {
  const first = Math.floor(start / span);
  const last = Math.ceil(end / span) - 1;
  const firstCut = start % span !== 0 || end < (first + 1) * span;
  if (first === last) return firstCut ? 1 : 0;
  return (firstCut ? 1 : 0) + (end % span !== 0 ? 1 : 0);
}

/**
 * Tables that mapping `[iova, iova + size)` can need: below the first level, one per span of a table that the range touches. This
 * also covers the splits at both ends when the range replaces what was mapped there before.
 * @param iova below 2^ias; `size` in bytes. A map of no pages can still build the way down to its place.
 */
export function mapReservation(geometry: Geometry, iova: number, size: number): number {
  const end = iova + Math.max(size, 1);
  let tables = 0;
  for (let level = geometry.startLevel; level < geometry.lastLevel; level++) {
    tables += spansTouched(iova, end, geometry.blockSizes[level] as number);
  }
  return tables;
}

/**
 * Tables that unmapping `[iova, iova + size)` can need: one for each block that may have to be split because an end lies inside
 * it; a large block cut by a small page is split once per level.
 * @param pageSizes page sizes in use, as a bitmap: without blocks of a size none of that size is split.
 */
export function unmapReservation(geometry: Geometry, pageSizes: number, iova: number, size: number): number {
  const sizes = sizesOf(pageSizes);
  const largest = sizes[sizes.length - 1] ?? 0;
  const end = iova + Math.max(size, 1);
  let tables = 0;
  for (let level = geometry.startLevel; level < geometry.lastLevel; level++) {
    const block = geometry.blockSizes[level] as number;
    if (block <= largest) tables += spansCut(iova, end, block);
  }
  return tables;
}
