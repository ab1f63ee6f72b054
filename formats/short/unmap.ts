/** Unmapping: clearing entries, freeing tables that hang below them, splitting leaves that are larger than what goes. */
import { Gfp, type IotlbGather, NO_PAGES, WarningCode } from '../table/index.ts';
import { DESCRIPTOR_BYTES, PAGE_ENTRIES, PAGE_SHIFT, RUN_ENTRIES, SECTION_SIZE, SMALL_PAGE_SIZE } from './config.ts';
import { isLargePage, isSupersection, isTable, isValid, PAGE_BASE, type V7sCore } from './core.ts';
import { attributeIndex, LeafKind, largeToSmall, SMALL_PAGE_BIT, SUPERSECTION_BIT, sectionProt } from './leaf.ts';

/**
 * Unmaps up to `count` pages of `size` bytes, all of them in one table.
 * @returns how many pages it unmapped; 0 when it met a hole or could not split.
 */
export function unmapRun(core: V7sCore, iova: number, size: number, count: number, gather: IotlbGather | null): number {
  const index = core.indexOf(iova);
  if (size >= SECTION_SIZE) return unmapSections(core, index, iova, Math.floor(size / SECTION_SIZE), gather);

  if (index === core.cursorIndex) return unmapPages(core, core.cursorTable, iova, size, count, gather);
  const entryPa = core.pgd + index * DESCRIPTOR_BYTES;
  const word = core.memory.words[core.pgdAt + index] as number;
  if (!isValid(word)) {
    core.warn(WarningCode.UNMAP_HOLE, iova, 1);
    return 0;
  }
  if (isTable(word)) return unmapPages(core, core.enterTable(index, word), iova, size, count, gather);
  if (core.config.split === 'refuse') return refuseSplit(core, iova, size);
  const section = isSupersection(word) ? splitSupersection(core, index, iova, word) : word;
  return splitSection(core, entryPa, section, iova, size, gather);
}

/**
 * Unmaps `entries` level 1 entries from `index` on, whatever they are; all must be valid.
 * @returns 1, or 0 when it met a hole or could not split.
 */
export function unmapSections(
  core: V7sCore,
  index: number,
  iova: number,
  entries: number,
  gather: IotlbGather | null,
): number {
  if (index + entries > core.indexMask + 1 || entries > RUN_ENTRIES) return overrun(core, entries * SECTION_SIZE);
  const entryPa = core.pgd + index * DESCRIPTOR_BYTES;
  if (!allValid(core, core.pgdAt + index, entries, iova, 1)) return 0;
  if (entries === 1) {
    const word = core.memory.words[core.pgdAt + index] as number;
    if (isTable(word)) {
      core.store(entryPa, 0, 1);
      removePageTable(core, word, iova);
      return 1;
    }
    if (isSupersection(word)) {
      if (core.config.split === 'refuse') return refuseSplit(core, iova, SECTION_SIZE);
      splitSupersection(core, index, iova, word);
    }
    core.store(entryPa, 0, 1);
    reportLeaf(core, gather, iova, SECTION_SIZE, 1, 1);
    return 1;
  }
  const at = core.pgdAt + index;
  const found = core.memory.words.slice(at, at + entries);
  core.store(entryPa, 0, entries);
  for (let i = 0; i < entries; i++) {
    const word = found[i] as number;
    if (isTable(word)) removePageTable(core, word, iova + i * SECTION_SIZE);
    else reportLeaf(core, gather, iova + i * SECTION_SIZE, SECTION_SIZE, 1, 1);
  }
  return 1;
}

/** Frees the table that `word` pointed to. Walks that stopped at it must go before its memory does. */
function removePageTable(core: V7sCore, word: number, iova: number): void {
  core.tlb?.flushWalk(iova, SECTION_SIZE, SMALL_PAGE_SIZE, core.cookie);
  core.freePageTable(core.tableAddress(word));
}

/** Counts a leaf's entries, and reports them unless a flush queue will invalidate everything later. */
function reportLeaf(
  core: V7sCore,
  gather: IotlbGather | null,
  iova: number,
  entrySize: number,
  entries: number,
  level: number,
): void {
  const { leavesUnmapped } = core.stats;
  leavesUnmapped[level] = (leavesUnmapped[level] as number) + entries;
  if (gather === null || !gather.queued) core.reportPages(gather, iova, entrySize, entries);
}

