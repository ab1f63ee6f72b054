import type { TlbFlushOps } from '../../../formats/index.ts';
import type { DomainConfig } from '../../iommu.ts';
import type { IpmmuKernel, IpmmuSpace } from './kernel.ts';
import type { IpmmuMaster, LinuxIpmmuDomain, LinuxIpmmuDriver } from './linux.ts';

/** A domain whose first attachment has happened. */
interface LinuxSpace extends IpmmuSpace {
  readonly domain: LinuxIpmmuDomain;
}

/** Linux under the contract: masters are behind the first leaf, each with one micro-TLB. */
export class LinuxKernel implements IpmmuKernel {
  readonly format = 'ARM_32_LPAE_S1';
  readonly #driver: LinuxIpmmuDriver;
  readonly #masters = new Map<number, IpmmuMaster>();

  constructor(driver: LinuxIpmmuDriver) {
    this.#driver = driver;
    for (const unit of [driver.root, ...driver.leaves]) driver.probe(unit);
  }

  create(asked: DomainConfig, tlb: TlbFlushOps): LinuxSpace | null {
    const driver = this.#driver;
    let space: LinuxSpace | null = null;
    const domain = driver.newDomain(asked, {
      ...tlb,
      flushAll: () => tlb.flushAll(space),
      flushWalk: (iova, size, granule) => tlb.flushWalk(iova, size, granule, space),
    });
    const error = driver.initialise(domain, driver.leaves[0] ?? driver.root);
    const { table, context } = domain;
    if (error === 0 && table !== null) space = { table, context, domain };
    return space;
  }

  attach(space: LinuxSpace, microTlb: number): void {
    const driver = this.#driver;
    let master = this.#masters.get(microTlb);
    if (master === undefined) {
      master = driver.newMaster(driver.leaves[0] ?? driver.root, [microTlb]);
      this.#masters.set(microTlb, master);
    }
    driver.attach(master, space.domain);
  }

  detach(microTlb: number): void {
    const master = this.#masters.get(microTlb);
    if (master !== undefined) this.#driver.attachIdentity(master);
  }

  flush(space: LinuxSpace): void {
    this.#driver.flushWalk(space.domain);
  }

  free(space: LinuxSpace): void {
    this.#driver.freeDomain(space.domain);
  }

  handleInterrupt(): boolean {
    return this.#driver.handleInterrupt();
  }
}
