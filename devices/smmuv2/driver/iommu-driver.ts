import {
  ConfigError,
  commonSizes,
  type IotlbGather,
  newGather,
  PageCutter,
  Prng,
  Quirk,
  resetGather,
  type TlbFlushOps,
} from '../../../formats/index.ts';
import type { StepListener } from '../../cpus/index.ts';
import { mapRange, unmapRange } from '../../dma-iommu/index.ts';
import type { DomainConfig, IommuCounters, IommuDomain, IommuDriver } from '../../iommu.ts';
import type { PlantedBugsConfig } from '../../planted-bugs/index.ts';
import type { Smmuv2 } from '../device/index.ts';
import type { ContextFault } from './banks/index.ts';
import type { Smmuv2Domain } from './domain.ts';
import type { Smmuv2Driver, Smmuv2Master } from './driver.ts';

/** Names of bus masters that a capture may use: PCI addresses, and those made up behind them. */
const MASTER_NAMES = 0x1_0000;

/** One of the contract's address spaces. */
interface ArmSmmuDomain extends IommuDomain {
  readonly own: Smmuv2Domain;
}

/** Pages of one table of leaves whose invalidation a planted bug holds back. */
interface DueLeaves {
  readonly domain: Smmuv2Domain;
  readonly iova: number;
  readonly granule: number;
  readonly count: number;
}

/**
 * Linux's arm-smmu as every MMU's driver looks to a machine. A stream gets a stream mapping group of its own the first time it is
 * attached; what is taken away from its domain is blocked.
 *
 * This driver does not gather: each page is dropped as it is unmapped, and the sync at the end only waits.
 */
export class ArmSmmuDriver implements IommuDriver {
  /** Never told: ASIDs and VMIDs stay with their banks. */
  onRetag: IommuDriver['onRetag'] = null;
  /** What the user of the domains answers to a fault; null leaves it unhandled. */
  onFault: ((domain: IommuDomain, fault: ContextFault) => number) | null = null;
  readonly driver: Smmuv2Driver;
  readonly #device: Smmuv2;
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;
  readonly #gather = newGather();
  readonly #masters = new Map<number, { readonly master: Smmuv2Master; readonly streamId: number }>();
  readonly #streamIds = new Set<number>();
  /** Domain of each stream, and of each bank. */
  readonly #users = new Map<number, ArmSmmuDomain>();
  readonly #banks = new Map<number, ArmSmmuDomain>();
  #events = 0;
  /** Cycles that the driver spent on faults. */
  eventCycles = 0;
  #lateLeaves: DueLeaves | null = null;
  #lateWalk: DueLeaves | null = null;

  constructor(device: Smmuv2, driver: Smmuv2Driver, bugs: PlantedBugsConfig) {
    this.#device = device;
    this.driver = driver;
    this.#bugs = bugs;
    this.#prng = new Prng(bugs.seed);
  }

  get now(): number {
    return this.#device.now;
  }

  set now(cycle: number) {
    this.#device.now = cycle;
  }

  get onStep(): StepListener | null {
    return this.driver.maintenance.onStep;
  }

  set onStep(listener: StepListener | null) {
    this.driver.maintenance.onStep = listener;
  }

  get cycles(): number {
    return this.driver.maintenance.counters.cycles;
  }

  get waitCycles(): number {
    return this.driver.maintenance.counters.waitCycles;
  }

  get streamCount(): number {
    return MASTER_NAMES;
  }

  /** The registers of a bank hold one fault, and accesses behind it are refused until it was seen. */
  get faultCapacity(): number {
    return 1;
  }

