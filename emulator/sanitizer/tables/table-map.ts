import type { TableMemory } from '../../../formats/index.ts';

/** Memory as its owner sees it, with a way to look without creating anything: physical memory, or the CPU's cache before it. */
export interface ViewedMemory extends TableMemory {
  /** Index into `words` of the word at `pa`, or -1 when nothing was ever stored near it. */
  peek(pa: number): number;
}

/** What a page of memory is, as far as tables go. */
export const PageUse = {
  /** No table ever, or something else by now. */
  OTHER: 0,
  /** A table, or a part of a larger one. */
  TABLE: 1,
  /** It was a table, was freed, and was not handed out again. */
  FREED: 2,
} as const;

/** Words of a page of 4 KiB, as a shift. */
export const PAGE_WORDS_SHIFT = 10;
const PAGE_BYTES = 4096;

/**
 * What every 4 KiB page of table memory is: whether it is a table now, of which address space, at which level, what it covers,
 * and where the entry is that leads to it. Tables larger than 4 KiB are several pages. Flat arrays by the page's place in the
 * memory's `words`, so that looking at a page that is no table costs two array reads.
 */
export class TableMap {
  readonly memory: ViewedMemory;
  use = new Uint8Array(0);
  /** Level of the table, -1 while no entry leads to it. */
  level = new Int8Array(0);
  /** Address space it is linked into, -1 for none. */
  space = new Int32Array(0);
  /** First input address that the page covers. */
  iova = new Float64Array(0);
  /** Physical address of the entry that leads to the table; -1 for a root. */
  parent = new Float64Array(0);
  /** Operations that allocated it and freed it last. */
  allocatedBy = new Float64Array(0);
  freedBy = new Float64Array(0);
  /** Bytes of the table, at its first page. */
  size = new Float64Array(0);

  /** @param memory as the CPU that edits tables sees it */
  constructor(memory: ViewedMemory) {
    this.memory = memory;
  }

  /** Number of the page at `pa`, or -1 where nothing was ever stored. */
  pageOf(pa: number): number {
    const at = this.memory.peek(pa);
    return at < 0 ? -1 : at >>> PAGE_WORDS_SHIFT;
  }

  /**
   * `[pa, pa + size)` is a table, linked nowhere yet. Small first-level tables that share a page are not followed: a page is one
   * table here.
   */
  allocated(pa: number, size: number, operation: number): void {
    const shared = this.pageOf(pa);
    if (size < PAGE_BYTES && (pa % PAGE_BYTES !== 0 || this.use[shared] === PageUse.TABLE)) {
      this.takenForOther(pa - (pa % PAGE_BYTES), PAGE_BYTES);
      return;
    }
    for (let at = pa; at < pa + size; at += PAGE_BYTES) {
      const page = this.memory.index(at) >>> PAGE_WORDS_SHIFT;
      if (page >= this.use.length) this.#grow(page);
      this.use[page] = PageUse.TABLE;
      this.level[page] = -1;
      this.space[page] = -1;
      this.parent[page] = -1;
      this.allocatedBy[page] = operation;
      this.size[page] = at === pa ? size : 0;
    }
  }

  /** Number of the address space whose first-level table a table of `size` bytes at `pa` will share a page with; -1 for none. */
  sharer(pa: number, size: number): number {
    const page = this.pageOf(pa);
    return size < PAGE_BYTES && this.use[page] === PageUse.TABLE ? (this.space[page] as number) : -1;
  }

  /** Nothing is known any more of where the tables of an address space stand. */
  unlinked(space: number): void {
    for (let page = 0; page < this.space.length; page++) {
      if (this.space[page] !== space) continue;
      this.level[page] = -1;
      this.space[page] = -1;
    }
  }

  /** The table at `pa` was given back by `operation`. What it covered stays known. */
  freed(pa: number, operation: number): void {
    this.#each(pa, this.size[this.pageOf(pa)] ?? 0, (page) => {
      this.use[page] = PageUse.FREED;
      this.freedBy[page] = operation;
    });
  }

  /** `[pa, pa + size)` is used for something that is no table. */
  takenForOther(pa: number, size: number): void {
    this.#each(pa, size, (page) => {
      this.use[page] = PageUse.OTHER;
    });
  }

  /** An entry at `parent` (-1 for a root) leads to the table at `pa`, whose pages cover `pageSpan` bytes each. */
  linked(pa: number, size: number, space: number, level: number, iova: number, pageSpan: number, parent: number): void {
    let covered = iova;
    this.#each(pa, size, (page) => {
      this.space[page] = space;
      this.level[page] = level;
      this.iova[page] = covered;
      this.parent[page] = parent;
      covered += pageSpan;
    });
  }

  #each(pa: number, size: number, visit: (page: number) => void): void {
    for (let at = pa; at < pa + size; at += PAGE_BYTES) {
      const page = this.pageOf(at);
      if (page >= 0 && page < this.use.length) visit(page);
    }
  }

  #grow(page: number): void {
    const length = Math.max(64, 2 * this.use.length, page + 1);
    const use = new Uint8Array(length);
    use.set(this.use);
    this.use = use;
    const level = new Int8Array(length).fill(-1);
    level.set(this.level);
    this.level = level;
    const space = new Int32Array(length).fill(-1);
    space.set(this.space);
    this.space = space;
    const grow = (old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(length);
      larger.set(old);
      return larger;
    };
    this.iova = grow(this.iova);
    this.parent = grow(this.parent);
    this.allocatedBy = grow(this.allocatedBy);
    this.freedBy = grow(this.freedBy);
    this.size = grow(this.size);
  }
}
