/**
 * Reading a table in software: one walker, which shows each entry on its way to a visitor. Dirty tracking, address lookup and the
 * walk that reports descriptors are its visitors.
 */
import { TWO_32, TWO_64 } from '../bits/index.ts';
import { LpaeType } from '../descriptors/index.ts';
import { DirtyFlag, type DirtyRecorder, Errno, Quirk, WarningCode } from '../table/index.ts';
import type { LpaeCore } from './core.ts';
import type { KnownTables } from './known-tables.ts';
import { DIRTY_STATE } from './leaf-encoding.ts';

/** Is shown each entry before the walk goes on from it. */
export interface EntryVisitor {
  /** An entry that is invalid but not zero is taken for a table. */
  readonly followsInvalid: boolean;
  /** @returns false to end the walk with -EINVAL. */
  visit(core: LpaeCore, level: number, entryPa: number, low: number, high: number, iova: number): boolean;
}

/** Less than a page, and more than what a double of up to 64 bits rounds away: the range of a walk for one address. */
const ONE_LEAF = 2048;

/** What a walk returns that met an entry from which it cannot go on. */
const FAILED = -Errno.EINVAL;

/**
 * Walks the entries that `[iova, end)` touches, from the table at `table` of `level` on.
 * @returns the address after the last leaf, or -EINVAL when an entry is neither leaf nor table.
 */
export function walk(
  core: LpaeCore,
  table: number,
  level: number,
  iova: number,
  end: number,
  visitor: EntryVisitor,
): number {
  if (level > core.geometry.lastLevel) {
    core.warn(WarningCode.WALK_BELOW_LAST_LEVEL, iova, level);
    return FAILED;
  }
  const mask = core.indexMasks[level] as number;
  const size = core.blockSizes[level] as number;
  let next = iova;
  let index = ((iova * (core.inverses[level] as number)) >>> 0) & mask;
  for (; index <= mask && next < end; index++) {
    const entryPa = table + 8 * index;
    const at = core.memory.index(entryPa);
    const low = core.memory.words[at] as number;
    const high = core.memory.words[at + 1] as number;
    if (!visitor.visit(core, level, entryPa, low, high, next)) return FAILED;
    if (core.isLeaf(low, level)) {
      next += size;
      continue;
    }
    const leads = (low & 3) === LpaeType.TABLE_OR_PAGE || (visitor.followsInvalid && (low | high) !== 0);
    if (!leads || level >= core.geometry.lastLevel) return FAILED;
    next = walk(core, core.tableAddress(low, high), level + 1, next, end, visitor);
    if (next === FAILED) return FAILED;
  }
  return next;
}

/** Keeps the leaf that a lookup ends at, and remembers the tables on the way for the next one. */
class LeafFinder implements EntryVisitor {
  followsInvalid = false;
  level = 0;
  low = 0;
  high = 0;
  /** The way that the walk came may be taken again by an edit: the address is in range, and every entry was synced. */
  remembers = false;

  visit(core: LpaeCore, level: number, entryPa: number, low: number, high: number, iova: number): boolean {
    this.level = level;
    this.low = low;
    this.high = high;
    if (!this.remembers) return true;
    const tables = core.known[level] as KnownTables;
    const table = entryPa - 8 * tables.entryOf(iova);
    tables.remember(iova, table, core.memory.index(table));
    this.remembers = core.coherent || core.isSynced(high);
    return true;
  }
}

const finder = new LeafFinder();

/** Physical address of `iova`, or 0. Address bits above the input range are ignored, as in Linux. */
export function lookup(core: LpaeCore, iova: number): number {
  if (core.startLevel > core.geometry.lastLevel) {
    if (!core.kernel.followsInvalid) core.warn(WarningCode.WALK_BELOW_LAST_LEVEL, iova, core.startLevel);
    return 0;
  }
  finder.followsInvalid = core.kernel.followsInvalid;
  // An address that aliases must not become the key of an edit.
  finder.remembers = iova >= 0 && iova < core.limit;
  let table = core.pgd;
  let level = core.startLevel;
  if (finder.remembers) {
    for (let below = core.geometry.lastLevel; below > core.startLevel; below--) {
      const tables = core.known[below] as KnownTables;
      const slot = tables.find(iova);
      if (slot < 0) continue;
      table = tables.tables[slot] as number;
      level = below;
      break;
    }
  }
  if (walk(core, table, level, iova, iova + ONE_LEAF, finder) < 0) return 0;
  const size = core.blockSizes[finder.level] as number;
  return leafAddress(core, finder.low, finder.high, iova, size);
}

