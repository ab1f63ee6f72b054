import { Errno, type IoPgtable, type IotlbGather, PageCutter } from '../../../formats/index.ts';

/** Edits whole ranges of a table, run of equal pages by run, as a GPU driver does. */
export class RangeEditor {
  readonly table: IoPgtable;
  readonly #cutter: PageCutter;
  #unmapped = 0;

  constructor(table: IoPgtable) {
    this.table = table;
    this.#cutter = new PageCutter(table.config.pageSizes);
  }

  /** Smallest page in bytes: every address and size must be a multiple of it. */
  get smallest(): number {
    return this.#cutter.smallest;
  }

  /** Bytes that the last {@link unmap} removed. */
  get unmapped(): number {
    return this.#unmapped;
  }

  /**
   * Maps `[iova, iova + size)` to `pa`; after an error nothing of it is mapped.
   * @returns 0 or a negative error number.
   */
  map(iova: number, pa: number, size: number, prot: number, gfp: number, gather: IotlbGather | null = null): number {
    const cutter = this.#cutter;
    const { table } = this;
    for (let done = 0; done < size; ) {
      cutter.choose(iova + done, pa + done, size - done);
      const result = table.mapPages(iova + done, pa + done, cutter.pageSize, cutter.count, prot, gfp);
      done += table.mapped;
      if (result === 0 && table.mapped > 0) continue;
      if (done > 0) this.unmap(iova, done, gather);
      // No progress and no error either: nothing fits the sizes of this table.
      return result === 0 ? -Errno.EINVAL : result;
    }
    return 0;
  }

  /**
   * Unmaps `[iova, iova + size)`, which must be mapped.
   * @returns true when all of it went; {@link unmapped} says how much did.
   */
  unmap(iova: number, size: number, gather: IotlbGather | null): boolean {
    const cutter = this.#cutter;
    let done = 0;
    while (done < size) {
      cutter.choose(iova + done, iova + done, size - done);
      const bytes = this.table.unmapPages(iova + done, cutter.pageSize, cutter.count, gather);
      if (bytes <= 0) break;
      done += bytes;
    }
    this.#unmapped = done;
    return done >= size;
  }
}
