/**
 * Unmapping part of a block without a split in place: the whole block goes, its TLB entries with it, and what should stay is
 * mapped again with smaller pages. Break-before-make is kept; for a moment nothing is mapped, so that the driver must hold
 * accesses back meanwhile (the panthor driver locks the region).
 */
import { sizesOf } from '../../bits/index.ts';
import { LpaeType } from '../../descriptors/index.ts';
import { Gfp, PageCutter } from '../../table/index.ts';
import type { LpaeCore } from '../core.ts';
import { clearEntries, writeLeaves } from './leaves.ts';
import { mapFrom } from './map.ts';
import { type PartialBlock, removeTable } from './unmap.ts';

/**
 * Unmaps pages of `size` from `iova` on out of the block at `place`, up to `count` of them or to its end.
 * @returns bytes unmapped: 0 when there is no memory for the tables of what stays. The block is then as it was.
 */
export function unmapPartOfBlock(
  core: LpaeCore,
  place: PartialBlock,
  iova: number,
  size: number,
  count: number,
): number {
  const { table, level, index } = place;
  const entryPa = table + 8 * index;
  const at = core.memory.index(entryPa);
  const low = core.memory.words[at] as number;
  const high = core.memory.words[at + 1] as number;
  const blockSize = core.blockSizes[level] as number;
  const pa = core.tableAddress(low, high);
  const start = Math.floor(iova / blockSize) * blockSize;
  const end = start + blockSize;
  const unmapped = Math.min(count * size, end - iova);

  clearEntries(core, table, index, 1);
  if (!core.coherent) core.sync(entryPa, 8);
  core.tlb?.flushWalk(start, blockSize, blockSize, core.cookie);

  const keptLow = low & core.encoding.inheritLow;
  const keptHigh = high & core.encoding.inheritHigh;
  const after = iova + unmapped;
  const smaller = sizesOf(core.config.pageSizes)
    .filter((leaf) => leaf < blockSize)
    .reduce((sum, leaf) => sum + leaf, 0);
  const cutter = new PageCutter(smaller);
  const mapped = core.mapped;
  const kept =
    mapAgain(core, cutter, start, pa, iova - start, keptLow, keptHigh) &&
    mapAgain(core, cutter, after, pa + after - start, end - after, keptLow, keptHigh);
  // What a map call leaves there is not for an unmap to change.
  core.mapped = mapped;
  if (kept) {
    core.stats.blockSplits++;
    core.stats.leavesUnmapped[level] = (core.stats.leavesUnmapped[level] as number) + 1;
    return unmapped;
  }
  restore(core, place, start, low, high);
  return 0;
}

function mapAgain(
  core: LpaeCore,
  cutter: PageCutter,
  iova: number,
  pa: number,
  size: number,
  low: number,
  high: number,
): boolean {
  let done = 0;
  while (done < size) {
    cutter.choose(iova + done, pa + done, size - done);
    if (mapFrom(core, iova + done, pa + done, cutter.pageSize, cutter.count, low, high, Gfp.ATOMIC) !== 0) return false;
    done += core.mapped;
  }
  return true;
}

/** Puts the block back where part of it may have been mapped with smaller pages. */
function restore(core: LpaeCore, place: PartialBlock, start: number, low: number, high: number): void {
  const { table, level, index } = place;
  const at = core.memory.index(table + 8 * index);
  const foundLow = core.memory.words[at] as number;
  const foundHigh = core.memory.words[at + 1] as number;
  if ((foundLow & 3) === LpaeType.TABLE_OR_PAGE) {
    removeTable(core, table, level, index, foundLow, foundHigh, start, core.blockSizes[level] as number);
  }
  const attributes = low & (core.encoding.inheritLow | 3);
  writeLeaves(core, table, level, index, 1, core.tableAddress(low, high), attributes, high & core.encoding.inheritHigh);
  if (!core.coherent) core.sync(table + 8 * index, 8);
}