/** Where a leaf of `size` bytes takes `iova`. An or, as in Linux: an output address that is not aligned shows. */
export function leafAddress(core: LpaeCore, low: number, high: number, iova: number, size: number): number {
  const pa = core.tableAddress(low, high);
  if (size <= TWO_32) return pa - (pa >>> 0) + (((pa >>> 0) | ((iova >>> 0) & (size - 1))) >>> 0);
  const offsetHigh = Math.floor(iova / TWO_32) & (size / TWO_32 - 1);
  return (Math.floor(pa / TWO_32) | offsetHigh) * TWO_32 + (((pa >>> 0) | (iova >>> 0)) >>> 0);
}

/** Reports the descriptors on the way to `iova`. @returns 0 at a leaf, else -EINVAL. */
export function reportWalk(core: LpaeCore, iova: number, descriptors: Uint32Array): number {
  const visitor: EntryVisitor = {
    followsInvalid: false,
    visit(_core, level, _entryPa, low, high) {
      descriptors[2 * level] = low;
      descriptors[2 * level + 1] = high;
      return true;
    },
  };
  return Math.min(0, walk(core, core.pgd, core.startLevel, iova, iova + ONE_LEAF, visitor));
}

/**
 * Records the dirty leaves in a range and makes them clean (FEAT_HAFDBS): a leaf with DBM set is dirty while it is writable. Only
 * ARM_64_LPAE_S1 tracks dirty pages.
 *
 * The range check is Linux's, of whole addresses: the one of the last byte must have no bit above the input size. So every range of an
 * upper half is refused, and a range of lower-half addresses (here those from 2^ias on) is found in the upper half's table. A range
 * that wraps past 2^64 to a small end passes and holds nothing.
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
    return FAILED;
  }
  const limit = core.limit;
  const base = (core.config.quirks & Quirk.ARM_TTBR1) === 0 ? 0 : limit;
  const past = iova - base + size;
  const end = past > TWO_64 ? past - TWO_64 : past;
  if (!(end > 0 && end <= limit)) {
    core.warn(WarningCode.DIRTY_RANGE, iova, size);
    return FAILED;
  }
  if (core.config.format !== 'ARM_64_LPAE_S1') return FAILED;
  // An upper-half address is larger than any end.
  if (iova < base) return 0;
  const keep = (flags & DirtyFlag.NO_CLEAR) !== 0;
  return Math.min(0, walk(core, core.pgd, core.startLevel, iova, base + end, new DirtyScan(recorder, keep)));
}

class DirtyScan implements EntryVisitor {
  readonly followsInvalid = false;
  readonly #recorder: DirtyRecorder;
  readonly #keep: boolean;

  constructor(recorder: DirtyRecorder, keep: boolean) {
    this.#recorder = recorder;
    this.#keep = keep;
  }

  visit(core: LpaeCore, level: number, entryPa: number, low: number, high: number, iova: number): boolean {
    if (!core.isLeaf(low, level)) {
      const leads = (low & 3) === LpaeType.TABLE_OR_PAGE && level < core.geometry.lastLevel;
      if (!leads && core.kernel.warnsOfDirtyHole) core.warn(WarningCode.DIRTY_HOLE, iova, level);
      return leads;
    }
    if ((high & DIRTY_STATE.dbmHigh) === 0 || (low & DIRTY_STATE.readOnlyLow) !== 0) return true;
    this.#recorder.record(iova, core.blockSizes[level] as number);
    if (this.#keep) return true;
    // Not synced: hardware that keeps the dirty state sees the CPU's caches.
    core.memory.words[core.memory.index(entryPa)] = low | DIRTY_STATE.readOnlyLow;
    core.memory.written(entryPa, 8);
    return true;
  }
}
