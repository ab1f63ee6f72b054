/** Dirty tracking by hardware (FEAT_HAFDBS): a leaf with DBM set reads as dirty while it is writable. */
import { LpaeType } from '../descriptors/lpae.ts';
import { DirtyFlag, type DirtyRecorder, Errno, Quirk } from '../io-pgtable.ts';
import { WarningCode } from '../warnings.ts';
import type { LpaeCore } from './core.ts';
import { DIRTY_STATE } from './leaf-encoding.ts';

/** A scan in progress. */
interface Scan {
  iova: number;
  readonly end: number;
  readonly flags: number;
  readonly recorder: DirtyRecorder;
}

/**
 * Records the dirty leaves in a range and makes them clean. Only ARM_64_LPAE_S1 tracks dirty pages. An upper-half address has
 * bits above the input range, which the range check refuses, so tables of that half never get far (as in Linux).
 */
export function readAndClearDirty(
  core: LpaeCore,
  iova: number,
  size: number,
  flags: number,
  recorder: DirtyRecorder,
): number {
  if (!(size > 0)) {
    core.warn(WarningCode.DIRTY_SIZE, iova, size);
    return -Errno.EINVAL;
  }
  const limit = core.limit;
  const last = iova + size - 1;
  const upperHalf = (core.config.quirks & Quirk.ARM_TTBR1) !== 0;
  // The end of the upper half is the end of all addresses: a range that goes past it wraps to a small end, and so to nothing.
  const inRange = upperHalf ? last >= limit && last - limit < limit : iova >= 0 && last < limit;
  if (!inRange) {
    core.warn(WarningCode.DIRTY_RANGE, iova, size);
    return -Errno.EINVAL;
  }
  if (core.config.format !== 'ARM_64_LPAE_S1') return -Errno.EINVAL;
  if (upperHalf) return 0;
  return scanTable(core, { iova, end: iova + size, flags, recorder }, core.pgd, core.startLevel);
}

function scanTable(core: LpaeCore, scan: Scan, table: number, level: number): number {
  if (level > core.geometry.lastLevel) {
    core.warn(WarningCode.DIRTY_BELOW_LAST_LEVEL, scan.iova, level);
    return -Errno.EINVAL;
  }
  const mask = core.indexMasks[level] as number;
  let index = ((scan.iova * (core.inverses[level] as number)) >>> 0) & mask;
  for (; index <= mask && scan.iova < scan.end; index++) {
    const error = scanEntry(core, scan, table + 8 * index, level);
    if (error !== 0) return error;
  }
  return 0;
}

function scanEntry(core: LpaeCore, scan: Scan, entryPa: number, level: number): number {
  const at = core.memory.index(entryPa);
  const words = core.memory.words;
  const low = words[at] as number;
  const high = words[at + 1] as number;
  if (core.isLeaf(low, level)) {
    const size = core.blockSizes[level] as number;
    if ((high & DIRTY_STATE.dbmHigh) !== 0 && (low & DIRTY_STATE.readOnlyLow) === 0) {
      scan.recorder.record(scan.iova, size);
      if ((scan.flags & DirtyFlag.NO_CLEAR) === 0) {
        // Not synced: hardware that keeps the dirty state sees the CPU's caches.
        words[at] = low | DIRTY_STATE.readOnlyLow;
        core.memory.written(entryPa, 8);
      }
    }
    scan.iova += size;
    return 0;
  }
  if (level >= core.geometry.lastLevel || (low & 3) !== LpaeType.TABLE_OR_PAGE) {
    core.warn(WarningCode.DIRTY_HOLE, scan.iova, level);
    return -Errno.EINVAL;
  }
  return scanTable(core, scan, core.tableAddress(low, high), level + 1);
}
