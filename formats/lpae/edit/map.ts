/** Mapping: descending to the level of the page size, making tables on the way, and writing the leaves. */
import { LpaeType } from '../../descriptors/index.ts';
import { Errno, NO_PAGES, WarningCode } from '../../table/index.ts';
import type { LpaeCore } from '../core.ts';
import { writeRuns } from './contiguous.ts';
import { writeLeaves } from './leaves.ts';
import { unmapFrom } from './unmap.ts';

/**
 * Maps up to `count` pages of `size` bytes; leaves the bytes mapped in `core.mapped`.
 * @param low descriptor bits of the protection, low half. @param high the same, high half.
 * @returns 0 or a negative error number.
 */
export function mapFrom(
  core: LpaeCore,
  iova: number,
  pa: number,
  size: number,
  count: number,
  low: number,
  high: number,
  gfp: number,
): number {
  const memory = core.memory;
  let table = core.pgd;
  let synced = true;
  core.mapped = 0;
  for (let level = core.startLevel; ; level++) {
    const index = ((iova * (core.inverses[level] as number)) >>> 0) & (core.indexMasks[level] as number);
    if (size === core.blockSizes[level]) {
      // `synced` says that another descent would have no side effect.
      if (synced) core.known[level]?.remember(iova, table, memory.index(table));
      return mapEntries(core, table, level, index, iova, pa, count, low, high);
    }
    if (level >= core.geometry.lastLevel) {
      core.warn(WarningCode.MAP_BELOW_LAST_LEVEL, iova, size);
      return -Errno.EINVAL;
    }
    const entryPa = table + 8 * index;
    const at = memory.index(entryPa);
    let entryLow = memory.words[at] as number;
    let entryHigh = memory.words[at + 1] as number;
    if (entryLow === 0 && entryHigh === 0) {
      const fresh = core.allocTable(core.granule, gfp);
      if (fresh === NO_PAGES) return -Errno.ENOMEM;
      if (core.install(entryPa, 0, 0, fresh)) {
        table = fresh;
        continue;
      }
      core.freeTable(fresh, core.granule);
      entryLow = core.foundLow;
      entryHigh = core.foundHigh;
      synced = core.coherent;
    } else if (!core.coherent && !core.isSynced(entryHigh)) {
      core.sync(entryPa, 8);
      synced = false;
    }
    if (core.isLeaf(entryLow, level)) {
      core.warnUnlessQuiet(WarningCode.BLOCK_IN_THE_WAY, iova, level);
      return -Errno.EEXIST;
    }
    table = core.tableAddress(entryLow, entryHigh);
  }
}

/** Writes up to `count` leaves into one table, once nothing is in their way. */
export function mapEntries(
  core: LpaeCore,
  table: number,
  level: number,
  index: number,
  iova: number,
  pa: number,
  count: number,
  low: number,
  high: number,
): number {
  const wanted = core.fitting(level, index, count);
  const slot = level === core.geometry.lastLevel ? core.leafTables.find(iova) : -1;
  // Nothing is in the way in a table without leaves.
  const empty = slot >= 0 && core.leavesIn(slot) === 0;
  if (!empty && isOccupied(core, table, index, wanted)) {
    const error = makeRoom(core, table, level, index, iova, wanted);
    if (error !== 0) return error;
  }
  if (slot >= 0) core.leafTables.leaves[slot] = (core.leafTables.leaves[slot] as number) + wanted;
  const stats = core.stats;
  const write = core.contiguousHigh === 0 ? writeLeaves : writeRuns;
  write(core, table, level, index, wanted, pa, low | (core.leafTypes[level] as number), high);
  if (!core.coherent) core.sync(table + 8 * index, 8 * wanted);
  stats.leavesMapped[level] = (stats.leavesMapped[level] as number) + wanted;
  core.mapped = wanted * (core.blockSizes[level] as number);
  return 0;
}

/** Whether any of `count` entries is a leaf or a table. */
function isOccupied(core: LpaeCore, table: number, index: number, count: number): boolean {
  const at = core.memory.index(table + 8 * index);
  const words = core.memory.words;
  let types = 0;
  for (let i = at; i < at + 2 * count; i += 2) types |= words[i] as number;
  return (types & 3) !== 0;
}

/** Frees the tables that new leaves replace. A leaf in the way stops it: whoever wants to replace one must unmap it first. */
function makeRoom(core: LpaeCore, table: number, level: number, index: number, iova: number, wanted: number): number {
  const size = core.blockSizes[level] as number;
  for (let i = 0; i < wanted; i++) {
    const at = core.memory.index(table + 8 * (index + i));
    const low = core.memory.words[at] as number;
    const address = iova + i * size;
    if (core.isLeaf(low, level)) {
      core.warnUnlessQuiet(WarningCode.LEAF_EXISTS, address, level);
      return -Errno.EEXIST;
    }
    if ((low & 3) !== LpaeType.TABLE_OR_PAGE) continue;
    if (unmapFrom(core, table, level, address, size, 1, null, null) !== size) {
      core.warn(WarningCode.TABLE_NOT_REPLACED, address, level);
      return -Errno.EINVAL;
    }
  }
  return 0;
}
