import type { InvalidationObserver } from '../../mmu/invalidation/index.ts';
import { addressText, descriptorText, FindingKind } from '../finding.ts';
import type { Sanitizer } from '../sanitizer.ts';
import { BrokenRuns } from './broken-runs.ts';
import type { LastValues } from './last-values.ts';
import type { WatchedSpace } from './watched-space.ts';

/**
 * From this many pages on, invalidating a whole space instead of a range is no fault: Linux 6.12's arm-smmu-v3 does that for shared
 * virtual addresses where one command per page would be more (CMDQ_MAX_TLBI_OPS).
 */
export const WHOLE_SPACE_PAGES = 512;
/** Pages that invalidations may drop beyond twice what an operation unmapped. */
export const EXCESS_PAGES = 16;

/** A table that was freed during the operation under way. */
interface FreedTable {
  readonly space: WatchedSpace;
  readonly start: number;
  readonly end: number;
  readonly report: (since: number) => void;
}

/**
 * Holds what software unmapped against what it told the hardware to forget. What an operation breaks has to be invalidated before it
 * returns (strict), or before it is mapped again and before its tables are freed (lazy); and not much more than that.
 */
export class InvalidationWatch implements InvalidationObserver {
  /** What the operation under way broke. */
  readonly runs = new BrokenRuns();
  readonly spaces: WatchedSpace[] = [];
  /** False where nobody invalidates leaves, because the hardware that would be told of them is not there. */
  watchesLeaves = true;
  /** False where invalidations act on regions that hardware rounds up: what they drop beyond need is no fault. */
  watchesWidth = true;
  /** Whether the hardware tells when invalidations were waited for. */
  watchesCompletion = false;
  /**
   * The driver frees tables and flushes afterwards, before the operation returns, as Linux's panfrost and panthor 6.12 do: their
   * callback for walks does nothing. Whether the flush covered what was freed is asked when the operation ends.
   */
  flushesAfterFree = false;
  readonly #freed: FreedTable[] = [];
  /** Level at which the invalidation that is told next says its leaves are; -1: it says nothing. */
  #levelHint = -1;
  /** Something was invalidated, and that was not waited for since; its first address. */
  #unwaited = -1;
  readonly #sanitizer: Sanitizer;
  readonly #last: LastValues;
  #inOperation = false;
  /** The operation that the runs are of. */
  #operation = 0;
  // What the operation's commands dropped beyond what it broke.
  #excess = 0;
  #wholeSpaces = 0;
  /** Something of a space that the operation changed was invalidated. */
  #invalidated = false;
  /** A flush of walk caches where no table went away; -1: none. */
  #needlessWalkFlush = -1;
  #needlessWalkEnd = 0;
  // Leaves whose contiguous hint the operation changed: a driver may flush them, and need not.
  #hintSpace = -1;
  #hintStart = 0;
  #hintEnd = 0;

  constructor(sanitizer: Sanitizer, last: LastValues) {
    this.#sanitizer = sanitizer;
    this.#last = last;
  }

  /** A map or unmap begins. */
  begin(): void {
    this.#carryOver();
    this.#inOperation = true;
    this.#operation = this.#sanitizer.operation;
    this.#excess = 0;
    this.#wholeSpaces = 0;
    this.#needlessWalkFlush = -1;
    this.#invalidated = false;
    this.#hintSpace = -1;
  }

