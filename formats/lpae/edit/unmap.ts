/** Unmapping: finding the entries, clearing them, freeing tables that hang below them, splitting blocks that are larger. */
import { LpaeType } from '../../descriptors/index.ts';
import { Gfp, type IotlbGather, NO_PAGES, WarningCode } from '../../table/index.ts';
import type { LpaeCore } from '../core.ts';
import { UNKNOWN_LEAVES } from '../known-tables.ts';
import { breakRuns } from './contiguous.ts';
import { clearEntries, writeLeaves } from './leaves.ts';

/** A block larger than the page size is in the way, and the policy is to unmap it whole and map the rest again. */
export const PARTIAL_BLOCK = -1;

/** Where {@link PARTIAL_BLOCK} was met. */
export interface PartialBlock {
  table: number;
  level: number;
  index: number;
}

/**
 * Unmaps up to `count` pages of `size` bytes, from the table at `table` of `level` downwards.
 * @returns bytes unmapped, or {@link PARTIAL_BLOCK} with the place in `partial`.
 */
export function unmapFrom(
  core: LpaeCore,
  table: number,
  level: number,
  iova: number,
  size: number,
  count: number,
  gather: IotlbGather | null,
  partial: PartialBlock | null,
): number {
  const memory = core.memory;
  // From elsewhere than the root, the way here may hold entries that are not synced.
  let synced = core.coherent || table === core.pgd;
  for (;;) {
    if (level > core.geometry.lastLevel) {
      core.warn(WarningCode.UNMAP_BELOW_LAST_LEVEL, iova, level);
      return 0;
    }
    const index = ((iova * (core.inverses[level] as number)) >>> 0) & (core.indexMasks[level] as number);
    const start = memory.index(table);
    const at = start + 2 * index;
    const low = memory.words[at] as number;
    const high = memory.words[at + 1] as number;
    if (low === 0 && high === 0) {
      core.warnUnlessQuiet(WarningCode.UNMAP_HOLE, iova, level);
      return 0;
    }
    if (size === core.blockSizes[level]) {
      if (synced) core.known[level]?.remember(iova, table, start);
      return unmapEntries(core, table, level, index, iova, count, gather);
    }
    if (core.isLeaf(low, level)) {
      if (core.config.split === 'refuse') {
        core.warn(WarningCode.SPLIT_REFUSED, iova, size);
        return 0;
      }
      if ((high & core.contiguousHigh) !== 0) {
        breakRuns(core, table, level, index, 1, iova);
        continue;
      }
      if (partial !== null) {
        partial.table = table;
        partial.level = level;
        partial.index = index;
        return PARTIAL_BLOCK;
      }
      return splitBlock(core, table + 8 * index, low, high, level + 1, iova, size, count, gather);
    }
    synced &&= core.coherent || core.isSynced(high);
    table = core.tableAddress(low, high);
    level++;
  }
}

/** Clears up to `count` entries of one table, leaves and tables alike, and reports them. */
export function unmapEntries(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  iova: number,
  count: number,
  gather: IotlbGather | null,
): number {
  const wanted = core.fitting(level, index, count);
  if (core.contiguousHigh !== 0) breakRuns(core, table, level, index, wanted, iova);
  if (core.kernel.unmaps === 'one by one') return unmapOneByOne(core, table, level, index, iova, wanted, gather);

  const size = core.blockSizes[level] as number;
  const slot = level === core.geometry.lastLevel ? core.leafTables.find(iova) : -1;
  // There is no hole in a table that is full of leaves.
  const full = slot >= 0 && core.leavesIn(slot) === core.entriesPerTable;
  const found = full ? wanted : removeTables(core, table, level, index, iova, wanted);
  if (found === 0) return 0;
  if (slot >= 0) core.leafTables.leaves[slot] = (core.leafTables.leaves[slot] as number) - found;
  core.stats.leavesUnmapped[level] = (core.stats.leavesUnmapped[level] as number) + found;
  clearEntries(core, table, index, found);
  if (!core.coherent) core.sync(table + 8 * index, 8 * found);
  if (gather !== null && !gather.queued) reportPages(core, gather, iova, size, found);
  return found * size;
}

/**
 * Takes the tables out of up to `wanted` entries, and counts the leaves in the others; stops with a warning at a hole.
 * @returns entries that there are.
 */
function removeTables(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  iova: number,
  wanted: number,
): number {
  const memory = core.memory;
  const size = core.blockSizes[level] as number;
  const leafType = core.leafTypes[level] as number;
  let at = memory.index(table + 8 * index);
  let words = memory.words;
  let found = 0;
  let tables = 0;
  for (; found < wanted; found++) {
    const low = words[at + 2 * found] as number;
    if ((low & 3) === leafType) continue;
    const high = words[at + 2 * found + 1] as number;
    if (low === 0 && high === 0) {
      core.warnUnlessQuiet(WarningCode.UNMAP_HOLE, iova + found * size, level);
      break;
    }
    removeTable(core, table, level, index + found, low, high, iova + found * size, size);
    tables++;
    at = memory.index(table + 8 * index);
    words = memory.words;
  }
  core.stats.leavesUnmapped[level] = (core.stats.leavesUnmapped[level] as number) - tables;
  return found;
}

