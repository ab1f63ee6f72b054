import {
  allocIoPgtable,
  Errno,
  Gfp,
  type IoPgtable,
  type IotlbGather,
  type Machine,
  Quirk,
  Shareability,
  type StageOneRegisters,
  type TlbFlushOps,
  WalkCacheability,
} from '../../../formats/index.ts';
import type { DomainConfig } from '../../iommu.ts';
import { type PollKernel, RegisterPoll, type RegisterPort } from '../../registers/index.ts';
import { type ContextRegister, Imctr, type IpmmuGeneration, tableControl } from '../spec/index.ts';
import { clearBusAndStatus, describeFault, resetContexts, takeFault, withFlush, writeTableBase0 } from './context.ts';
import { ContextPool } from './contexts.ts';
import { IpmmuUnit, NO_CONTEXT } from './unit.ts';

/** 32-bit input, 40-bit output (LPAE); the sizes of its leaves are those of a 4 KiB granule. */
const INPUT_BITS = 32;
const OUTPUT_BITS = 40;
const PAGE_SIZES = 0x4000_0000 + 0x20_0000 + 0x1000;

/** Microseconds between looks at IMCTR.FLUSH, and until the driver gives up. */
const FLUSH_POLL = 1;
const FLUSH_TIMEOUT = 100;

/** Contexts that are never used: context 0 of an IPMMU with leaves. */
const RESERVED_CONTEXTS = 1;

/** Answers a fault: 0 when it dealt with it, else a negative error number. `flags` is 0: the IPMMU does not tell reads from writes. */
export type FaultHandler = (iova: number, flags: number) => number;

/** An address space: a table, and from the first attachment on a context. */
export interface LinuxIpmmuDomain {
  /** Null before the first attachment and after the domain is freed. */
  table: IoPgtable | null;
  /** Context of the root, -1 for none. */
  context: number;
  /** The IPMMU whose masters use it: a domain cannot span several. Null before the first attachment. */
  unit: IpmmuUnit | null;
  /** Who is asked about faults; null: nobody. */
  handler: FaultHandler | null;
  readonly asked: DomainConfig;
  readonly tlb: TlbFlushOps;
}

/** A bus master: the micro-TLBs of one IPMMU that its accesses go through, and the domain it uses. */
export interface IpmmuMaster {
  readonly unit: IpmmuUnit;
  readonly microTlbs: readonly number[];
  domain: LinuxIpmmuDomain | null;
}

export interface LinuxIpmmuParts {
  readonly port: RegisterPort;
  readonly generation: IpmmuGeneration;
  /** Default 7.3. Both make the same accesses, but for the last look at a flush that never ends. */
  readonly kernel?: PollKernel;
  /** Offset of each leaf's registers in the port; the root's are at 0. */
  readonly leafBases?: readonly number[];
  /** What the tables live in. */
  readonly machine: Machine;
  /** Takes what Linux would print as an error. */
  readonly log?: (message: string) => void;
}

/**
 * The IPMMU-VMSA driver of Linux (`drivers/iommu/ipmmu-vmsa.c`), register access for register access.
 *
 * Does: root and leaves, contexts, micro-TLBs, 32-bit LPAE tables, the flush of a whole context (the hardware offers no other),
 * interrupts, suspend and resume. Does not: the 64-bit tables that Gen3 can walk, which Linux does not use; the allow list of
 * masters; ARM DMA mappings of 32-bit kernels.
 */
export class LinuxIpmmuDriver {
  readonly root: IpmmuUnit;
  readonly leaves: readonly IpmmuUnit[];
  /** Flushes of a context, and those whose end was not seen in time. */
  flushes = 0;
  timeouts = 0;
  readonly #machine: Machine;
  readonly #kernel: PollKernel;
  readonly #poll: RegisterPoll;
  readonly #contexts: ContextPool<LinuxIpmmuDomain>;
  readonly #log: (message: string) => void;
  readonly #tlb: TlbFlushOps;

