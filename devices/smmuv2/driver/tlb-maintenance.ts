import { type IotlbGather, type TlbFlushOps, TWO_32 } from '../../../formats/index.ts';
import type { RegisterPort } from '../../registers/index.ts';
import { BANK, GR0, type RegisterPages, TLB_STATUS } from '../spec/index.ts';
import type { DomainContext } from './domain.ts';

/** What is written to a register whose value does not matter (Linux `QCOM_DUMMY_VAL`: zero upsets a hypervisor). */
export const ANY_VALUE = 0xffff_ffff;
/** A sync is read this often between two delays, which begin at 1 us and double up to the limit (Linux `TLB_SPIN_COUNT`, `TLB_LOOP_TIMEOUT`). */
const SPINS = 10;
const LONGEST_DELAY = 1_000_000;
/** Pages are counted in units of 4 KiB, whatever the granule. */
const PAGE_SHIFT = 12;
const PAGE = 2 ** PAGE_SHIFT;

/** Counts since the driver was made. */
export interface MaintenanceCounters {
  /** Invalidations of one address. */
  byAddress: number;
  /** Invalidations of a whole ASID or VMID. */
  byTag: number;
  syncs: number;
  /** Syncs that were given up after about a second. */
  timeouts: number;
}

/**
 * The TLB maintenance of Linux's arm-smmu: its `iommu_flush_ops` for stage 1, stage 2 and stage 2 of an SMMUv1, as register
 * accesses. What a sync does not bring in time is reported and left at that, as Linux does.
 */
export class TlbMaintenance implements TlbFlushOps {
  readonly counters: MaintenanceCounters = { byAddress: 0, byTag: 0, syncs: 0, timeouts: 0 };
  readonly #port: RegisterPort;
  readonly #pages: RegisterPages;
  readonly #v1: boolean;
  readonly #timedOut: () => void;

  /** @param timedOut told of a sync that did not end */
  constructor(port: RegisterPort, pages: RegisterPages, version: 1 | 2, timedOut: () => void) {
    this.#port = port;
    this.#pages = pages;
    this.#v1 = version === 1;
    this.#timedOut = timedOut;
  }

  // What io-pgtable calls. The cookie is the holder of the context, since the table exists before it.

  flushAll(cookie: unknown): void {
    this.all(contextOf(cookie));
  }

  flushWalk(iova: number, size: number, granule: number, cookie: unknown): void {
    const context = contextOf(cookie);
    this.walk(context, iova, context.upper, size, granule);
  }

  addPage(_gather: IotlbGather | null, iova: number, granule: number, cookie: unknown): void {
    const context = contextOf(cookie);
    this.page(context, iova, context.upper, granule);
  }

  addPages(_gather: IotlbGather | null, iova: number, granule: number, count: number, cookie: unknown): void {
    const context = contextOf(cookie);
    for (let i = 0; i < count; i++) this.page(context, iova + i * granule, context.upper, granule);
  }

  /** Drops everything of a domain, and waits. */
  all(context: DomainContext): void {
    this.counters.byTag++;
    if (context.stage === 1) {
      this.#port.write32(this.#pages.bank(context.bank) + BANK.TLBIASID.offset, context.tag);
      this.#syncBank(context.bank);
      return;
    }
    this.#port.write32(GR0.TLBIVMID.offset, context.tag);
    this.syncGlobal();
  }

  /**
   * Drops the tables and leaves of a range, and waits.
   * @param upper the address has all bits above the input size set
   */
  walk(context: DomainContext, iova: number, upper: boolean, size: number, granule: number): void {
    if (context.stage === 2 && this.#v1) {
      this.all(context);
      return;
    }
    const register = context.stage === 1 ? BANK.TLBIVA : BANK.TLBIIPAS2;
    this.#addresses(context, register.offset, iova, upper, size, granule);
    this.#syncBank(context.bank);
  }

  /** Drops the leaf of one page, and does not wait. */
  page(context: DomainContext, iova: number, upper: boolean, granule: number): void {
    if (context.stage === 2 && this.#v1) {
      // An SMMUv1 cannot drop a single address of a stage 2.
      this.counters.byTag++;
      this.#port.write32(GR0.TLBIVMID.offset, context.tag);
      return;
    }
    const register = context.stage === 1 ? BANK.TLBIVAL : BANK.TLBIIPAS2L;
    this.#addresses(context, register.offset, iova, upper, granule, granule);
  }

  /** Waits for what {@link page} began. */
  sync(context: DomainContext): void {
    if (this.#v1 && context.stage === 2) this.syncGlobal();
    else this.#syncBank(context.bank);
  }

  /** Waits for all maintenance. */
  syncGlobal(): void {
    this.#sync(GR0.sTLBGSYNC.offset, GR0.sTLBGSTATUS.offset);
  }

  #syncBank(bank: number): void {
    const at = this.#pages.bank(bank);
    this.#sync(at + BANK.TLBSYNC.offset, at + BANK.TLBSTATUS.offset);
  }

  #sync(command: number, status: number): void {
    const port = this.#port;
    this.counters.syncs++;
    port.write32(command, ANY_VALUE);
    for (let delay = 1; delay < LONGEST_DELAY; delay *= 2) {
      for (let spin = 0; spin < SPINS; spin++) {
        if ((port.read32(status) & TLB_STATUS.ACTIVE.lowMask) === 0) return;
      }
      port.delay(delay);
    }
    this.counters.timeouts++;
    this.#timedOut();
  }

  /** One write per granule of the range. */
  #addresses(
    context: DomainContext,
    register: number,
    iova: number,
    upper: boolean,
    size: number,
    granule: number,
  ): void {
    const port = this.#port;
    const offset = this.#pages.bank(context.bank) + register;
    const { aarch64, stage, tag } = context;
    const asid = stage === 1 ? tag : 0;
    // A range ends with its last begun granule, and has one even if it is empty.
    const count = Math.max(Math.ceil(size / granule), 1);
    this.counters.byAddress += count;
    if (!aarch64 && stage === 1) {
      // The page keeps its place in the word, and the ASID stands below it.
      const first = ((iova - (iova % PAGE)) | asid) >>> 0;
      for (let i = 0; i < count; i++) port.write32(offset, (first + i * granule) >>> 0);
      return;
    }
    let page = Math.floor(iova / PAGE);
    // The sign bits of an upper-half address are part of its page number, and the ASID is merged into them.
    if (upper) page += 2 ** (64 - PAGE_SHIFT) - 2 ** (context.table.config.ias - PAGE_SHIFT);
    const step = granule / PAGE;
    const above = (asid << 16) >>> 0;
    for (let i = 0; i < count; i++, page += step) {
      if (aarch64) port.write64(offset, page >>> 0, (Math.floor(page / TWO_32) | above) >>> 0);
      else port.write32(offset, page >>> 0);
    }
  }
}

/** Whoever holds a context that is made after its table. */
export interface ContextHolder {
  context: DomainContext | null;
}

function contextOf(cookie: unknown): DomainContext {
  const { context } = cookie as ContextHolder;
  if (context === null) throw new Error('a table without a context bank');
  return context;
}
