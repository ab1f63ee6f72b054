/** Showing the tables and leaves of a tree to whoever asks. */
import { LpaeType } from '../descriptors/index.ts';
import type { LeafVisitor, TableVisitor } from '../table/index.ts';
import type { LpaeCore } from './core.ts';

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
