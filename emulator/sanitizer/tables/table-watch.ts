import type { Geometry, TableMemory } from '../../../formats/index.ts';
import type { Sanitizer } from '../sanitizer.ts';
import { isTable, needsBreak, onlyContiguityDiffers, splitAllowed, VALID } from './descriptor-rules.ts';
import { InvalidationWatch } from './invalidation-watch.ts';
import { LastValues } from './last-values.ts';
import { foundDirty, foundFreedEarly, foundInUse, foundMadeEarly, foundReplaced } from './table-findings.ts';
import { coveredFrom, TableLinks } from './table-links.ts';
import { PAGE_WORDS_SHIFT, PageUse, TableMap, type ViewedMemory } from './table-map.ts';
import { WatchedSpace } from './watched-space.ts';

const PAGE_WORDS = 2 ** PAGE_WORDS_SHIFT;
const PAGE_BYTES = 4 * PAGE_WORDS;

/** A table, as the sanitizer knows it. */
export interface KnownTable {
  readonly space: WatchedSpace;
  readonly level: number;
  /** First input address that it covers. */
  readonly iova: number;
  /** Operation that allocated it. */
  readonly allocatedBy: number;
}

/** Told of tables as they come and go. */
export interface TableObserver {
  allocated(pa: number, size: number): void;
  /** @param known where it stood; null when no entry ever led to it, or the table is of a format that is not watched */
  freed(pa: number, known: KnownTable | null): void;
}

/**
 * Stands between the software that edits LPAE tables and its memory, and between it and its allocator: sees each descriptor change
 * and each table come and go, and says what breaks the rules. Knows of a descriptor what the table code knows: the address space, the
 * level, the input address, and the value before.
 *
 *     const watch = new TableWatch(view, sanitizer, 0);
 *     // tables are edited through `watch` as their memory and come from watchedTables(allocator, watch)
 *     const space = watch.addSpace(1, asid, 0, geometry, pgd, pgdSize);
 *     watch.invalidation.begin(); ... unmap, invalidate ... watch.invalidation.end(true);
 *
 * Does not watch Mali and short descriptors, and what hardware itself writes (access flag, dirty state).
 */
export class TableWatch implements TableMemory {
  readonly tables: TableMap;
  /** What every descriptor was when it was last valid. */
  readonly last: LastValues;
  readonly invalidation: InvalidationWatch;
  observer: TableObserver | null = null;
  readonly #memory: ViewedMemory;
  readonly #sanitizer: Sanitizer;
  readonly #links: TableLinks;
  /**
   * Whether nothing of the hardware comes to [start, end) of a space now, because the driver has locked it: until the lock ends it may
   * change what is there as it likes.
   */
  shielded: (space: WatchedSpace, start: number, end: number) => boolean = () => false;
  /** Break-before-make level of the hardware (IDR3.BBML), 0 to 2: known once the device stands. */
  breakLevel: 0 | 1 | 2 = 0;

  /** @param memory the CPU's view, which the editor would use*/
  constructor(memory: ViewedMemory, sanitizer: Sanitizer) {
    this.#memory = memory;
    this.#sanitizer = sanitizer;
    this.tables = new TableMap(memory);
    this.last = new LastValues(memory);
    this.#links = new TableLinks(memory, this.tables, this.last);
    this.invalidation = new InvalidationWatch(sanitizer, this.last);
  }

  // The memory that the editor sees.

  get words(): Uint32Array {
    return this.#memory.words;
  }

  index(pa: number): number {
    return this.#memory.index(pa);
  }

  written(pa: number, bytes: number): void {
    this.#memory.written(pa, bytes);
    const at = this.#memory.peek(pa);
    const page = at >>> PAGE_WORDS_SHIFT;
    if (this.tables.use[page] !== PageUse.TABLE) return;
    if (bytes === 8) this.#stored(at, page, pa);
    else this.#storedRun(at, bytes / 4, pa);
  }

  /** A table of an address space: `asid` of a stage 1, `vmid` of a stage 2, first-level table of `size` bytes at `root`. */
  addSpace(stage: 1 | 2, asid: number, vmid: number, geometry: Geometry, root: number, size: number): WatchedSpace {
    const space = new WatchedSpace(this.invalidation.spaces.length, stage, asid, vmid, geometry);
    this.invalidation.spaces.push(space);
    const level = geometry.startLevel;
    this.tables.linked(root, size, space.number, level, 0, space.pageSpan(level), -1);
    if (size < PAGE_BYTES && this.tables.use[this.tables.pageOf(root)] !== PageUse.TABLE) this.#giveUp(space);
    return space;
  }

