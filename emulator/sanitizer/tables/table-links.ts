import { isTable, VALID } from './descriptor-rules.ts';
import type { LastValues } from './last-values.ts';
import { PAGE_WORDS_SHIFT, PageUse, type TableMap, type ViewedMemory } from './table-map.ts';
import type { WatchedSpace } from './watched-space.ts';

/** First input address that the entry at a place in memory covers. */
export function coveredFrom(tables: TableMap, page: number, at: number, span: number): number {
  return (tables.iova[page] as number) + ((at & (2 ** PAGE_WORDS_SHIFT - 1)) >>> 1) * span;
}

/** Which entry leads to which table: what the tables of an address space know of their place, and whether a walk still comes there. */
export class TableLinks {
  readonly #memory: ViewedMemory;
  readonly #tables: TableMap;
  readonly #last: LastValues;

  constructor(memory: ViewedMemory, tables: TableMap, last: LastValues) {
    this.#memory = memory;
    this.#tables = tables;
    this.#last = last;
  }

  /**
   * An entry leads to a table now: the table, and tables below that were linked before it, get to know their place.
   *
   * @param at place of the entry @param pa its address
   */
  link(space: WatchedSpace, page: number, level: number, at: number, pa: number): void {
    const tables = this.#tables;
    const iova = coveredFrom(tables, page, at, space.spans[level] as number);
    const table = this.#last.addressOf(at, space);
    const first = this.#memory.peek(table);
    if (first < 0 || tables.use[first >>> PAGE_WORDS_SHIFT] !== PageUse.TABLE) return;
    const size = 2 ** space.geometry.granuleShift;
    tables.linked(table, size, space.number, level + 1, iova, space.pageSpan(level + 1), pa);
    for (let entry = 0; entry < size / 4; entry += 2) {
      if (isTable(this.#last.words[first + entry] as number, level + 1)) {
        this.link(space, (first + entry) >>> PAGE_WORDS_SHIFT, level + 1, first + entry, table + 4 * entry);
      }
    }
  }

  /** Whether valid entries lead from the root of the space to a table. @param from a page of it */
  reachable(from: number, space: WatchedSpace): boolean {
    const tables = this.#tables;
    let page = from;
    for (let steps = 0; steps < 4; steps++) {
      const parent = tables.parent[page] as number;
      if (parent < 0) return tables.level[page] === space.geometry.startLevel;
      const at = this.#memory.peek(parent);
      const above = at >>> PAGE_WORDS_SHIFT;
      if (at < 0 || tables.use[above] !== PageUse.TABLE) return false;
      if (((this.#last.words[at] as number) & VALID) === 0) return false;
      if (tables.pageOf(this.#last.addressOf(at, space)) !== page) return false;
      page = above;
    }
    return false;
  }
}