  /**
   * The map or unmap returns.
   * @param strict what it broke must be invalidated by now; otherwise a flush queue does that later
   */
  end(strict: boolean): void {
    if (!this.#inOperation) return;
    this.#inOperation = false;
    for (const { space, start, end, report } of this.#freed) {
      const since = this.uninvalidated(space, start, end, true);
      if (since >= 0) report(since);
    }
    this.#freed.length = 0;
    if (strict && this.watchesCompletion && this.#unwaited >= 0) this.#reportUnwaited();
    if (strict && this.runs.open > 0) this.#reportMissing();
    if (!this.watchesWidth) return;
    if (this.#excess > 0 || this.#wholeSpaces > 0 || this.#needlessWalkFlush >= 0) this.#reportWide();
  }

  /**
   * Entries [start, end) of a space became invalid.
   * @param at place of the first in memory @param leafLevel level of the descriptor that mapped them
   */
  broken(
    space: WatchedSpace,
    start: number,
    end: number,
    level: number,
    table: boolean,
    at: number,
    leafLevel: number = level,
  ): void {
    if ((!table && !this.watchesLeaves) || space.parked) return;
    if (this.#inOperation) this.runs.add(space.number, start, end, level, table, at, leafLevel);
    else space.remember(table, start, end, level, this.#sanitizer.operation);
  }

  /** Between two operations: what the TLBs may still hold of [start, end) is mapped again all the same, which is no fault of the driver. */
  excuse(space: WatchedSpace, start: number, end: number): void {
    this.#carryOver();
    space.forget(start, end, false);
  }

  /** Leaves of [start, end) became part of a contiguous run, or no part of one. */
  hintChanged(space: WatchedSpace, start: number, end: number): void {
    const first = this.#hintSpace !== space.number;
    this.#hintSpace = space.number;
    this.#hintStart = first ? start : Math.min(start, this.#hintStart);
    this.#hintEnd = first ? end : Math.max(end, this.#hintEnd);
  }

  /** Bytes of [start, end) whose hint the operation changed. */
  #hintBytes(space: WatchedSpace, start: number, end: number): number {
    if (this.#hintSpace !== space.number) return 0;
    return Math.max(Math.min(end, this.#hintEnd) - Math.max(start, this.#hintStart), 0);
  }

  /**
   * The operation that broke something in [start, end) that was not invalidated since; -1 when there is none.
   * @param tablesOnly leaves do not count: a table is freed, to which only walk caches lead
   */
  uninvalidated(space: WatchedSpace, start: number, end: number, tablesOnly: boolean): number {
    if (this.runs.findOpen(space.number, start, end, tablesOnly) >= 0) return this.#sanitizer.operation;
    const tag = firstTag(space, start, end, tablesOnly);
    return tag < 0 ? -1 : Math.floor(tag / 4);
  }

  /**
   * The operation that broke something in [start, end), which is made anew, and did not invalidate it; -1 when there is none. Where a
   * driver flushes at the end, what its own operation broke is asked for there.
   */
  brokenBefore(space: WatchedSpace, start: number, end: number): number {
    const since = this.uninvalidated(space, start, end, false);
    return this.flushesAfterFree && this.#inOperation && since === this.#operation ? -1 : since;
  }

  /**
   * The table of [start, end) is freed; `report` is told when the walker may still reach it, with the operation that cleared the
   * entry which led there, or -1 where that is still valid.
   */
  freed(space: WatchedSpace, start: number, end: number, reachable: boolean, report: FreedTable['report']): void {
    if (this.flushesAfterFree && this.#inOperation && !reachable) {
      this.#freed.push({ space, start, end, report });
      return;
    }
    const since = this.uninvalidated(space, start, end, true);
    if (since >= 0 || reachable) report(since);
  }

  levelHint(level: number): void {
    this.#levelHint = level;
  }

  addresses(stage: 1 | 2, start: number, end: number, asid: number, vmid: number, leafOnly: boolean): void {
    this.#unwaited = start;
    const hint = this.#levelHint;
    this.#levelHint = -1;
    for (const space of this.spaces) {
      if (space.retired || space.stage !== stage || space.vmid !== vmid) continue;
      if (asid >= 0 && stage === 1 && space.asid !== asid) continue;
      const page = 2 ** space.geometry.granuleShift;
      const from = start - (start % page);
      const to = Math.ceil(end / page) * page;
      if (hint >= 0 && this.#inOperation) this.#checkHint(space, from, to, hint);
      const rehinted = this.#hintBytes(space, from, to);
      const walksNeeded = leafOnly || rehinted > 0 || !this.#inOperation || this.#tableWent(space, from, to);
      if (this.#inOperation) this.#invalidated = true;
      let needed = this.runs.count === 0 ? 0 : this.runs.cover(space.number, from, to, leafOnly, space.spans);
      needed = Math.max(needed, space.forget(from, to, leafOnly), rehinted);
      if (!this.#inOperation) continue;
      this.#excess += Math.max(to - from - needed, 0);
      if (!walksNeeded) {
        this.#needlessWalkFlush = from;
        this.#needlessWalkEnd = to;
      }
    }
  }

  addressSpace(asid: number, vmid: number): void {
    this.#all((space) => space.asid === asid && space.vmid === vmid && space.stage === 1);
  }

  virtualMachine(vmid: number, stage2: boolean): void {
    this.#all((space) => space.vmid === vmid && (stage2 || space.stage === 1));
  }

  everything(): void {
    this.#all(() => true);
  }

  completed(): void {
    this.#unwaited = -1;
  }

  #all(meant: (space: WatchedSpace) => boolean): void {
    this.#wholeSpaces++;
    this.#unwaited = Math.max(this.#unwaited, 0);
    for (const space of this.spaces) {
      if (!meant(space)) continue;
      this.runs.coverAll(space.number);
      space.forgetAll();
    }
  }

  /** Whether a table in [start, end) went away, in this operation or earlier and without a flush, or may take a block's place. */
  #tableWent(space: WatchedSpace, start: number, end: number): boolean {
    const { runs } = this;
    for (let run = 0; run < runs.count; run++) {
      if (runs.space[run] !== space.number || (runs.end[run] as number) <= start || (runs.start[run] as number) >= end)
        continue;
      // A block that is broken here may make room for a table.
      if (runs.table[run] === 1 || (runs.level[run] as number) < space.geometry.lastLevel) return true;
    }
    return space.tables.count > 0 && space.tables.overlaps(start, end);
  }

  /** Whether what the operation broke in [start, end) is at the level that the invalidation names. */
  #checkHint(space: WatchedSpace, start: number, end: number, hint: number): void {
    const { runs } = this;
    for (let run = 0; run < runs.count; run++) {
      if (runs.space[run] !== space.number || runs.table[run] === 1) continue;
      if ((runs.end[run] as number) <= start || (runs.start[run] as number) >= end) continue;
      const level = runs.level[run] as number;
      // Of a block that lost some of its pages, Linux names the level of these.
      if (level === hint || runs.leafLevel[run] === hint) continue;
      const from = Math.max(start, runs.start[run] as number);
      this.#sanitizer.found(FindingKind.WRONG_LEVEL_HINT, from, () => ({
        detail: `the invalidation of [${addressText(start)}, ${addressText(end)}) says that its leaves are at level ${hint}, where hardware may keep those of level ${level}`,
        level,
      }));
      return;
    }
  }

  #reportUnwaited(): void {
    const iova = this.#unwaited;
    this.#unwaited = -1;
    this.#sanitizer.found(FindingKind.MISSING_SYNC, iova, () => ({
      detail: `the operation returned, and nothing waited for its invalidation at ${addressText(iova)} to complete`,
    }));
  }

