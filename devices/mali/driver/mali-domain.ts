import type { IoPgtable, PageCutter } from '../../../formats/index.ts';
import type { IommuDomain } from '../../iommu.ts';

/** Tags of domains that have no address space of the hardware: above every number of one. */
const FIRST_PARKED_TAG = 0x1000;

/** An address space of a Mali driver, with what a machine needs to know of it. `Context` is the driver's own. */
export class MaliDomain<Context extends { readonly slot: number } = { readonly slot: number }> implements IommuDomain {
  readonly table: IoPgtable;
  readonly context: Context;
  readonly vmid = 0;
  readonly upper = false;
  readonly cutter: PageCutter;
  mapped = 0;
  /** Number of the address space that the TLBs know it under; of a domain without one, a number that no address space has. */
  asid: number;
  /** Names of the masters that use it. */
  readonly streams = new Set<number>();
  readonly #parkedTag: number;

  constructor(table: IoPgtable, context: Context, cutter: PageCutter, index: number) {
    this.table = table;
    this.context = context;
    this.cutter = cutter;
    this.#parkedTag = FIRST_PARKED_TAG + index;
    this.asid = this.#parkedTag;
  }

  get parked(): boolean {
    return this.context.slot < 0;
  }

  /** Follows the context to or from an address space. @returns whether the tag changed */
  retag(): boolean {
    const tag = this.context.slot < 0 ? this.#parkedTag : this.context.slot;
    const changed = tag !== this.asid;
    this.asid = tag;
    return changed;
  }
}
