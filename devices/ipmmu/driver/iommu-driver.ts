import {
  ConfigError,
  hasSize,
  type IotlbGather,
  newGather,
  PageCutter,
  Prng,
  resetGather,
  TableMemoryError,
  type TlbFlushOps,
} from '../../../formats/index.ts';
import { newStep } from '../../cpus/index.ts';
import { mapRange, unmapRange } from '../../dma-iommu/index.ts';
import type { DomainConfig, IommuCounters, IommuDomain, IommuDriver } from '../../iommu.ts';
import type { PlantedBugsConfig } from '../../planted-bugs/index.ts';
import { contextTag, type Ipmmu } from '../device/index.ts';
import type { IpmmuKernel, IpmmuSpace } from './kernel.ts';

/** Names of bus masters that a capture may use: PCI addresses, and those made up behind them. */
const MASTER_NAMES = 0x1_0000;

const GRANULE = 4096;

/** One of the contract's address spaces. */
interface IpmmuDomain extends IommuDomain {
  readonly space: IpmmuSpace;
  /** Masters that use it. */
  readonly masters: Set<number>;
}

/**
 * Linux's or Xen's driver as every MMU's driver looks to a machine. A master gets a micro-TLB of the first leaf the first time it is
 * attached. What is taken away from its domain moves to a domain in which nothing is mapped, as Linux's core does for drivers that
 * cannot block; without a context for that (Gen2 has one in all) its accesses pass unchanged.
 */
export class IpmmuDriver implements IommuDriver {
  onRetag: IommuDriver['onRetag'] = null;
  onStep: IommuDriver['onStep'] = null;
  readonly #step = newStep();
  cycles = 0;
  readonly #device: Ipmmu;
  readonly #kernel: IpmmuKernel;
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;
  readonly #gather = newGather();
  /** Micro-TLB of each master, by the master's name. */
  readonly #microTlbs = new Map<number, number>();
  /** Where the masters of no domain are; undefined before the first, null where there is no context for it. */
  #blocked: IpmmuSpace | null | undefined;
  /** Domains that there are. */
  #domains = 0;
  #byWalkRange = 0;
  #all = 0;
  #syncs = 0;
  #events = 0;
  /** Cycles that the driver spent on faults. */
  eventCycles = 0;
  /** Something was unmapped since the last sync. */
  #unmapped = false;
  /** What a planted bug holds back: until the next unmap begins, and until the next table goes. */
  #lateSync: IpmmuSpace | null = null;
  #lateWalk: IpmmuSpace | null = null;

  constructor(device: Ipmmu, kernel: IpmmuKernel, bugs: PlantedBugsConfig) {
    this.#device = device;
    this.#kernel = kernel;
    this.#bugs = bugs;
    this.#prng = new Prng(bugs.seed);
  }

  get now(): number {
    return this.#device.now;
  }

  set now(cycle: number) {
    this.#device.now = cycle;
  }

  get waitCycles(): number {
    return this.#device.delayCycles;
  }

  get streamCount(): number {
    return MASTER_NAMES;
  }

  /** One fault for each context: the registers hold the first. */
  get faultCapacity(): number {
    return 1;
  }

  createDomain(asked: DomainConfig = {}): IpmmuDomain {
    const { format } = this.#kernel;
    if (asked.format !== undefined && asked.format !== format) {
      throw new ConfigError('table.format', asked.format, `${format}: what this driver sets up on this generation`);
    }
    if (asked.pageSizes !== undefined && !hasSize(asked.pageSizes, GRANULE)) {
      throw new ConfigError('table.granule', asked.pageSizes, '4k: the only granule of an IPMMU');
    }
    const space = this.#kernel.create(asked, this.#tlb);
    if (space === null) {
      throw new ConfigError(
        'ipmmu.generation',
        this.#device.generation.name,
        `a generation with a context for each domain: its ${this.#domains} are all in use (gen4 has most)`,
      );
    }
    this.#domains++;
    const { table, context } = space;
    const cutter = new PageCutter(table.config.pageSizes);
    const tag = contextTag(context);
    const stage2 = format === 'ARM_64_LPAE_S2';
    const tags = { asid: stage2 ? 0 : tag, vmid: stage2 ? tag : 0 };
    return { table, space, ...tags, upper: false, cutter, mapped: 0, masters: new Set() };
  }

  freeDomain(domain: IpmmuDomain): void {
    this.#domains--;
    this.#kernel.free(domain.space);
  }

