import type { TableAllocator } from '../../../formats/index.ts';
import type { TableWatch } from './table-watch.ts';

/** An allocator of tables whose coming and going `watch` sees. */
export function watchedTables(watch: TableWatch, inner: TableAllocator): TableAllocator {
  return {
    alloc: (cookie, size, gfp) => {
      const pa = inner.alloc(cookie, size, gfp);
      if (pa >= 0) watch.allocated(pa, size);
      return pa;
    },
    free: (cookie, pa, size) => {
      watch.freed(pa);
      inner.free(cookie, pa, size);
    },
  };
}

/** An allocator of other things from the same memory: what it gives out is no table any more. */
export function watchedOthers(watch: TableWatch, inner: TableAllocator): TableAllocator {
  return {
    alloc: (cookie, size, gfp) => {
      const pa = inner.alloc(cookie, size, gfp);
      if (pa >= 0) watch.tables.takenForOther(pa, size);
      return pa;
    },
    free: (cookie, pa, size) => inner.free(cookie, pa, size),
  };
}
