import { Errno, Shareability, WalkCacheability } from '../../../formats/index.ts';
import type { RegisterPort } from '../../registers/index.ts';
import {
  IMSAUXCTLR_S2PTE,
  IMSCTLR_DISCACHE,
  Imctr,
  type IpmmuGeneration,
  tableControl,
  XEN_IMMAIR0,
} from '../spec/index.ts';
import {
  clearBusAndStatus,
  describeFault,
  resetContexts,
  takeFault,
  withFlush,
  writeTableBase0,
  writeTableBase1,
} from './context.ts';
import { ContextPool } from './contexts.ts';
import { IpmmuUnit, NO_CONTEXT } from './unit.ts';
import type { XenTableFormat, XenTableSource, XenTables } from './xen-tables.ts';

/** Looks at IMCTR.FLUSH, a microsecond apart, after which the driver gives up. */
const FLUSH_LOOKS = 100;

/** Input sizes: VMSAv8-64 tables of the driver's own, and the stage 2 that it shares with the guest. */
const OWN_INPUT_BITS = 39;
const GUEST_INPUT_BITS = 40;

const OWN_LONG_FORMAT: XenTableFormat = { format: 'ARM_64_LPAE_S1', ias: OWN_INPUT_BITS, oas: 40 };
const OWN_SHORT_FORMAT: XenTableFormat = { format: 'ARM_32_LPAE_S1', ias: 32, oas: 40 };

/** The devices of one guest. */
export interface XenIpmmuDomain {
  /** Context of the root, -1 once it is gone. */
  context: number;
  /** Tables of the driver's own; null where the guest's stage 2 is used. */
  tables: XenTables | null;
  /** Address of the first-level table. */
  readonly tableBase: number;
  /** Leaves on which the context is set up, from the first device on; null before. */
  leaves: readonly IpmmuUnit[] | null;
}

/** A micro-TLB of one IPMMU. */
export interface MicroTlb {
  readonly unit: IpmmuUnit;
  readonly index: number;
}

export interface XenIpmmuParts {
  readonly port: RegisterPort;
  readonly generation: IpmmuGeneration;
  readonly leafBases?: readonly number[];
  /** Where tables of the driver's own come from; null: contexts use the stage 2 of their guest (Gen3 and later). */
  readonly tables: XenTableSource | null;
  /** The caches of leaves are off: a work-around for early revisions of Gen3 parts. Default false. */
  readonly leafCachesOff?: boolean;
  readonly log?: (message: string) => void;
}

/**
 * The IPMMU-VMSA driver of Xen (`drivers/passthrough/arm/ipmmu-vmsa.c` of the 4.12 era), register access for register access.
 *
 * Does: contexts on the root and on leaves, micro-TLBs, both kinds of tables, interrupts, the end of a guest, whose tables are freed
 * in chunks (xen-tables.ts). Does not: protected regions, `dump_p2m`, the clocks and resets of the parts.
 */
export class XenIpmmuDriver {
  readonly root: IpmmuUnit;
  readonly leaves: readonly IpmmuUnit[];
  /** Flushes of a context, and those whose end was not seen in time. */
  flushes = 0;
  timeouts = 0;
  readonly #port: RegisterPort;
  readonly #generation: IpmmuGeneration;
  readonly #tables: XenTableSource | null;
  readonly #leafCachesOff: boolean;
  readonly #contexts: ContextPool<XenIpmmuDomain>;
  readonly #log: (message: string) => void;

  constructor(parts: XenIpmmuParts) {
    const { port, generation, leafBases = [] } = parts;
    this.#port = port;
    this.#generation = generation;
    this.root = new IpmmuUnit('root', port, 0, generation);
    this.leaves = leafBases.map((base, i) => new IpmmuUnit(`leaf ${i}`, port, base, generation));
    this.#tables = parts.tables;
    this.#leafCachesOff = parts.leafCachesOff ?? false;
    this.#contexts = new ContextPool<XenIpmmuDomain>(generation.contexts, 0);
    this.#log = parts.log ?? (() => {});
  }

  /** The root appears: no context is enabled. */
  reset(): void {
    resetContexts(this.root);
  }