  attach(domain: IpmmuDomain, streamId: number): void {
    this.#kernel.attach(domain.space, this.#microTlbOf(streamId));
    domain.masters.add(streamId);
  }

  detach(domain: IpmmuDomain, streamId: number): void {
    if (!domain.masters.delete(streamId)) return;
    const microTlb = this.#microTlbOf(streamId);
    if (this.#blocked === undefined) this.#blocked = this.#newBlocked();
    if (this.#blocked === null) this.#kernel.detach(microTlb);
    else this.#kernel.attach(this.#blocked, microTlb);
  }

  activate(_domain: IpmmuDomain, streamId: number): number {
    return this.#microTlbOf(streamId);
  }

  idle(): void {}

  map(domain: IpmmuDomain, iova: number, pa: number, size: number, prot: number): number {
    return mapRange(this, domain, iova, pa, size, prot, this.#gather);
  }

  unmap(domain: IpmmuDomain, iova: number, size: number, gather: IotlbGather): number {
    const late = this.#lateSync;
    this.#lateSync = null;
    this.#unmapped = true;
    if (late !== null) this.#flush(late);
    return unmapRange(domain, iova, size, gather);
  }

  /** The hardware knows no addresses: everything of the context goes, whatever was gathered. */
  iotlbSync(domain: IpmmuDomain, gather: IotlbGather): void {
    resetGather(gather);
    const bugs = this.#bugs;
    const afterUnmap = this.#unmapped;
    this.#unmapped = false;
    if (afterUnmap && this.#prng.chance(bugs.skipInvalidation)) return;
    this.#syncs++;
    if (afterUnmap && bugs.lateInvalidation) this.#lateSync = domain.space;
    else this.#flush(domain.space);
  }

  flushDomain(domain: IpmmuDomain): void {
    this.#all++;
    this.#flush(domain.space);
  }

  handleEvents(): number {
    const device = this.#device;
    const before = device.now;
    if (!this.#kernel.handleInterrupt()) return 0;
    this.#events++;
    device.now += device.config.faultCycles;
    this.eventCycles += device.now - before;
    return 1;
  }

  counters(): IommuCounters {
    const { cycles, waitCycles } = this;
    const writes = this.#device.flushWrites;
    return {
      byAddress: 0,
      byWalkRange: this.#byWalkRange,
      all: this.#all + this.#syncs,
      commands: writes,
      syncs: this.#device.flushes,
      commandsByName: writes > 0 ? { IMCTR: writes } : {},
      cycles,
      waitCycles,
      events: this.#events,
      eventCycles: this.eventCycles,
    };
  }

  /** What page-table code calls. Leaves are not told: the sync that follows drops all of them. */
  readonly #tlb: TlbFlushOps = {
    flushAll: (cookie) => {
      this.#all++;
      this.#flush(cookie as IpmmuSpace);
    },
    flushWalk: (_iova, _size, _granule, cookie) => {
      const bugs = this.#bugs;
      if (this.#prng.chance(bugs.skipWalkFlush)) return;
      let due: IpmmuSpace | null = cookie as IpmmuSpace;
      if (bugs.lateWalkFlush) [due, this.#lateWalk] = [this.#lateWalk, due];
      if (due === null) return;
      this.#byWalkRange++;
      this.#flush(due);
    },
    addPage: () => {},
    addPages: () => {},
  };

  #flush(space: IpmmuSpace): void {
    const device = this.#device;
    const { now, delayCycles } = device;
    this.#kernel.flush(space);
    const spent = device.now - now;
    this.cycles += spent;
    if (this.onStep === null) return;
    const step = this.#step;
    const waited = device.delayCycles - delayCycles;
    step.sync = waited > 0;
    step.work = spent - waited;
    step.after = waited;
    step.waited = waited;
    this.onStep(step);
  }

  #microTlbOf(master: number): number {
    let microTlb = this.#microTlbs.get(master);
    if (microTlb === undefined) {
      microTlb = this.#microTlbs.size;
      const { microTlbs, name } = this.#device.generation;
      if (microTlb >= microTlbs) {
        throw new ConfigError(
          'ipmmu.generation',
          name,
          `one whose leaf has a micro-TLB for more than ${microTlbs} masters`,
        );
      }
      this.#microTlbs.set(master, microTlb);
    }
    return microTlb;
  }

  #newBlocked(): IpmmuSpace | null {
    try {
      return this.#kernel.create({}, this.#tlb);
    } catch (error) {
      if (error instanceof TableMemoryError) return null;
      throw error;
    }
  }
}
