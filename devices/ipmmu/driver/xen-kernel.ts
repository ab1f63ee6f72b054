import type { TlbFlushOps } from '../../../formats/index.ts';
import type { DomainConfig } from '../../iommu.ts';
import type { IpmmuKernel, IpmmuSpace } from './kernel.ts';
import type { XenIpmmuDomain, XenIpmmuDriver } from './xen.ts';
import type { XenTablePool } from './xen-tables.ts';

interface XenSpace extends IpmmuSpace {
  readonly domain: XenIpmmuDomain;
}

/** Tables freed between two looks at whether other work waits. */
const CHUNK = 64;

/** Xen with tables of its own under the contract: each domain is a guest, whose devices are behind the first leaf. */
export class XenKernel implements IpmmuKernel {
  readonly #driver: XenIpmmuDriver;
  readonly #pool: XenTablePool;

  constructor(driver: XenIpmmuDriver, pool: XenTablePool) {
    this.#driver = driver;
    this.#pool = pool;
    driver.reset();
    driver.probe();
  }

  create(asked: DomainConfig, tlb: TlbFlushOps): XenSpace | null {
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

  free({ domain }: XenSpace): void {
    this.#driver.destroyDomain(domain);
    // The tasklet that does this has nothing else to wait for here.
    while (this.#pool.step(CHUNK));
  }

  handleInterrupt(): boolean {
    return this.#driver.handleInterrupt();
  }
}