  /** What comes after {@link reset}, once all parts are known. */
  probe(): void {
    if (this.#tables === null) this.root.setSystem('IMSAUXCTLR', IMSAUXCTLR_S2PTE);
    if (!this.#leafCachesOff) return;
    for (const leaf of this.leaves) leaf.setSystem('IMSCTLR', IMSCTLR_DISCACHE);
  }

  /**
   * A guest with devices: its context on the root, before any device is there.
   * @param guestTables address of the guest's stage 2, where that is used
   * @returns the domain, or null when every context is taken.
   */
  createDomain(guestTables = 0): XenIpmmuDomain | null {
    const format = this.#generation.longAddresses ? OWN_LONG_FORMAT : OWN_SHORT_FORMAT;
    const tables = this.#tables?.create(format) ?? null;
    const domain: XenIpmmuDomain = {
      context: NO_CONTEXT,
      tables,
      tableBase: tables?.base ?? guestTables,
      leaves: null,
    };
    tables?.onFlush(() => this.flushAll(domain));
    domain.context = this.#contexts.take(domain);
    if (domain.context === NO_CONTEXT) {
      tables?.free();
      return null;
    }
    this.#setUpContext(domain);
    return domain;
  }

  /**
   * Gives a device to a guest.
   * @param leaves the IPMMUs that the device's micro-TLBs are in; the first device of a guest decides for all
   * @returns 0, or -EINVAL when the guest's devices are behind other IPMMUs.
   */
  attach(domain: XenIpmmuDomain, leaves: readonly IpmmuUnit[], microTlbs: readonly MicroTlb[]): number {
    if (domain.leaves === null) {
      domain.leaves = leaves;
      const control = withFlush(this.root, domain.context);
      for (const leaf of leaves) leaf.writeContext(domain.context, 'IMCTR', control);
    } else if (!sameUnits(domain.leaves, leaves)) {
      for (let i = 0; i < Math.max(leaves.length, domain.leaves.length); i++) {
        const theirs = domain.leaves[i]?.name ?? 'nothing';
        this.#log(`a device behind ${leaves[i]?.name ?? 'nothing'} cannot use a context on ${theirs}`);
      }
      return -Errno.EINVAL;
    }
    for (const { unit, index } of microTlbs) unit.enableMicroTlb(index, domain.context);
    return 0;
  }

  /** Takes a device away. The context stays, on its leaves too. */
  detach(microTlbs: readonly MicroTlb[]): void {
    for (const { unit, index } of microTlbs) unit.disableMicroTlb(index);
  }

  /**
   * Flushes everything of a guest. Does nothing without a context: tables are freed after their context is gone, and still ask
   * for it.
   */
  flushAll(domain: XenIpmmuDomain | null): void {
    if (domain === null || domain.context === NO_CONTEXT) return;
    const control = withFlush(this.root, domain.context);
    // Leaves keep translations of stage 2 that the root's flush does not reach; with tables of its own the driver leaves them alone.
    if (domain.tables === null) this.#writeLeaves(domain, control);
    this.root.writeContext(domain.context, 'IMCTR', control);
    this.#waitForFlush(domain.context);
  }

  /** The interrupt of the root. @returns whether it was ours */
  handleInterrupt(): boolean {
    let handled = false;
    for (const [context, domain] of this.#contexts.inUse()) {
      const fault = takeFault(this.root, context, this.#log);
      if (fault === null || !fault.ofAccess) continue;
      handled = true;
      // The TLB may hold what led to the fault.
      this.flushAll(domain);
      this.#log(describeFault(fault, 'a guest faulted'));
    }
    return handled;
  }

  /** The end of a guest whose devices are gone: its context now, its tables from here on in chunks. */
  destroyDomain(domain: XenIpmmuDomain): void {
    const { context } = domain;
    if (context === NO_CONTEXT) return;
    this.#writeLeaves(domain, Imctr.FLUSH);
    this.root.writeContext(context, 'IMCTR', Imctr.FLUSH);
    this.#waitForFlush(context);
    this.#contexts.release(context);
    domain.context = NO_CONTEXT;
    domain.leaves = null;
    domain.tables?.free();
    domain.tables = null;
  }

  #setUpContext(domain: XenIpmmuDomain): void {
    const { root } = this;
    const { context, tableBase, tables } = domain;
    const generation = this.#generation;
    const long = generation.longAddresses;
    writeTableBase0(root, context, tableBase);
    if (long && tables !== null) writeTableBase1(root, context, tableBase);
    root.writeContext(
      context,
      'IMTTBCR',
      tables === null ? guestTableControl(generation) : ownTableControl(generation),
    );
    if (tables !== null) root.writeContext(context, 'IMMAIR0', XEN_IMMAIR0);
    clearBusAndStatus(root, context);
    root.writeContext(context, 'IMCTR', (long ? Imctr.VA64 : 0) | Imctr.INTEN | Imctr.FLUSH | Imctr.MMUEN);
  }

  #writeLeaves(domain: XenIpmmuDomain, control: number): void {
    for (const leaf of domain.leaves ?? []) leaf.writeContext(domain.context, 'IMCTR', control);
  }

  #waitForFlush(context: number): void {
    this.flushes++;
    for (let look = 1; (this.root.readContext(context, 'IMCTR') & Imctr.FLUSH) !== 0; look++) {
      if (look === FLUSH_LOOKS) {
        this.timeouts++;
        this.#log('a TLB flush did not end: the IPMMU may hang');
        return;
      }
      this.#port.delay(1);
    }
  }
}

function sameUnits(a: readonly IpmmuUnit[], b: readonly IpmmuUnit[]): boolean {
  return a.length === b.length && a.every((unit, i) => unit === b[i]);
}

const { INNER } = Shareability;
const { WRITE_BACK_ALLOCATE } = WalkCacheability;
const CACHED_WALKS_0 = { SH0: INNER, ORGN0: WRITE_BACK_ALLOCATE, IRGN0: WRITE_BACK_ALLOCATE };
const CACHED_WALKS_1 = { SH1: INNER, ORGN1: WRITE_BACK_ALLOCATE, IRGN1: WRITE_BACK_ALLOCATE };

/** For tables of the driver's own: both halves of a 39-bit space begin in the same table. Gen2 is as under Linux. */
function ownTableControl(generation: IpmmuGeneration): number {
  if (!generation.longAddresses) return tableControl(generation, CACHED_WALKS_0);
  const size = 64 - OWN_INPUT_BITS;
  return tableControl(generation, { ...CACHED_WALKS_0, ...CACHED_WALKS_1, TSZ0: size, TSZ1: size });
}

/** For the stage 2 of a guest. */
function guestTableControl(generation: IpmmuGeneration): number {
  return tableControl(generation, { ...CACHED_WALKS_0, PMB: 1, TSZ0: 64 - GUEST_INPUT_BITS });
}
