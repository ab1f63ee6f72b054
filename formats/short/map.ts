/** Mapping: finding or making the level 2 table, and writing the leaves. */
import { Errno, NO_PAGES, WarningCode } from '../table/index.ts';
import { DESCRIPTOR_BYTES, PAGE_ENTRIES, PAGE_SHIFT, SECTION_SIZE, SMALL_PAGE_SIZE } from './config.ts';
import { isTable, PAGE_BASE, SECTION_BASE, type V7sCore } from './core.ts';
import { attributeIndex, LeafKind } from './leaf.ts';
import { unmapSections } from './unmap.ts';

/**
 * Maps up to `count` pages of `size` bytes, all of them in one table.
 * @returns how many pages it mapped, at least one, or a negative error number.
 */
export function mapRun(
  core: V7sCore,
  iova: number,
  pa: number,
  size: number,
  count: number,
  prot: number,
  gfp: number,
): number {
  const index = core.indexOf(iova);
  if (size >= SECTION_SIZE) return mapSections(core, index, iova, pa, Math.floor(size / SECTION_SIZE), prot);

  const entryPa = core.pgd + index * DESCRIPTOR_BYTES;
  if (index === core.cursorIndex) {
    core.sync(entryPa, 1);
    return mapPages(core, entryPa, core.cursorTable, iova, pa, size, count, prot);
  }
  let word = core.memory.words[core.pgdAt + index] as number;
  if (word === 0) {
    const fresh = core.allocPageTable(gfp);
    if (fresh === NO_PAGES) return -Errno.ENOMEM;
    // What another CPU may have put there first is used, and ours goes.
    if (core.install(entryPa, fresh, 0) !== 0) core.freePageTable(fresh);
    word = core.memory.words[core.pgdAt + index] as number;
  } else {
    // Nothing says whether whoever installed the table has synced it yet.
    core.sync(entryPa, 1);
  }
  if (!isTable(word)) {
    core.warn(WarningCode.BLOCK_IN_THE_WAY, iova, 1);
    return -Errno.EEXIST;
  }
  const table = core.enterTable(index, word);
  return mapPages(core, entryPa, table, iova, pa, size, count, prot);
}

/** Writes one section, or one run of entries that makes a supersection. Tables in the way are freed, leaves are not. */
function mapSections(core: V7sCore, index: number, iova: number, pa: number, entries: number, prot: number): number {
  if (index + entries > core.indexMask + 1) return overrun(core, entries * SECTION_SIZE);
  const entryPa = core.pgd + index * DESCRIPTOR_BYTES;
  if (!isClear(core.memory.words, core.pgdAt + index, entries)) {
    const error = makeRoom(core, index, iova, entries);
    if (error !== 0) return error;
  }
  const kind = entries > 1 ? LeafKind.SUPERSECTION : LeafKind.SECTION;
  const attributes = core.attributes[attributeIndex(kind, prot)] as number;
  core.store(entryPa, attributes | core.addressBits(pa, SECTION_BASE), entries);
  core.stats.leavesMapped[1] = (core.stats.leavesMapped[1] as number) + entries;
  return 1;
}

/** Frees the tables that a section replaces. A leaf in the way stops it: whoever wants to replace one must unmap it first. */
function makeRoom(core: V7sCore, index: number, iova: number, entries: number): number {
  for (let i = 0; i < entries; i++) {
    const word = core.memory.words[core.pgdAt + index + i] as number;
    if (word === 0) continue;
    const address = iova + i * SECTION_SIZE;
    if (!isTable(word)) {
      core.warn(WarningCode.LEAF_EXISTS, address, 1);
      return -Errno.EEXIST;
    }
    if (unmapSections(core, index + i, address, 1, null) === 0) {
      core.warn(WarningCode.TABLE_NOT_REPLACED, address, 1);
      return -Errno.EINVAL;
    }
  }
  return 0;
}