/** Unmaps up to `count` pages or large pages in the table at `table`. */
function unmapPages(
  core: V7sCore,
  table: number,
  iova: number,
  size: number,
  count: number,
  gather: IotlbGather | null,
): number {
  const entries = size >>> PAGE_SHIFT;
  const index = (iova >>> PAGE_SHIFT) & (PAGE_ENTRIES - 1);
  if (index + entries > PAGE_ENTRIES || entries > RUN_ENTRIES) return overrun(core, size);
  const entryPa = table + index * DESCRIPTOR_BYTES;
  if (entries <= 1) {
    const room = PAGE_ENTRIES - index;
    if (entries === 1 && core.coherent) {
      const done = clearSmallPages(core, entryPa, Math.min(count, room));
      if (done > 0) {
        if (gather === null || !gather.queued) core.reportPages(gather, iova, SMALL_PAGE_SIZE, done);
        return done;
      }
    }
    const at = core.memory.index(entryPa);
    if (!allValid(core, at, 1, iova, 2)) return 0;
    const word = core.memory.words[at] as number;
    if (isLargePage(word)) {
      if (core.config.split === 'refuse') return refuseSplit(core, iova, size);
      splitLargePage(core, table, index, iova, word);
    }
    if (entries === 0) {
      core.warn(WarningCode.UNMAP_BELOW_LAST_LEVEL, iova, size);
      return 0;
    }
  } else if (!allValid(core, core.memory.index(entryPa), entries, iova, 2)) return 0;
  core.store(entryPa, 0, entries);
  reportLeaf(core, gather, iova, SMALL_PAGE_SIZE, entries, 2);
  return 1;
}

/** Clears up to `wanted` small pages in one loop; stops at anything else. @returns how many there were. */
function clearSmallPages(core: V7sCore, entryPa: number, wanted: number): number {
  const { memory } = core;
  const at = memory.index(entryPa);
  const { words } = memory;
  const small = SMALL_PAGE_BIT;
  let i = at;
  for (const end = at + wanted; i < end && ((words[i] as number) & small) !== 0; i++) words[i] = 0;
  const done = i - at;
  if (done > 0) {
    core.stats.descriptorsCleared += done;
    core.stats.leavesUnmapped[2] = (core.stats.leavesUnmapped[2] as number) + done;
    memory.written(entryPa, done * DESCRIPTOR_BYTES);
  }
  return done;
}

/** True when `count` words of the memory from `at` on are valid descriptors; warns at the first that is not. */
function allValid(core: V7sCore, at: number, count: number, iova: number, level: number): boolean {
  const { words } = core.memory;
  for (let i = 0; i < count; i++) {
    if (isValid(words[at + i] as number)) continue;
    core.warn(WarningCode.UNMAP_HOLE, iova + i * (level === 1 ? SECTION_SIZE : SMALL_PAGE_SIZE), level);
    return false;
  }
  return true;
}

/**
 * Turns the supersection around `iova` into sixteen sections.
 * @returns the section to go on with. In place that is the first of the sixteen, as in Linux, whichever was meant: a part of any
 * other section is then not found where it is expected, and an unmap of less than a section does nothing more.
 */
function splitSupersection(core: V7sCore, index: number, iova: number, word: number): number {
  const first = word & ~SUPERSECTION_BIT;
  splitRun(core, core.pgd, index, iova, first, SECTION_SIZE);
  const own = core.config.split === 'in-place' ? 0 : index % RUN_ENTRIES;
  return (first + own * SECTION_SIZE) >>> 0;
}

/** Turns the large page around `iova` into sixteen pages. */
function splitLargePage(core: V7sCore, table: number, index: number, iova: number, word: number): void {
  splitRun(core, table, index, iova, largeToSmall(word), SMALL_PAGE_SIZE);
}

/**
 * Stores sixteen single entries in the place of a sixteen-fold leaf: `first`, and each next one `size` bytes further. In place the
 * old leaf is overwritten while it is live, and then invalidated; otherwise it is taken out and invalidated before.
 */
