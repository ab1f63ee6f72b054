import { Gfp, NO_PAGES, type TableAllocator } from '../../../../../formats/index.ts';

/**
 * Tables set aside for one operation (`panthor_vm_op_ctx`): taken from an allocator before the operation is queued, given out while it
 * runs, and the rest given back after it.
 */
export class ReservedTables implements TableAllocator {
  /** Tables that were set aside, given out, and given back, in all. */
  reserved = 0;
  used = 0;
  returned = 0;
  readonly #below: TableAllocator;
  readonly #stock: number[] = [];
  #cookie: unknown = null;
  #size = 0;

  constructor(below: TableAllocator) {
    this.#below = below;
  }

  /** Sets `count` tables of `size` bytes aside. @returns false without the memory: then none is. */
  reserve(cookie: unknown, size: number, count: number): boolean {
    this.#cookie = cookie;
    this.#size = size;
    while (this.#stock.length < count) {
      const pa = this.#below.alloc(cookie, size, Gfp.KERNEL | Gfp.ZERO);
      if (pa === NO_PAGES) {
        this.#giveBack();
        return false;
      }
      this.#stock.push(pa);
    }
    this.reserved += count;
    return true;
  }

  /** The operation is over. @returns how many tables it did not need */
  release(): number {
    const left = this.#giveBack();
    this.returned += left;
    return left;
  }

  /** A table out of what was set aside; the first level of a VM, for which nothing is, comes from below. */
  alloc(cookie: unknown, size: number, gfp: number): number {
    const pa = this.#stock.pop();
    if (pa === undefined) return this.#below.alloc(cookie, size, gfp);
    this.used++;
    return pa;
  }

  free(cookie: unknown, pa: number, size: number): void {
    this.#below.free(cookie, pa, size);
  }

  #giveBack(): number {
    const left = this.#stock.length;
    for (const pa of this.#stock) this.#below.free(this.#cookie, pa, this.#size);
    this.#stock.length = 0;
    return left;
  }
}
