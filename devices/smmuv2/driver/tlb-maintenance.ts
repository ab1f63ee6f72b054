import { type IotlbGather, type TlbFlushOps, TWO_32 } from '../../../formats/index.ts';
import { NO_LOCK, newStep, type StepListener } from '../../cpus/index.ts';
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
/** Number of `global_sync_lock` among the locks; those of the banks (`cb_lock`) have theirs. */
const GLOBAL_LOCK = 2 ** 16;
const PAGE = 2 ** PAGE_SHIFT;

/** Registers that are written to drop something. */
const COMMANDS = ['TLBIVA', 'TLBIVAL', 'TLBIASID', 'TLBIIPAS2', 'TLBIIPAS2L', 'TLBIVMID'] as const;
type Command = (typeof COMMANDS)[number];

/** Counts since the driver was made. */
export interface MaintenanceCounters {
  /** Pages dropped one by one, ranges dropped because a table went away, whole address spaces. */
  pages: number;
  walks: number;
  all: number;
  /** Writes by register. */
  readonly writes: Record<Command, number>;
  syncs: number;
  /** Syncs that were given up after about a second. */
  timeouts: number;
  /** Cycles of the driver's clock for all this, and the part of them that syncs waited. */
  cycles: number;
  waitCycles: number;
}

/** Where the time is read that accesses and delays take. */
export interface MaintenanceClock {
  readonly now: number;
  /** Cycle up to which the TLBs are busy with maintenance, where that is known. */
  readonly maintenanceBusy?: number;
}

/** What goes otherwise than in the plain driver. */
export interface MaintenanceOptions {
  readonly version: 1 | 2;
  /** A table that went away has the whole ASID dropped, as Qualcomm's variant does since 5.14. */
  readonly walkByAsid: boolean;
  readonly clock: MaintenanceClock;
  /** Told of a sync that did not end. */
  readonly timedOut: () => void;
}

/**
 * The TLB maintenance of Linux's arm-smmu: its `iommu_flush_ops` for stage 1, stage 2 and stage 2 of an SMMUv1, as register
 * accesses. What a sync does not bring in time is reported and left at that, as Linux does.
 */
export class TlbMaintenance implements TlbFlushOps {
  readonly counters: MaintenanceCounters = {
    pages: 0,
    walks: 0,
    all: 0,
    writes: { TLBIVA: 0, TLBIVAL: 0, TLBIASID: 0, TLBIIPAS2: 0, TLBIIPAS2L: 0, TLBIVMID: 0 },
    syncs: 0,
    timeouts: 0,
    cycles: 0,
    waitCycles: 0,
  };
  /** Told of each series of writes and each sync, once it is over. */
  onStep: StepListener | null = null;
  readonly #step = newStep();
  readonly #port: RegisterPort;
  readonly #pages: RegisterPages;
  readonly #options: MaintenanceOptions;
  readonly #v1: boolean;

  constructor(port: RegisterPort, pages: RegisterPages, options: MaintenanceOptions) {
    this.#port = port;
    this.#pages = pages;
    this.#options = options;
    this.#v1 = options.version === 1;
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
    this.leaves(context, iova, context.upper, granule, granule);
  }

  addPages(_gather: IotlbGather | null, iova: number, granule: number, count: number, cookie: unknown): void {
    const context = contextOf(cookie);
    this.leaves(context, iova, context.upper, granule * count, granule);
  }

  /** Drops everything of a domain, and waits. */
  all(context: DomainContext): void {
    const begin = this.#options.clock.now;
    this.counters.all++;
    this.#tag(context);
    this.counters.cycles += this.#options.clock.now - begin;
  }