function splitRun(core: V7sCore, table: number, index: number, iova: number, first: number, size: number): void {
  const { memory, stats } = core;
  const runPa = table + (index - (index % RUN_ENTRIES)) * DESCRIPTOR_BYTES;
  const runSize = size * RUN_ENTRIES;
  const inPlace = core.config.split === 'in-place';
  if (!inPlace) {
    core.store(runPa, 0, RUN_ENTRIES);
    core.tlb?.flushWalk(Math.floor(iova / runSize) * runSize, runSize, runSize, core.cookie);
  }
  const at = memory.index(runPa);
  const { words } = memory;
  for (let i = 0; i < RUN_ENTRIES; i++) words[at + i] = first + i * size;
  stats.descriptorsWritten += RUN_ENTRIES;
  stats.blockSplits++;
  memory.written(runPa, RUN_ENTRIES * DESCRIPTOR_BYTES);
  core.sync(runPa, RUN_ENTRIES);
  // Linux gives the address asked for, not that of the leaf.
  if (inPlace) core.tlb?.flushWalk(iova, runSize, runSize, core.cookie);
}

/**
 * Puts a table in the place of a section, with the pages that stay mapped in it, and leaves out the one that goes.
 *
 * In place this keeps a fault of Linux up to 6.12: the section's address is lost, and the pages that stay map memory from physical
 * address 0 on. `split: 'unmap-and-remap'` keeps the address; it takes the section out and has it invalidated before the table
 * goes in, so that no TLB ever holds both.
 */
function splitSection(
  core: V7sCore,
  entryPa: number,
  section: number,
  iova: number,
  size: number,
  gather: IotlbGather | null,
): number {
  const entries = size >>> PAGE_SHIFT;
  // Linux would loop for ever, or write past the table.
  if (entries === 0 || PAGE_ENTRIES % entries !== 0 || entries > RUN_ENTRIES) return overrun(core, size);
  const inPlace = core.config.split === 'in-place';
  const table = core.allocPageTable(Gfp.ATOMIC);
  if (table === NO_PAGES) return 0;
  const kind = entries > 1 ? LeafKind.LARGE_PAGE : LeafKind.SMALL_PAGE;
  const attributes = core.attributes[attributeIndex(kind, sectionProt(section))] as number;
  const base = inPlace ? 0 : core.sectionAddress(section);
  const unmapped = (iova >>> PAGE_SHIFT) & (PAGE_ENTRIES - 1);
  for (let i = 0; i < PAGE_ENTRIES; i += entries) {
    if (i === unmapped) continue;
    const bits = core.addressBits(base + i * SMALL_PAGE_SIZE, PAGE_BASE);
    core.store(table + i * DESCRIPTOR_BYTES, attributes | bits, entries);
  }
  let expected = section;
  if (!inPlace) {
    core.store(entryPa, 0, 1);
    core.tlb?.flushWalk(Math.floor(iova / SECTION_SIZE) * SECTION_SIZE, SECTION_SIZE, SECTION_SIZE, core.cookie);
    expected = 0;
  }
  const found = core.install(entryPa, table, expected);
  if (found !== expected) {
    core.freePageTable(table);
    // Only another split of the same section may have won; whatever else it is leaves nothing to unmap.
    if (!isTable(found)) return 0;
    return unmapPages(core, core.tableAddress(found), iova, size, 1, gather);
  }
  core.stats.blockSplits++;
  core.stats.leavesUnmapped[2] = (core.stats.leavesUnmapped[2] as number) + entries;
  // Reported also to a queued gather. The other way has invalidated the whole section already.
  if (inPlace) core.reportPages(gather, iova, size, 1);
  return 1;
}

function refuseSplit(core: V7sCore, iova: number, size: number): number {
  core.warn(WarningCode.SPLIT_REFUSED, iova, size);
  return 0;
}

/** A size that does not fit its table: Linux would store past its end, which no caller that keeps to page sizes can bring about. */
function overrun(core: V7sCore, size: number): number {
  core.warn(WarningCode.UNMAP_PAGE_SIZE, size, 1);
  return 0;
}