  createDomain(asked: DomainConfig = {}): IommuDomain {
    const { features } = this.driver;
    const { long32, granule4k, granule16k, granule64k } = features.formats;
    const format = asked.format ?? (features.stage1 ? 'ARM_64_LPAE_S1' : 'ARM_64_LPAE_S2');
    const stage1 = format.endsWith('S1');
    const offered = format.startsWith('ARM_64') ? granule4k || granule16k || granule64k : long32;
    if (!/^ARM_(?:64|32)_LPAE_S[12]$/.test(format) || !offered || !(stage1 ? features.stage1 : features.stage2)) {
      throw new ConfigError('table.format', format, 'a format and a stage that the SMMU has');
    }
    const long = format.startsWith('ARM_32');
    const most = stage1 ? [features.vaBits, features.ipaBits] : [features.ipaBits, features.paBits];
    const ias = within('ias', asked.ias, Math.min(most[0] as number, long ? (stage1 ? 32 : 40) : 48));
    const oas = within('oas', asked.oas, Math.min(most[1] as number, long ? 40 : 48));
    const pageSizes =
      asked.pageSizes === undefined ? features.pageSizes : commonSizes(asked.pageSizes, features.pageSizes);
    const own = this.driver.createDomain({ upper: ((asked.quirks ?? 0) & Quirk.ARM_TTBR1) !== 0 });
    const result = this.driver.makeContext(own, { ...asked, format, ias, oas, pageSizes, tlb: this.#tlb });
    const { context } = own;
    if (result !== 0 || context === null) {
      throw new ConfigError('smmuv2.contextBanks', features.contextBanks, 'enough context banks for all domains');
    }
    const { table, tag, upper, bank } = context;
    const domain: ArmSmmuDomain = {
      own,
      table,
      asid: stage1 ? tag : 0,
      vmid: stage1 ? 0 : tag,
      upper,
      cutter: new PageCutter(table.config.pageSizes),
      mapped: 0,
    };
    this.#banks.set(bank, domain);
    return domain;
  }

  freeDomain(domain: ArmSmmuDomain): void {
    const { context } = domain.own;
    if (context !== null) this.#banks.delete(context.bank);
    this.driver.freeDomain(domain.own);
  }

  attach(domain: ArmSmmuDomain, name: number): void {
    this.driver.attach(this.#masterOf(name).master, domain.own);
    this.#users.set(name, domain);
  }

  detach(domain: ArmSmmuDomain, name: number): void {
    if (this.#users.get(name) !== domain) return;
    this.#users.delete(name);
    this.driver.attachBlocked(this.#masterOf(name).master);
  }

  activate(_domain: IommuDomain, name: number): number {
    return this.#masterOf(name).streamId;
  }

  idle(): void {}

  map(domain: ArmSmmuDomain, iova: number, pa: number, size: number, prot: number): number {
    return mapRange(this, domain, iova, pa, size, prot, this.#gather);
  }

  unmap(domain: ArmSmmuDomain, iova: number, size: number, gather: IotlbGather): number {
    return unmapRange(domain, iova, size, gather);
  }

  iotlbSync(domain: ArmSmmuDomain, gather: IotlbGather): void {
    resetGather(gather);
    this.driver.sync(domain.own);
  }

  flushDomain(domain: ArmSmmuDomain): void {
    this.driver.flushAll(domain.own);
  }

  handleEvents(): number {
    const device = this.#device;
    const before = device.now;
    let handled = 0;
    for (const bank of [...device.faults.outstanding]) {
      const domain = this.#banks.get(bank);
      if (domain === undefined) continue;
      const { onFault } = this;
      const handler = onFault === null ? null : (fault: ContextFault) => onFault(domain, fault);
      if (this.driver.contextFault(domain.own, handler)) handled++;
    }
    if (this.driver.globalFault()) handled++;
    if (handled > 0) {
      this.#events += handled;
      this.eventCycles += device.now - before;
    }
    return handled;
  }

  counters(): IommuCounters {
    const { writes, pages, walks, all, syncs, cycles, waitCycles } = this.driver.maintenance.counters;
    const written = Object.entries(writes).filter(([, count]) => count > 0);
    return {
      byAddress: pages,
      byWalkRange: walks,
      all,
      commands: written.reduce((sum, [, count]) => sum + count, 0),
      syncs,
      commandsByName: Object.fromEntries(written),
      cycles,
      waitCycles,
      events: this.#events,
      eventCycles: this.eventCycles,
    };
  }

  /**
   * The device with this name. Its stream id is its name, where the SMMU has ids that large and nobody else has it; else the largest
   * one that is free, as an SoC gives ids to devices that have none.
   */
  #masterOf(name: number): { readonly master: Smmuv2Master; readonly streamId: number } {
    const known = this.#masters.get(name);
    if (known !== undefined) return known;
    const { idMask } = this.driver.streams;
    let streamId = name;
    if (name > idMask || this.#streamIds.has(name)) {
      streamId = idMask;
      while (this.#streamIds.has(streamId)) streamId--;
    }
    const master = this.driver.probeDevice([{ id: streamId, mask: 0 }]);
    if (typeof master === 'number') {
      const { groups } = this.driver.features;
      throw new ConfigError('smmuv2.groups', groups, 'enough stream mapping groups for all devices');
    }
    this.#streamIds.add(streamId);
    const made = { master, streamId };
    this.#masters.set(name, made);
    return made;
  }

  /** What page-table code calls: the driver's maintenance, with the bugs that are planted. */
  readonly #tlb: TlbFlushOps = {
    flushAll: (cookie) => this.driver.maintenance.flushAll(cookie),
    flushWalk: (iova, size, granule, cookie) => {
      const bugs = this.#bugs;
      if (this.#prng.chance(bugs.skipWalkFlush)) return;
      let due: DueLeaves | null = { domain: cookie as Smmuv2Domain, iova, granule, count: size / granule };
      if (bugs.lateWalkFlush) [due, this.#lateWalk] = [this.#lateWalk, due];
      if (due === null || due.domain.context === null) return;
      this.driver.maintenance.flushWalk(due.iova, due.count * due.granule, due.granule, due.domain);
    },
    addPage: (_, iova, granule, cookie) => this.#leaves(cookie as Smmuv2Domain, iova, granule, 1),
    addPages: (_, iova, granule, count, cookie) => this.#leaves(cookie as Smmuv2Domain, iova, granule, count),
  };

  #leaves(domain: Smmuv2Domain, iova: number, granule: number, count: number): void {
    const bugs = this.#bugs;
    const { maintenance } = this.driver;
    if (this.#prng.chance(bugs.skipInvalidation)) return;
    if (this.#prng.chance(bugs.wholeSpace)) {
      maintenance.flushAll(domain);
      return;
    }
    let due: DueLeaves | null = { domain, iova, granule, count };
    if (bugs.lateInvalidation) [due, this.#lateLeaves] = [this.#lateLeaves, due];
    if (due === null || due.domain.context === null) return;
    if (this.#prng.chance(bugs.needlessWalkFlush)) {
      maintenance.flushWalk(due.iova, due.count * due.granule, due.granule, due.domain);
    } else maintenance.addPages(null, due.iova, due.granule, due.count, due.domain);
  }
}

function within(field: 'ias' | 'oas', asked: number | undefined, most: number): number {
  if (asked !== undefined && asked > most) {
    throw new ConfigError(`table.${field}`, asked, `at most ${most}, what the SMMU has`);
  }
  return asked ?? most;
}