  /** The space shares a page of small first-level tables with others: what happens in it cannot be told apart. */
  #giveUp(space: WatchedSpace): void {
    this.retire(space);
    space.followed = false;
    this.tables.unlinked(space.number);
  }

  /** The space is taken down: nothing translates through it any more. */
  retire(space: WatchedSpace): void {
    space.retired = true;
    space.forgetAll();
    this.invalidation.runs.coverAll(space.number);
  }

  /** What is known of the table at `pa`, live or freed; null when none was ever linked there. */
  tableAt(pa: number): KnownTable | null {
    const { tables } = this;
    const page = tables.pageOf(pa);
    const level = tables.level[page] ?? -1;
    const space = this.invalidation.spaces[tables.space[page] ?? -1];
    if (space === undefined || level < 0) return null;
    return { space, level, iova: tables.iova[page] as number, allocatedBy: tables.allocatedBy[page] as number };
  }

  /** A table of `size` bytes was allocated at `pa`. */
  allocated(pa: number, size: number): void {
    this.#wantUnused(pa, size);
    const owner = this.tables.sharer(pa, size);
    if (owner >= 0) this.#giveUp(this.invalidation.spaces[owner] as WatchedSpace);
    this.tables.allocated(pa, size, this.#sanitizer.operation);
    const at = this.#memory.index(pa);
    const end = at + Math.max(size, 8) / 4;
    this.last.forget(at, end);
    this.#wantZeros(pa, at, end);
    this.observer?.allocated(pa, size);
  }

  /** A table that is alive is nobody else's. Small first-level tables share pages. */
  #wantUnused(pa: number, size: number): void {
    const page = this.tables.pageOf(pa);
    if (size < PAGE_BYTES || this.tables.use[page] !== PageUse.TABLE) return;
    foundInUse(this.#sanitizer, pa, this.tableAt(pa)?.level ?? -1, this.tables.allocatedBy[page] as number);
  }

  /** A table begins without a descriptor. */
  #wantZeros(pa: number, start: number, end: number): void {
    const { words } = this.#memory;
    let at = start;
    while (at < end && words[at] === 0) at++;
    if (at < end) foundDirty(this.#sanitizer, pa, words, start, at);
  }

  /** The table at `pa` is about to be freed. */
  freed(pa: number): void {
    const { tables } = this;
    this.observer?.freed(pa, this.tableAt(pa));
    const page = tables.pageOf(pa);
    if (page < 0 || tables.use[page] !== PageUse.TABLE) return;
    const space = this.invalidation.spaces[tables.space[page] as number];
    const level = tables.level[page] as number;
    if (space !== undefined && level >= 0 && !space.retired) {
      const start = tables.iova[page] as number;
      const end = start + ((tables.size[page] as number) / 8) * (space.spans[level] as number);
      const reachable = this.#links.reachable(page, space);
      const report = (since: number): void => foundFreedEarly(this.#sanitizer, pa, level, start, since);
      if (!this.shielded(space, start, end)) this.invalidation.freed(space, start, end, reachable, report);
    }
    tables.freed(pa, this.#sanitizer.operation);
  }

  /** One descriptor was stored. */
  #stored(at: number, page: number, pa: number): void {
    const last = this.last.words;
    const { words } = this.#memory;
    const low = words[at] as number;
    const high = words[at + 1] as number;
    const oldLow = last[at] as number;
    const level = this.tables.level[page] as number;
    if ((low & VALID) === 0) {
      if ((oldLow & VALID) === 0) return;
      last[at] = oldLow & ~VALID;
      if (level >= 0) this.#broke(page, level, at, at + 2, isTable(oldLow, level));
      return;
    }
    const oldHigh = last[at + 1] as number;
    last[at] = low;
    last[at + 1] = high;
    if (level < 0) return;
    if ((oldLow & VALID) === 0) this.#made(page, level, at, at + 2, pa);
    else if (needsBreak(level, oldLow, oldHigh, low, high)) this.#replaced(page, level, at, oldLow, oldHigh, pa);
  }

  /** `count` words were stored: several descriptors, perhaps of several pages of a large table. */
  #storedRun(first: number, count: number, pa: number): void {
    const end = first + count;
    for (let at = first; at < end; ) {
      const page = at >>> PAGE_WORDS_SHIFT;
      const pageEnd = Math.min(end, (page + 1) * PAGE_WORDS);
      this.#storedInPage(at, pageEnd, page, pa + 4 * (at - first));
      at = pageEnd;
    }
  }

  #storedInPage(first: number, end: number, page: number, pa: number): void {
    const level = this.tables.level[page] as number;
    const last = this.last.words;
    const { words } = this.#memory;
    // Neighbours that became invalid, or valid, are told of together.
    let brokenFrom = -1;
    let madeFrom = -1;
    for (let at = first; at < end; at += 2) {
      const low = words[at] as number;
      const oldLow = last[at] as number;
      const was = oldLow & VALID;
      const is = low & VALID;
      const broken = was > is && !isTable(oldLow, level);
      const made = is > was && !isTable(low, level);
      if (brokenFrom >= 0 && !broken) {
        if (level >= 0) this.#broke(page, level, brokenFrom, at, false);
        brokenFrom = -1;
      }
      if (madeFrom >= 0 && !made) {
        if (level >= 0) this.#made(page, level, madeFrom, at, pa + 4 * (madeFrom - first));
        madeFrom = -1;
      }
      if (broken) {
        if (brokenFrom < 0) brokenFrom = at;
        last[at] = oldLow & ~VALID;
      } else if (made) {
        if (madeFrom < 0) madeFrom = at;
        last[at] = low;
        last[at + 1] = words[at + 1] as number;
      } else if ((was | is) !== 0) this.#stored(at, page, pa + 4 * (at - first));
    }
    if (level < 0) return;
    if (brokenFrom >= 0) this.#broke(page, level, brokenFrom, end, false);
    if (madeFrom >= 0) this.#made(page, level, madeFrom, end, pa + 4 * (madeFrom - first));
  }

  /** Descriptors [from, to) of a page, by their place in memory, became invalid. */
  #broke(page: number, level: number, from: number, to: number, table: boolean): void {
    const space = this.invalidation.spaces[this.tables.space[page] as number] as WatchedSpace;
    const span = space.spans[level] as number;
    const start = coveredFrom(this.tables, page, from, span);
    this.invalidation.broken(space, start, start + ((to - from) >>> 1) * span, level, table, from);
  }

  /** Descriptors [from, to) of a page became valid; the first is at `pa`. */
  #made(page: number, level: number, from: number, to: number, pa: number): void {
    const space = this.invalidation.spaces[this.tables.space[page] as number] as WatchedSpace;
    const { invalidation } = this;
    const link = isTable(this.last.words[from] as number, level);
    if (invalidation.runs.open !== 0 || space.leaves.count !== 0 || space.tables.count !== 0) {
      const span = space.spans[level] as number;
      const start = coveredFrom(this.tables, page, from, span);
      const end = start + ((to - from) >>> 1) * span;
      const since = invalidation.brokenBefore(space, start, end);
      // A table maps nothing by itself: what its leaves replace is looked at when they are made.
      if (since >= 0 && !(link && this.last.isEmptyTable(from, level, space)) && !this.shielded(space, start, end)) {
        foundMadeEarly(this.#sanitizer, level, this.last.lowOf(from), this.last.highOf(from), start, end, since);
      }
    }
    if (link) this.#links.link(space, page, level, from, pa);
  }

  /** A valid descriptor became a different valid one in one store. */
  #replaced(page: number, level: number, at: number, oldLow: number, oldHigh: number, pa: number): void {
    const space = this.invalidation.spaces[this.tables.space[page] as number] as WatchedSpace;
    const span = space.spans[level] as number;
    const start = coveredFrom(this.tables, page, at, span);
    const low = this.last.words[at] as number;
    const high = this.last.words[at + 1] as number;
    const split = isTable(low, level) && !isTable(oldLow, level);
    const held = this.shielded(space, start, start + span);
    if (!held && !this.#allowed(space, level, at, oldLow, oldHigh, split)) {
      foundReplaced(this.#sanitizer, level, start, [oldLow, oldHigh], [low, high], split);
    }
    if (split) {
      this.#links.link(space, page, level, at, pa);
      this.#brokeHoles(space, level, at, oldLow, oldHigh, start);
    } else {
      // With and without the hint a leaf translates alike: whatever a TLB kept stays true, and goes when the leaf does.
      if (onlyContiguityDiffers(oldLow, oldHigh, low, high)) this.invalidation.hintChanged(space, start, start + span);
      else {
        this.invalidation.broken(space, start, start + span, level, isTable(oldLow, level), at);
      }
      if (isTable(low, level)) this.#links.link(space, page, level, at, pa);
    }
  }

  #allowed(space: WatchedSpace, level: number, at: number, oldLow: number, oldHigh: number, split: boolean): boolean {
    const low = this.last.words[at] as number;
    const high = this.last.words[at + 1] as number;
    if (!split) return this.breakLevel === 2 && onlyContiguityDiffers(oldLow, oldHigh, low, high);
    const first = this.last.tableOf(at, space);
    if (first < 0) return false;
    return splitAllowed(this.breakLevel, {
      level,
      low: oldLow,
      high: oldHigh,
      words: this.last.words,
      at: first,
      entries: 2 ** space.geometry.bitsPerLevel,
      span: space.spans[level + 1] as number,
      packs: space.packs,
    });
  }

  /** What a split block mapped and its table, at `at`, does not is unmapped; the block is what mapped it. */
  #brokeHoles(space: WatchedSpace, level: number, at: number, low: number, high: number, start: number): void {
    const last = this.last.words;
    const first = this.last.tableOf(at, space);
    const entries = 2 ** space.geometry.bitsPerLevel;
    const span = space.spans[level + 1] as number;
    let from = -1;
    for (let entry = 0; entry <= entries; entry++) {
      const place = first + 2 * entry;
      const hole = entry < entries && ((last[place] as number) & VALID) === 0;
      if (hole) {
        last[place] = low & ~VALID;
        last[place + 1] = high;
      }
      if (hole && from < 0) from = entry;
      if (!hole && from >= 0) {
        const place = first + 2 * from;
        this.invalidation.broken(space, start + from * span, start + entry * span, level + 1, false, place, level);
        from = -1;
      }
    }
  }
}
