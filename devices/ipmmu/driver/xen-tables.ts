/**
 * Tables of Xen's IPMMU driver, and how they are freed. Xen must not be kept for long: freeing a large tree at once could keep a
 * processor for more than a scheduler allows (patch "Split page table deallocation sequence", July 2017). So only the first level goes
 * with its guest; the tables below wait in one list for all guests, each with its level, and are freed from outside in chunks, with
 * other work in between. Tables that an unmap frees go at once.
 */
import {
  allocIoPgtable,
  type IoPgtable,
  type Machine,
  Quirk,
  type StageOneRegisters,
  TeardownQueue,
} from '../../../formats/index.ts';
import type { DomainConfig } from '../../iommu.ts';

/** What a guest's tables are like. */
export interface XenTableFormat {
  readonly format: 'ARM_64_LPAE_S1' | 'ARM_32_LPAE_S1';
  readonly ias: number;
  readonly oas: number;
}

/** The tables of one guest, as the driver needs them. */
export interface XenTables {
  /** Address of the first level. */
  readonly base: number;
  /** The software that edits them; null where somebody else does. */
  readonly table: IoPgtable | null;
  /** Who flushes the TLB when a table has gone away. */
  onFlush(flush: () => void): void;
  /** Begins to free them. */
  free(): void;
}

/** Where tables come from. */
export interface XenTableSource {
  create(format: XenTableFormat): XenTables;
}

/** 4 KiB granule. */
const PAGE_SIZES = 0x4000_0000 + 0x20_0000 + 0x1000;

/** A guest's tables in the memory of a machine. */
class XenGuestTables implements XenTables {
  readonly table: IoPgtable;
  #flush: () => void = () => {};
  readonly #pool: XenTablePool;

  constructor(pool: XenTablePool, machine: Machine, { format, ias, oas }: XenTableFormat, asked: DomainConfig) {
    this.#pool = pool;
    const flush = (): void => this.#flush();
    const none = (): void => {};
    const tlb = { flushAll: flush, flushWalk: flush, addPage: none, addPages: none };
    this.table = allocIoPgtable(
      { pageSizes: PAGE_SIZES, ias, oas, quirks: Quirk.ARM_NS, ...asked, format, coherentWalk: false, tlb },
      machine,
      this,
    );
  }

  get base(): number {
    return (this.table.registers as StageOneRegisters).ttbr;
  }

  onFlush(flush: () => void): void {
    this.#flush = flush;
  }

  free(): void {
    this.#pool.close(this);
  }
}

/** The tables of all guests, and the list of those that wait to be freed. */
export class XenTablePool implements XenTableSource {
  /** Tables that wait to be freed, as far as they were found. */
  readonly waiting = new TeardownQueue();
  /** Tables of guests that are gone, and not freed yet: counted by allocation and free, so that 0 proves that none is lost. */
  get left(): number {
    return this.#closing.reduce((sum, tables) => sum + tables.table.liveTables, 0);
  }
  /** What the tables made from here on are otherwise than the driver has them. */
  asked: DomainConfig = {};
  readonly #machine: Machine;
  #closing: XenGuestTables[] = [];

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  create(format: XenTableFormat): XenGuestTables {
    return new XenGuestTables(this, this.#machine, format, this.asked);
  }

  /** The guest of these tables is gone: the TLB is flushed (if its context is still there) and the first level freed. */
  close(tables: XenGuestTables): void {
    this.#closing.push(tables);
    tables.table.teardownInto(this.waiting);
    this.#forget();
  }

  /** One chunk: frees at most `budget` tables. @returns whether more wait. */
  step(budget: number): boolean {
    this.waiting.step(budget);
    this.#forget();
    return this.waiting.pending > 0;
  }

  /** A guest's tables are forgotten when the last one is freed. */
  #forget(): void {
    this.#closing = this.#closing.filter(({ table }) => table.liveTables > 0);
  }
}