  constructor(parts: LinuxIpmmuParts) {
    const { port, generation, leafBases = [] } = parts;
    this.root = new IpmmuUnit('root', port, 0, generation);
    this.leaves = leafBases.map((base, i) => new IpmmuUnit(`leaf ${i}`, port, base, generation));
    this.#machine = parts.machine;
    this.#kernel = parts.kernel ?? '7.3';
    this.#poll = new RegisterPoll(port, this.#kernel);
    this.#contexts = new ContextPool(generation.contexts, generation.hasLeaves ? RESERVED_CONTEXTS : 0);
    this.#log = parts.log ?? (() => {});
    this.#tlb = {
      flushAll: (domain) => this.#invalidate(domain as LinuxIpmmuDomain),
      flushWalk: (_iova, _size, _granule, domain) => this.#invalidate(domain as LinuxIpmmuDomain),
      // The sync that follows an unmap flushes the whole context: there is nothing to note.
      addPage: () => {},
      addPages: () => {},
    };
  }

  /** An IPMMU appears. A root starts with no context enabled; a leaf holds nothing to reset. */
  probe(unit: IpmmuUnit): void {
    if (unit === this.root) resetContexts(unit);
  }

  /** An IPMMU goes away, or the system shuts down. */
  remove(unit: IpmmuUnit): void {
    resetContexts(unit);
  }

  /** A bus master behind `unit` appears. */
  newMaster(unit: IpmmuUnit, microTlbs: readonly number[]): IpmmuMaster {
    return { unit, microTlbs, domain: null };
  }

  /** The master goes away: its micro-TLBs are off, whatever they were. */
  releaseMaster(master: IpmmuMaster): void {
    for (const microTlb of master.microTlbs) master.unit.disableMicroTlb(microTlb);
    master.domain = null;
  }

  /**
   * An address space without a table yet: the table comes with the first master.
   * @param asked what the table is otherwise than the driver has it
   * @param tlb who maintains the TLB for it, instead of this driver by itself
   */
  newDomain(asked: DomainConfig = {}, tlb: TlbFlushOps = this.#tlb): LinuxIpmmuDomain {
    return { table: null, context: NO_CONTEXT, unit: null, handler: null, asked, tlb };
  }

  /**
   * Lets a master use a domain, instead of the one it used before.
   * @returns 0, -EBUSY when every context is taken, or -EINVAL when the domain belongs to another IPMMU.
   */
  attach(master: IpmmuMaster, domain: LinuxIpmmuDomain): number {
    if (domain.unit === null) {
      const error = this.initialise(domain, master.unit);
      if (error !== 0) return error;
    } else if (domain.unit !== master.unit) {
      this.#log(`the domain is used by masters of ${domain.unit.name}, and cannot be by one of ${master.unit.name}`);
      return -Errno.EINVAL;
    }
    for (const microTlb of master.microTlbs) master.unit.enableMicroTlb(microTlb, domain.context);
    master.domain = domain;
    return 0;
  }

  /** What the first attachment does first: a context and a table. @returns 0, or -EBUSY when every context is taken */
  initialise(domain: LinuxIpmmuDomain, unit: IpmmuUnit): number {
    const context = this.#contexts.take(domain);
    if (context < 0) {
      this.#log('no context is free');
      return -Errno.EBUSY;
    }
    try {
      domain.table = allocIoPgtable(
        {
          pageSizes: PAGE_SIZES,
          ias: INPUT_BITS,
          oas: OUTPUT_BITS,
          quirks: Quirk.ARM_NS,
          linux: this.#kernel,
          ...domain.asked,
          format: 'ARM_32_LPAE_S1',
          // Walks do not look into the CPU caches; the driver never turns that on.
          coherentWalk: false,
          tlb: domain.tlb,
        },
        this.#machine,
        domain,
      );
    } catch (error) {
      this.#contexts.release(context);
      throw error;
    }
    domain.context = context;
    domain.unit = unit;
    this.#setUpContext(domain);
    return 0;
  }

  /** The master accesses memory untranslated from here on. @returns 0 */
  attachIdentity(master: IpmmuMaster): number {
    if (master.domain === null) return 0;
    this.releaseMaster(master);
    return 0;
  }

  /** Maps `count` pages of `pageSize` bytes (Linux `map_pages`). @returns 0 or a negative `Errno` */
  mapPages(domain: LinuxIpmmuDomain, iova: number, pa: number, pageSize: number, count: number, prot: number): number {
    return domain.table?.mapPages(iova, pa, pageSize, count, prot, Gfp.KERNEL) ?? -Errno.ENODEV;
  }

  /** Unmaps. Masters may still use stale translations until {@link iotlbSync}. @returns bytes unmapped */
  unmapPages(
    domain: LinuxIpmmuDomain,
    iova: number,
    pageSize: number,
    count: number,
    gather: IotlbGather | null,
  ): number {
    return domain.table?.unmapPages(iova, pageSize, count, gather) ?? 0;
  }

  /** What was unmapped is gone after this. */
  iotlbSync(domain: LinuxIpmmuDomain): void {
    this.flushAll(domain);
  }

  /** Flushes everything of a domain. */
  flushAll(domain: LinuxIpmmuDomain): void {
    if (domain.unit !== null) this.#invalidate(domain);
  }

  /** What io-pgtable calls when a table has gone away. */
  flushWalk(domain: LinuxIpmmuDomain): void {
    this.#invalidate(domain);
  }

  /** Frees a domain that no master uses. */
  freeDomain(domain: LinuxIpmmuDomain): void {
    if (domain.unit !== null) {
      this.#writeAll(domain, 'IMCTR', Imctr.FLUSH);
      this.#waitForFlush(domain);
      this.#contexts.release(domain.context);
    }
    // Flushes once more, through the registers of a context that is off and may be another's soon: as Linux does.
    domain.table?.free();
    domain.table = null;
    domain.unit = null;
    domain.context = NO_CONTEXT;
  }

  /** The interrupt of the root. @returns whether it was ours */
  handleInterrupt(): boolean {
    let handled = false;
    for (const [context, domain] of this.#contexts.inUse()) {
      const fault = takeFault(this.root, context, this.#log);
      if (fault === null || !fault.ofAccess) continue;
      handled = true;
      if (domain.handler?.(fault.iova, 0) !== 0) this.#log(describeFault(fault, 'nobody handles the fault'));
    }
    return handled;
  }

  /** Power is back: the registers of an IPMMU hold nothing, and get what they held. */
  resume(unit: IpmmuUnit): void {
    if (unit === this.root) {
      resetContexts(unit);
      for (const [, domain] of this.#contexts.inUse()) this.#setUpContext(domain);
    }
    for (const [microTlb, context] of unit.microTlbContexts.entries()) {
      if (context !== NO_CONTEXT) unit.enableMicroTlb(microTlb, context);
    }
  }

  #setUpContext(domain: LinuxIpmmuDomain): void {
    const { root } = this;
    const { context, table } = domain;
    if (table === null) return;
    const { ttbr, mairLow } = table.registers as StageOneRegisters;
    writeTableBase0(root, context, ttbr);
    root.writeContext(context, 'IMTTBCR', walkControl(root.generation));
    root.writeContext(context, 'IMMAIR0', mairLow);
    clearBusAndStatus(root, context);
    this.#writeAll(domain, 'IMCTR', Imctr.INTEN | Imctr.FLUSH | Imctr.MMUEN);
  }

  #invalidate(domain: LinuxIpmmuDomain): void {
    this.#writeAll(domain, 'IMCTR', withFlush(this.root, domain.context));
    this.#waitForFlush(domain);
  }

  /** A register that leaf and root both have a copy of: the leaf first. */
  #writeAll(domain: LinuxIpmmuDomain, register: ContextRegister, value: number): void {
    if (domain.unit !== null && domain.unit !== this.root) domain.unit.writeContext(domain.context, register, value);
    this.root.writeContext(domain.context, register, value);
  }

  #waitForFlush(domain: LinuxIpmmuDomain): void {
    this.flushes++;
    const control = this.root.contextOffset(domain.context, 'IMCTR');
    if (this.#poll.until(control, Imctr.FLUSH, 0, FLUSH_POLL, FLUSH_TIMEOUT)) return;
    this.timeouts++;
    this.#log('a TLB flush did not end: the IPMMU may hang');
  }
}

/** How walks read memory. Gen2 says inner shareable and cached; later ones are left at what is 0: neither. */
function walkControl(generation: IpmmuGeneration): number {
  if (generation.twoBitStartLevel) return tableControl(generation, {});
  const { INNER } = Shareability;
  const { WRITE_BACK_ALLOCATE } = WalkCacheability;
  return tableControl(generation, { SH0: INNER, ORGN0: WRITE_BACK_ALLOCATE, IRGN0: WRITE_BACK_ALLOCATE });
}