/** Writes pages or large pages into the table at `table` until it is full, `count` are done, or one is in the way. */
function mapPages(
  core: V7sCore,
  tableEntryPa: number,
  table: number,
  iova: number,
  pa: number,
  pageSize: number,
  count: number,
  prot: number,
): number {
  const entries = pageSize >>> PAGE_SHIFT;
  if (entries === 0) {
    core.warn(WarningCode.MAP_BELOW_LAST_LEVEL, iova, pageSize);
    return -Errno.EINVAL;
  }
  const first = (iova >>> PAGE_SHIFT) & (PAGE_ENTRIES - 1);
  const room = entries === 1 ? PAGE_ENTRIES - first : Math.floor((PAGE_ENTRIES - first) / entries);
  if (room === 0) return overrun(core, pageSize);
  const wanted = Math.min(count, room);
  const kind = entries > 1 ? LeafKind.LARGE_PAGE : LeafKind.SMALL_PAGE;
  const attributes = core.attributes[attributeIndex(kind, prot)] as number;
  const done = core.coherent
    ? writeRun(core, table, first, wanted, entries, pa, attributes)
    : writeAndSync(core, tableEntryPa, table, first, wanted, entries, pa, attributes);
  core.stats.leavesMapped[2] = (core.stats.leavesMapped[2] as number) + done * entries;
  if (done > 0) return done;
  core.warn(WarningCode.LEAF_EXISTS, iova, 2);
  return -Errno.EEXIST;
}

/** Writes up to `wanted` leaves in one loop; stops at the first that is in the way. @returns how many it wrote. */
function writeRun(
  core: V7sCore,
  table: number,
  first: number,
  wanted: number,
  entries: number,
  pa: number,
  attributes: number,
): number {
  const { memory } = core;
  const at = memory.index(table) + first;
  const { words } = memory;
  let i = at;
  if (entries === 1 && !core.mediatek) {
    // The usual run: pages of 4 KiB. The address counts modulo 2^32, as the descriptors do.
    let word = attributes | (pa & PAGE_BASE);
    const step = SMALL_PAGE_SIZE;
    for (const end = at + wanted; i < end && words[i] === 0; i++) {
      words[i] = word;
      word = (word + step) | 0;
    }
  } else {
    for (const end = at + wanted * entries; i < end && isClear(words, i, entries); ) {
      const word = attributes | core.addressBits(pa + (i - at) * SMALL_PAGE_SIZE, PAGE_BASE);
      for (const next = i + entries; i < next; i++) words[i] = word;
    }
  }
  const written = i - at;
  if (written > 0) {
    core.stats.descriptorsWritten += written;
    memory.written(table + first * DESCRIPTOR_BYTES, written * DESCRIPTOR_BYTES);
  }
  return written / entries;
}

/**
 * As {@link writeRun} where walks are not coherent: Linux descends anew for each page, and so syncs the level 1 entry before every
 * leaf but the first, whose descent has been done.
 */
function writeAndSync(
  core: V7sCore,
  tableEntryPa: number,
  table: number,
  first: number,
  wanted: number,
  entries: number,
  pa: number,
  attributes: number,
): number {
  const { memory } = core;
  const step = entries * SMALL_PAGE_SIZE;
  for (let done = 0; done < wanted; done++) {
    const index = first + done * entries;
    const at = memory.index(table) + index;
    // The page in the way has its descent as well, so it is left to the next call unless it is the first.
    if (!isClear(memory.words, at, entries)) return done;
    if (done > 0) core.sync(tableEntryPa, 1);
    const word = attributes | core.addressBits(pa + done * step, PAGE_BASE);
    core.store(table + index * DESCRIPTOR_BYTES, word, entries);
  }
  return wanted;
}

function isClear(words: Uint32Array, at: number, entries: number): boolean {
  for (let i = at; i < at + entries; i++) if (words[i] !== 0) return false;
  return true;
}

/** Linux would store past the end of the table, which no caller that keeps to aligned page sizes can bring about. */
function overrun(core: V7sCore, pageSize: number): number {
  core.warn(WarningCode.MAP_PAGE_SIZE, pageSize, 0);
  return -Errno.EINVAL;
}
