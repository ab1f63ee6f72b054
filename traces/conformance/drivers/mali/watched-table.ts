/** A table that tells what is asked of it. */
import type { EditedTable } from '../../../../devices/index.ts';
import type { IotlbGather, Registers } from '../../../../formats/index.ts';

/** Is told each call of io-pgtable once it has returned: what was asked, then what came out. */
export interface TableObserver {
  mapped(iova: number, pa: number, pageSize: number, count: number, prot: number, mapped: number, ret: number): void;
  unmapped(iova: number, pageSize: number, count: number, unmapped: number): void;
}

/** Passes everything on to a table. */
export class WatchedTable implements EditedTable {
  readonly #table: EditedTable;
  readonly #observer: TableObserver;

  constructor(table: EditedTable, observer: TableObserver) {
    this.#table = table;
    this.#observer = observer;
  }

  get registers(): Registers {
    return this.#table.registers;
  }

  get mapped(): number {
    return this.#table.mapped;
  }

  mapPages(iova: number, pa: number, pageSize: number, count: number, prot: number, gfp: number): number {
    const ret = this.#table.mapPages(iova, pa, pageSize, count, prot, gfp);
    this.#observer.mapped(iova, pa, pageSize, count, prot, this.#table.mapped, ret);
    return ret;
  }

  unmapPages(iova: number, pageSize: number, count: number, gather: IotlbGather | null): number {
    const unmapped = this.#table.unmapPages(iova, pageSize, count, gather);
    this.#observer.unmapped(iova, pageSize, count, unmapped);
    return unmapped;
  }

  iovaToPhys(iova: number): number {
    return this.#table.iovaToPhys(iova);
  }

  free(): void {
    this.#table.free();
  }
}
