/**
 * How many tables an operation can need at most, without a look at the tree: what must be reserved before it is queued, since the
 * tree may be another one by the time it runs. The panthor driver does this for one shape (4 KiB granule, 48 bits, blocks of 2 MiB);
 * here it holds for every granule, every number of levels and every set of page sizes.
 */
import { alignDown, alignUp, hasSize } from '../bits/index.ts';
import type { Geometry, SplitPolicy } from '../table/index.ts';

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

/** Aligned spans of `span` bytes that `[start, end)` covers wholly. */
function spansCovered(start: number, end: number, span: number): number {
  return Math.max(0, Math.floor(end / span) - Math.ceil(start / span));
}

/**
 * Tables that mapping `[iova, iova + size)` can need where nothing is mapped: below the first level, one per span of a table that
 * the range touches.
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
 * it; a large block cut by a small page is split once per level. Where a size is missing between the blocks and the pages, a cut
 * block goes page by page: whatever is unmapped of it needs the tables of the missing level or, with blocks that are mapped again
 * instead of split, whatever stays of it.
 * @param pageSizes page sizes in use, as a bitmap: without blocks of a size none of that size is split.
 */
export function unmapReservation(
  geometry: Geometry,
  pageSizes: number,
  iova: number,
  size: number,
  split: SplitPolicy = 'in-place',
): number {
  const end = iova + Math.max(size, 1);
  let tables = 0;
  // Smallest size in use that is not smaller than the entry looked at; 0: no block is that large.
  let around = 0;
  for (let level = geometry.startLevel; level < geometry.lastLevel; level++) {
    const span = geometry.blockSizes[level] as number;
    const offered = hasSize(pageSizes, span);
    if (offered) around = span;
    if (around === 0) continue;
    if (offered) tables += spansCut(iova, end, span);
    else if (split === 'unmap-and-remap') {
      tables += spansTouched(alignDown(iova, around), alignUp(end, around), span) - spansCovered(iova, end, span);
    } else {
      tables += spansTouched(iova, end, span) - spansCovered(iova, end, around) * (around / span);
    }
  }
  return tables;
}

/**
 * Tables that unmapping whatever is mapped in `[iova, iova + size)` can need, piece by piece, as VM_BIND does. This is {@link unmapReservation},
 * and more where blocks are split in place and a size is missing: of a block that was cut before, the rest goes page by page, though the range
 * covers all of the block.
 */
export function piecesReservation(
  geometry: Geometry,
  pageSizes: number,
  iova: number,
  size: number,
  split: SplitPolicy = 'in-place',
): number {
  let tables = unmapReservation(geometry, pageSizes, iova, size, split);
  if (split === 'unmap-and-remap') return tables;
  const end = iova + Math.max(size, 1);
  let around = 0;
  for (let level = geometry.startLevel; level < geometry.lastLevel; level++) {
    const span = geometry.blockSizes[level] as number;
    if (hasSize(pageSizes, span)) around = span;
    else if (around > 0) tables += spansCovered(iova, end, around) * (around / span);
  }
  return tables;
}

/**
 * Tables that mapping `[iova, iova + size)` can need when whatever is mapped there is unmapped first, as VM_BIND does. This is
 * {@link mapReservation}, and more only where split blocks are mapped again and a size is missing, as for {@link unmapReservation}.
 */
export function replaceReservation(
  geometry: Geometry,
  pageSizes: number,
  iova: number,
  size: number,
  split: SplitPolicy = 'in-place',
): number {
  const end = iova + Math.max(size, 1);
  let tables = 0;
  let around = 0;
  for (let level = geometry.startLevel; level < geometry.lastLevel; level++) {
    const span = geometry.blockSizes[level] as number;
    if (hasSize(pageSizes, span)) around = span;
    const reach = around > span && split === 'unmap-and-remap' ? around : span;
    tables += spansTouched(alignDown(iova, reach), alignUp(end, reach), span);
  }
  return tables;
}
