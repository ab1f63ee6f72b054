import { allocIoPgtable, type Machine, type StageTwoRegisters, type TlbFlushOps } from '../../../formats/index.ts';
import type { DomainConfig } from '../../iommu.ts';
import type { IpmmuKernel, IpmmuSpace } from './kernel.ts';
import type { XenIpmmuDomain, XenIpmmuDriver } from './xen.ts';
import type { XenTablePool } from './xen-tables.ts';

interface XenSpace extends IpmmuSpace {
  readonly domain: XenIpmmuDomain;
}

/** Tables freed between two looks at whether other work waits. */
const CHUNK = 64;

/** Input and output bits of a guest's stage 2. */
const GUEST_BITS = 40;

/** Xen under the contract: each domain is a guest, whose devices are behind the first leaf. */
export class XenKernel implements IpmmuKernel {
  readonly format: IpmmuKernel['format'];
  readonly #driver: XenIpmmuDriver;
  readonly #pool: XenTablePool | null;
  readonly #machine: Machine;

  /** @param pool tables of the driver's own; null: those of the guests, which Xen's memory management edits */
  constructor(driver: XenIpmmuDriver, pool: XenTablePool | null, machine: Machine) {
    this.#driver = driver;
    this.#pool = pool;
    this.#machine = machine;
    const own = driver.root.generation.longAddresses ? 'ARM_64_LPAE_S1' : 'ARM_32_LPAE_S1';
    this.format = pool === null ? 'ARM_64_LPAE_S2' : own;
    driver.reset();
    driver.probe();
  }

  create(asked: DomainConfig, tlb: TlbFlushOps): XenSpace | null {
    if (this.#pool === null) return this.#createShared(asked, tlb);
    this.#pool.asked = asked;
    const domain = this.#driver.createDomain();
    const table = domain?.tables?.table ?? null;
    if (domain === null || table === null) return null;
    const space: XenSpace = { table, context: domain.context, domain };
    domain.tables?.onFlush(() => tlb.flushWalk(0, 0, 0, space));
    return space;
  }

  attach({ domain }: XenSpace, microTlb: number): void {
    const driver = this.#driver;
    driver.attach(domain, driver.leaves.slice(0, 1), [{ unit: driver.leaves[0] ?? driver.root, index: microTlb }]);
  }

  detach(microTlb: number): void {
    const driver = this.#driver;
    driver.detach([{ unit: driver.leaves[0] ?? driver.root, index: microTlb }]);
  }

  flush({ domain }: XenSpace): void {
    this.#driver.flushAll(domain);
  }

  free({ domain, table }: XenSpace): void {
    this.#driver.destroyDomain(domain);
    if (this.#pool === null) table.free();
    // The tasklet that does this has nothing else to wait for here.
    else while (this.#pool.step(CHUNK));
  }

  handleInterrupt(): boolean {
    return this.#driver.handleInterrupt();
  }

  /** A guest with its stage 2, which is there before any device is. */
  #createShared(asked: DomainConfig, tlb: TlbFlushOps): XenSpace | null {
    let space: XenSpace | null = null;
    const flush = (): void => {
      // The tables outlive their context.
      if (space !== null) tlb.flushWalk(0, 0, 0, space);
    };
    const table = allocIoPgtable(
      {
        pageSizes: 0x4020_1000,
        ias: GUEST_BITS,
        oas: GUEST_BITS,
        ...asked,
        format: 'ARM_64_LPAE_S2',
        coherentWalk: false,
        tlb: { ...tlb, flushAll: flush, flushWalk: flush },
      },
      this.#machine,
      this,
    );
    const domain = this.#driver.createDomain((table.registers as StageTwoRegisters).vttbr);
    if (domain === null) table.free();
    else space = { table, context: domain.context, domain };
    return space;
  }
}