/** Linux 6.1: each entry is cleared, synced and reported before the next is looked at. */
function unmapOneByOne(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  iova: number,
  wanted: number,
  gather: IotlbGather | null,
): number {
  const memory = core.memory;
  const size = core.blockSizes[level] as number;
  const slot = level === core.geometry.lastLevel ? core.leafTables.find(iova) : -1;
  if (slot >= 0) core.leafTables.leaves[slot] = UNKNOWN_LEAVES;
  for (let i = 0; i < wanted; i++) {
    const at = memory.index(table + 8 * (index + i));
    const low = memory.words[at] as number;
    const high = memory.words[at + 1] as number;
    const address = iova + i * size;
    if (low === 0 && high === 0) {
      core.warnUnlessQuiet(WarningCode.UNMAP_HOLE, address, level);
      return i * size;
    }
    if (!core.isLeaf(low, level)) {
      removeTable(core, table, level, index + i, low, high, address, size);
    } else {
      core.stats.leavesUnmapped[level] = (core.stats.leavesUnmapped[level] as number) + 1;
      clearEntries(core, table, index + i, 1);
      if (!core.coherent) core.sync(table + 8 * (index + i), 8);
      if (gather === null || !gather.queued) reportPages(core, gather, address, size, 1);
    }
  }
  return wanted * size;
}

/** Takes a table out of its entry, has partial walks of it flushed, and frees it with all below. */
export function removeTable(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  low: number,
  high: number,
  iova: number,
  size: number,
): void {
  clearEntries(core, table, index, 1);
  if (!core.coherent) core.sync(table + 8 * index, 8);
  core.tlb?.flushWalk(iova, size, core.granule, core.cookie);
  if (level < core.geometry.lastLevel) core.freeSubtree(core.tableAddress(low, high), level + 1);
}

function reportPages(core: LpaeCore, gather: IotlbGather | null, iova: number, size: number, count: number): void {
  const tlb = core.tlb;
  if (tlb === null) return;
  const cookie = core.cookie;
  if (tlb.addPages !== undefined) {
    tlb.addPages(gather, iova, size, count, cookie);
    return;
  }
  const end = iova + count * size;
  for (let address = iova; address < end; address += size) tlb.addPage(gather, address, size, cookie);
}

/**
 * Puts a table in the place of a block, with the pages that stay mapped in it. `level` is that of the new table.
 *
 * Not hitless: between the store and the invalidation a TLB may hold the block while walks find pages of it.
 */
function splitBlock(
  core: LpaeCore,
  entryPa: number,
  blockLow: number,
  blockHigh: number,
  level: number,
  iova: number,
  size: number,
  count: number,
  gather: IotlbGather | null,
): number {
  if (level > core.geometry.lastLevel) {
    core.warn(WarningCode.SPLIT_BELOW_LAST_LEVEL, iova, size);
    return 0;
  }
  let table = core.allocTable(core.granule, Gfp.ATOMIC);
  if (table === NO_PAGES) return 0;
  const entries = core.entriesPerTable;
  const pageSize = core.blockSizes[level] as number;
  // Where the wanted pages are ones of the new table they are left out of it; else the next level is split in its turn.
  const direct = size === pageSize;
  const first = direct
    ? ((iova * (core.inverses[level] as number)) >>> 0) & (core.indexMasks[level] as number)
    : entries;
  const dropped = Math.min(count, entries - first);
  const low = (blockLow & core.encoding.inheritLow) | (core.leafTypes[level] as number);
  const high = blockHigh & core.encoding.inheritHigh;
  const pa = core.tableAddress(blockLow, blockHigh);
  const after = first + dropped;
  writeLeaves(core, table, level, 0, first, pa, low, high);
  writeLeaves(core, table, level, after, entries - after, pa + after * pageSize, low, high);
  if (!core.coherent) {
    core.syncEach(table, first);
    core.syncEach(table + 8 * after, entries - after);
  }
  if (core.install(entryPa, blockLow, blockHigh, table)) {
    core.stats.blockSplits++;
    if (direct) {
      core.stats.leavesUnmapped[level] = (core.stats.leavesUnmapped[level] as number) + dropped;
      reportPages(core, gather, iova, size, dropped);
      return dropped * size;
    }
  } else {
    core.freeTable(table, core.granule);
    // Only another split of the same block may have won; whatever else it is leaves nothing to unmap.
    if ((core.foundLow & 3) !== LpaeType.TABLE_OR_PAGE) return 0;
    table = core.tableAddress(core.foundLow, core.foundHigh);
  }
  return unmapFrom(core, table, level, iova, size, count, gather, null);
}