  #reportMissing(): void {
    const { runs } = this;
    for (let run = 0; run < runs.count; run++) {
      const start = runs.openStart[run] as number;
      const end = runs.openEnd[run] as number;
      if (start >= end) continue;
      const at = runs.at[run] as number;
      const level = runs.leafLevel[run] as number;
      const table = runs.table[run] === 1;
      // Where regions are flushed, one flush is for all of an operation.
      const short = this.#invalidated && !this.watchesWidth;
      this.#sanitizer.found(short ? FindingKind.SHORT_FLUSH : FindingKind.MISSING_INVALIDATION, start, () => {
        const low = this.#last.lowOf(at);
        const high = this.#last.highOf(at);
        const what = table
          ? `the table that ${descriptorText(low, high)} led to`
          : `the leaf ${descriptorText(low, high)}`;
        const more = end - start;
        return {
          detail: `the unmap returned, and the SMMU was not told to forget [${addressText(start)}, ${addressText(end)}): ${what} at level ${level}, ${more} bytes`,
          level,
          low,
          high,
        };
      });
    }
  }

  #reportWide(): void {
    const { bytes } = this.runs;
    const space = this.spaces[this.runs.space[0] ?? 0];
    const page = space === undefined ? 4096 : 2 ** space.geometry.granuleShift;
    const iova = this.runs.count > 0 ? (this.runs.start[0] as number) : 0;
    const level = this.runs.count > 0 ? { level: this.runs.level[0] as number } : {};
    if (this.#wholeSpaces > 0 && bytes <= WHOLE_SPACE_PAGES * page) {
      this.#sanitizer.found(FindingKind.WIDE_INVALIDATION, iova, () => ({
        detail: `a whole address space was invalidated for ${bytes} bytes`,
        ...level,
      }));
    } else if (this.#needlessWalkFlush >= 0) {
      const [from, to] = [this.#needlessWalkFlush, this.#needlessWalkEnd];
      this.#sanitizer.found(FindingKind.WIDE_INVALIDATION, from, () => ({
        detail: `the walk caches were flushed over [${addressText(from)}, ${addressText(to)}), where no table went away`,
        ...level,
      }));
    } else if (this.#excess > bytes + EXCESS_PAGES * page) {
      const excess = this.#excess;
      this.#sanitizer.found(FindingKind.WIDE_INVALIDATION, iova, () => ({
        detail: `${excess} bytes were invalidated beyond the ${bytes} that were unmapped`,
        ...level,
      }));
    }
  }

  /** What the operation left open has to be remembered until it is invalidated. */
  #carryOver(): void {
    const { runs } = this;
    for (let run = 0; runs.open > 0 && run < runs.count; run++) {
      const start = runs.openStart[run] as number;
      const end = runs.openEnd[run] as number;
      if (start >= end) continue;
      const space = this.spaces[runs.space[run] as number];
      space?.remember(runs.table[run] === 1, start, end, runs.level[run] as number, this.#operation);
    }
    runs.reset();
  }
}

/** Tag of the first remembered range that overlaps [start, end). */
function firstTag(space: WatchedSpace, start: number, end: number, tablesOnly: boolean): number {
  if (space.tables.count > 0 && space.tables.overlaps(start, end)) return tagIn(space.tables, start, end);
  if (!tablesOnly && space.leaves.count > 0 && space.leaves.overlaps(start, end))
    return tagIn(space.leaves, start, end);
  return -1;
}

function tagIn(ranges: WatchedSpace['leaves'], start: number, end: number): number {
  const atStart = ranges.tagAt(start);
  if (atStart >= 0) return atStart;
  let found = -1;
  ranges.forEach((from, _to, tag) => {
    if (found < 0 && from >= start && from < end) found = tag;
  });
  return found;
}