  /**
   * Drops the tables and leaves of a range, and waits.
   * @param upper the address has all bits above the input size set
   */
  walk(context: DomainContext, iova: number, upper: boolean, size: number, granule: number): void {
    const begin = this.#options.clock.now;
    this.counters.walks++;
    if (context.stage === 2 ? this.#v1 : this.#options.walkByAsid) this.#tag(context);
    else {
      this.#addresses(context, context.stage === 1 ? 'TLBIVA' : 'TLBIIPAS2', iova, upper, size, granule);
      this.#syncBank(context.bank);
    }
    this.counters.cycles += this.#options.clock.now - begin;
  }

  /** Drops the leaves of a range of pages, and does not wait. */
  leaves(context: DomainContext, iova: number, upper: boolean, size: number, granule: number): void {
    const begin = this.#options.clock.now;
    this.counters.pages += size / granule;
    if (context.stage === 2 && this.#v1) {
      // An SMMUv1 cannot drop a single address of a stage 2: each page costs the whole VMID.
      for (let done = 0; done < size; done += granule) this.#dropVmid(context);
    } else this.#addresses(context, context.stage === 1 ? 'TLBIVAL' : 'TLBIIPAS2L', iova, upper, size, granule);
    this.counters.cycles += this.#options.clock.now - begin;
  }

  /** Waits for what {@link leaves} began. */
  sync(context: DomainContext): void {
    const begin = this.#options.clock.now;
    if (this.#v1 && context.stage === 2) this.syncGlobal();
    else this.#syncBank(context.bank);
    this.counters.cycles += this.#options.clock.now - begin;
  }

  #tag(context: DomainContext): void {
    if (context.stage === 1) {
      const { now: from, maintenanceBusy: busy = from } = this.#options.clock;
      this.counters.writes.TLBIASID++;
      this.#port.write32(this.#pages.bank(context.bank) + BANK.TLBIASID.offset, context.tag);
      this.#wrote(from, busy);
      this.#syncBank(context.bank);
      return;
    }
    this.#dropVmid(context);
    this.syncGlobal();
  }

  #dropVmid({ tag }: DomainContext): void {
    const { now: from, maintenanceBusy: busy = from } = this.#options.clock;
    this.counters.writes.TLBIVMID++;
    this.#port.write32(GR0.TLBIVMID.offset, tag);
    this.#wrote(from, busy);
  }

  /** Waits for all maintenance. */
  syncGlobal(): void {
    this.#sync(GLOBAL_LOCK, GR0.sTLBGSYNC.offset, GR0.sTLBGSTATUS.offset);
  }

  #syncBank(bank: number): void {
    const at = this.#pages.bank(bank);
    this.#sync(bank, at + BANK.TLBSYNC.offset, at + BANK.TLBSTATUS.offset);
  }

  #sync(lock: number, command: number, status: number): void {
    const { clock } = this.#options;
    const step = this.#step;
    const from = clock.now;
    const busy = clock.maintenanceBusy ?? from;
    this.counters.syncs++;
    this.#port.write32(command, ANY_VALUE);
    const begin = clock.now;
    step.sync = true;
    step.lock = lock;
    step.work = begin - from;
    step.before = busy - begin;
    step.after = (clock.maintenanceBusy ?? begin) - begin;
    const done = this.#poll(status);
    step.waited = clock.now - begin;
    this.counters.waitCycles += step.waited;
    this.onStep?.(step);
    if (done) return;
    this.counters.timeouts++;
    this.#options.timedOut();
  }

  #poll(status: number): boolean {
    const port = this.#port;
    for (let delay = 1; delay < LONGEST_DELAY; delay *= 2) {
      for (let spin = 0; spin < SPINS; spin++) {
        if ((port.read32(status) & TLB_STATUS.ACTIVE.lowMask) === 0) return true;
      }
      port.delay(delay);
    }
    return false;
  }

  /** One write per granule of the range. */
  #addresses(
    context: DomainContext,
    name: Exclude<Command, 'TLBIASID' | 'TLBIVMID'>,
    iova: number,
    upper: boolean,
    size: number,
    granule: number,
  ): void {
    const { now: from, maintenanceBusy: busy = from } = this.#options.clock;
    this.#writeAddresses(context, name, iova, upper, size, granule);
    this.#wrote(from, busy);
  }

  /** Registers were written since `from`, when the TLBs were busy until `busy`: any CPU may do that at any time. */
  #wrote(from: number, busy: number): void {
    if (this.onStep === null) return;
    const { now, maintenanceBusy = now } = this.#options.clock;
    const step = this.#step;
    step.sync = false;
    step.lock = NO_LOCK;
    step.work = now - from;
    step.before = busy - now;
    step.after = maintenanceBusy - now;
    step.waited = 0;
    this.onStep(step);
  }

  #writeAddresses(
    context: DomainContext,
    name: Exclude<Command, 'TLBIASID' | 'TLBIVMID'>,
    iova: number,
    upper: boolean,
    size: number,
    granule: number,
  ): void {
    const port = this.#port;
    const offset = this.#pages.bank(context.bank) + BANK[name].offset;
    const { aarch64, stage, tag } = context;
    const asid = stage === 1 ? tag : 0;
    // A range ends with its last begun granule, and has one even if it is empty.
    const count = Math.max(Math.ceil(size / granule), 1);
    this.counters.writes[name] += count;
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
