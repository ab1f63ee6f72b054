/** Reading a table in software: address lookup, and showing tables and leaves to whoever asks. */
import { TWO_32 } from '../bits/index.ts';
import { LpaeType } from '../descriptors/lpae.ts';
import type { LeafVisitor, TableVisitor } from '../io-pgtable.ts';
import type { LpaeCore } from './core.ts';

/** Physical address of `iova`, or 0. Address bits above the input range are ignored, as in Linux. */
export function lookup(core: LpaeCore, iova: number): number {
  const memory = core.memory;
  let table = core.pgd;
  // An address that aliases must not become the key of an edit, which takes what it finds by the cursor as in range.
  let synced = iova < core.limit;
  for (let level = core.startLevel; level <= core.geometry.lastLevel; level++) {
    const index = ((iova * (core.inverses[level] as number)) >>> 0) & (core.indexMasks[level] as number);
    const at = memory.index(table) + 2 * index;
    const low = memory.words[at] as number;
    const high = memory.words[at + 1] as number;
    if (low === 0 && high === 0) return 0;
    if (core.isLeaf(low, level)) {
      if (synced) core.cursor.remember(level, iova, table, memory.index(table));
      return leafAddress(core, low, high, iova, core.blockSizes[level] as number);
    }
    synced &&= core.coherent || core.isSynced(high);
    table = core.tableAddress(low, high);
  }
  return 0;
}

/** Where a leaf of `size` bytes takes `iova`. An or, as in Linux: an output address that is not aligned shows. */
export function leafAddress(core: LpaeCore, low: number, high: number, iova: number, size: number): number {
  const pa = core.tableAddress(low, high);
  if (size <= TWO_32) return pa - (pa >>> 0) + (((pa >>> 0) | ((iova >>> 0) & (size - 1))) >>> 0);
  const offsetHigh = Math.floor(iova / TWO_32) & (size / TWO_32 - 1);
  return (Math.floor(pa / TWO_32) | offsetHigh) * TWO_32 + (((pa >>> 0) | (iova >>> 0)) >>> 0);
}

/** Shows every table, parents first, in address order. */
export function visitTables(core: LpaeCore, visit: TableVisitor): void {
  visitTable(core, core.pgd, core.startLevel, 0, visit, null);
}

/** Shows every leaf in address order. */
export function visitLeaves(core: LpaeCore, visit: LeafVisitor): void {
  visitTable(core, core.pgd, core.startLevel, 0, null, visit);
}

function visitTable(
  core: LpaeCore,
  table: number,
  level: number,
  start: number,
  onTable: TableVisitor | null,
  onLeaf: LeafVisitor | null,
): void {
  const entries = (core.indexMasks[level] as number) + 1;
  const size = core.blockSizes[level] as number;
  onTable?.(table, level, 8 * entries, start);
  if (onLeaf === null && level === core.geometry.lastLevel) return;
  for (let index = 0; index < entries; index++) {
    const at = core.memory.index(table + 8 * index);
    const low = core.memory.words[at] as number;
    const high = core.memory.words[at + 1] as number;
    const iova = start + index * size;
    if (core.isLeaf(low, level)) {
      onLeaf?.(iova, core.tableAddress(low, high), size, level, low, high, table + 8 * index);
    } else if ((low & 3) === LpaeType.TABLE_OR_PAGE) {
      visitTable(core, core.tableAddress(low, high), level + 1, iova, onTable, onLeaf);
    }
  }
}
