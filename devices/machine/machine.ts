import {
  BuddySystemPages,
  Bus,
  type BusPort,
  BusView,
  Cause,
  CostLedger,
  CpuCache,
  DmaApi,
  type DmaMisuse,
  FindingKind,
  type MachineClock,
  PageAllocator,
  PhysicalMemory,
  Sanitizer,
  TableWatch,
  WalkCheck,
  type WatchedSpace,
  watchedOthers,
  watchedTables,
} from '../../emulator/index.ts';
import {
  type AllocatorFinding,
  type AllocatorStack,
  ConfigError,
  createAllocatorStack,
  hexText,
  leafSizes,
  NO_PAGES,
  type TableAllocator,
  type Machine as TableMachine,
  TableMemoryError,
  type WarningCode,
} from '../../formats/index.ts';
import { FORMAT_NAMES, GRANULES, type IommuDevice, type IommuDomain, type IommuDriver } from '../iommu.ts';
import { MMUS } from '../mmus.ts';
import { PlantedBugs } from '../planted-bugs/index.ts';
import { type Log, SILENT } from './log.ts';
import type { MachineConfig } from './machine-config.ts';
import { MemoryMeter } from './memory-meter.ts';
import { misusedDriver } from './misused-driver.ts';
import { checkPlantable } from './plantable.ts';
import { placeTables } from './table-region.ts';

/** Which finding each misuse of an allocator is. */
const ALLOCATOR_FINDINGS: Readonly<Record<AllocatorFinding['kind'], FindingKind>> = {
  'double-free': FindingKind.DOUBLE_FREE,
  'unknown-free': FindingKind.DOUBLE_FREE,
  'wrong-size': FindingKind.WRONG_FREE,
  'wrong-cookie': FindingKind.WRONG_FREE,
  'allocation-in-run': FindingKind.ALLOCATION_IN_RUN,
  'reservation-exhausted': FindingKind.ALLOCATION_IN_RUN,
  'over-limit': FindingKind.OVER_LIMIT,
  leak: FindingKind.LEAKED_TABLE,
};

/** Which finding each misuse of the DMA API is, and what was done. */
const DMA_FINDINGS: Readonly<Record<DmaMisuse, readonly [kind: FindingKind, what: string]>> = {
  'sync-unmapped': [FindingKind.MISSING_DMA_MAP, 'were synced and are not mapped'],
  'not-mapped': [FindingKind.MISSING_DMA_MAP, 'were unmapped and never had been mapped'],
  'double-unmap': [FindingKind.WRONG_DMA_UNMAP, 'were unmapped a second time'],
  'wrong-size': [FindingKind.WRONG_DMA_UNMAP, 'were unmapped, which is not the size that was mapped'],
  'mapped-twice': [FindingKind.WRONG_DMA_UNMAP, 'were mapped while they were mapped'],
};

/** Pages that nothing is left of in the CPU's cache, as `dma_alloc_coherent` gives them to devices that do not snoop. */
class UncachedPages implements TableAllocator {
  readonly #pages: TableAllocator;
  readonly #cache: CpuCache;

  constructor(pages: TableAllocator, cache: CpuCache) {
    this.#pages = pages;
    this.#cache = cache;
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    const pa = this.#pages.alloc(cookie, size, gfp);
    if (pa !== NO_PAGES) this.#cache.cleanInvalidate(pa, size);
    return pa;
  }

  free(cookie: unknown, pa: number, size: number): void {
    this.#pages.free(cookie, pa, size);
  }
}

/**
 * The whole computer of one run: memory, CPU cache, bus, page allocator, DMA API, MMU and its driver, as one configuration
 * describes them, with a sanitizer that watches all of it.
 */
export class Machine {
  readonly config: MachineConfig;
  readonly clock: MachineClock = { cycles: 0, seconds: 0 };
  readonly sanitizer: Sanitizer;
  /** Sees every descriptor that is stored, every table that comes and goes, and what is invalidated. */
  readonly watch: TableWatch;
  /** Sees every descriptor that the walker reads. */
  readonly walks: WalkCheck;
  readonly memory: PhysicalMemory;
  /** The CPU's cache; null when table walks snoop it, because then nobody can tell. */
  readonly cache: CpuCache | null;
  readonly dma: DmaApi;
  readonly pages: PageAllocator;
  /** Memory pressure, and the protected owner of a carved-out region. */
  readonly memoryMeter: MemoryMeter;
  /** Where the tables come from. */
  readonly tables: AllocatorStack;
  readonly device: IommuDevice;
  readonly driver: IommuDriver;
  /** The MMU's way to memory. */
  readonly port: BusPort;
  /** Bytes of the smallest page. */
  readonly granule: number;
  /** What the CPU spends on all of it. */
  readonly costs: CostLedger;
  /** Warning code to how often the kernel would have warned. */
  readonly warnings = new Map<WarningCode, number>();

  /** The bugs that the configuration plants. */
  readonly bugs: PlantedBugs;
  readonly #log: Log;
  /** Where tables come from, watched and with the planted bugs. */
  readonly #tableSource: TableAllocator;
  readonly #spaces = new Map<IommuDomain, WatchedSpace>();

  /** @throws ConfigError for a combination that cannot work */
  constructor(config: MachineConfig, log: Log = SILENT) {
    this.config = config;
    this.#log = log;
    const coherent = config.table.walk === 'coherent';
    const granule = 2 ** GRANULES[config.table.granule];
    this.granule = granule;
    this.sanitizer = new Sanitizer(this.clock);
    const region = placeTables(config.table.allocator, config.memory.banks);
    this.memory = new PhysicalMemory({ banks: [...region.ram] });
    this.cache = coherent
      ? null
      : new CpuCache(this.memory, { ...config.cpuCache, seed: config.cpuCache.seed + config.seed });
    const view = this.cache ?? this.memory;
    const bus = new Bus(this.memory, this.cache);
    this.port = bus.port(config.iommu.model, coherent ? BusView.COHERENT : BusView.NON_COHERENT);
    this.dma = new DmaApi(view, {
      ...config.dma,
      coherent,
      dropSyncFraction: config.plantedBugs.dropSync,
      seed: config.dma.seed + config.seed,
    });
    this.pages = new PageAllocator({ banks: region.system }, view, config.pages);
    this.memoryMeter = new MemoryMeter(this.pages);
    this.tables = createAllocatorStack(region.layers, {
      system: new BuddySystemPages(this.pages),
      memory: view,
      tableSize: granule,
      costs: { ...config.allocatorCosts, zero4k: config.pages.zeroPageCycles },
      onFinding: (finding) => this.#allocatorFinding(finding),
      protectedOwner: this.memoryMeter,
    });
    this.memoryMeter.shrinks(this.tables);
    this.bugs = new PlantedBugs(config.plantedBugs, config.seed);
    this.watch = new TableWatch(view, this.sanitizer);
    this.walks = new WalkCheck(this.watch.tables, this.sanitizer, this.port);
    this.#tableSource = this.bugs.users(watchedTables(this.watch, this.bugs.source(this.tables, view)));
    const tableMachine: TableMachine = {
      memory: this.bugs.memory(this.watch),
      dma: this.bugs.dma(this.dma),
      // Tables come from the stack above; these are for queues and stream tables.
      pages: watchedOthers(this.watch, this.cache === null ? this.pages : new UncachedPages(this.pages, this.cache)),
      warn: (code, ...values) => {
        this.warnings.set(code, (this.warnings.get(code) ?? 0) + 1);
        log.warn({ code, values, operation: this.sanitizer.operation }, 'the kernel would warn here');
      },
      log: (message) => log.error({ operation: this.sanitizer.operation }, message),
    };
    const model = MMUS[config.iommu.model];
    const driverName = config.iommu.driver ?? (model.drivers[0] as string);
    if (!model.drivers.includes(driverName)) {
      throw new ConfigError('iommu.driver', driverName, `a driver of ${model.name}: ${model.drivers.join(', ')}`);
    }
    if (!model.formats.includes(config.table.format)) {
      throw new ConfigError(
        'table.format',
        config.table.format,
        `a format that ${model.name} walks: ${model.formats.join(', ')}`,
      );
    }
    checkPlantable(config, model.name, driverName);
    const { device, driver } = model.create({
      config,
      driverName,
      coherent,
      mmu: config.mmu,
      memory: this.port,
      machine: tableMachine,
      // Queues and stream tables are in coherent memory, whatever the page tables are in.
      structures: this.memory,
      bugs: config.plantedBugs,
    });
    this.device = device;
    this.driver = misusedDriver(driver, this.bugs, granule);
    this.watch.breakLevel = device.breakBeforeMakeLevel;
    this.watch.invalidation.watchesWidth = device.invalidatesRegions !== true;
    this.watch.invalidation.flushesAfterFree = driver.flushesAfterFree === true;
    this.watch.invalidation.watchesCompletion = device.tellsCompletion === true;
    driver.onRetag = (domain) => {
      const space = this.#spaces.get(domain);
      if (space === undefined) return;
      space.asid = domain.asid;
      space.parked = domain.parked ?? false;
    };
    this.costs = new CostLedger([
      { cause: Cause.ALLOCATION, read: () => this.tables.context.cycles },
      { cause: Cause.SYNC, read: () => this.dma.stats.cycles },
      { cause: Cause.COMMAND, read: () => driver.cycles - driver.waitCycles },
      { cause: Cause.WAIT, read: () => driver.waitCycles },
      { cause: Cause.EVENTS, read: () => driver.eventCycles },
    ]);
    this.#watch();
    // The rest of the system fills the memory once the MMU is up.
    const { share, returned } = config.occupied;
    if (share > 0) this.pages.occupy(share, returned, config.seed);
  }

  /**
   * One more address space, as the configuration describes its table; null when there is no memory for its first-level table.
   * @throws ConfigError for a table that cannot be
   */
  createDomain(): IommuDomain | null {
    try {
      return this.#createDomain();
    } catch (error) {
      if (error instanceof TableMemoryError) return null;
      throw error;
    }
  }

  #createDomain(): IommuDomain {
    const { table } = this.config;
    const domain = this.driver.createDomain({
      format: FORMAT_NAMES[table.format],
      pageSizes: leafSizes(GRANULES[table.granule], table.oas),
      ias: table.ias,
      oas: table.oas,
      coherentWalk: table.walk === 'coherent',
      linux: table.linux,
      split: table.split,
      contiguous: table.contiguous,
      allocator: this.#tableSource,
    });
    const { asid, vmid, table: made } = domain;
    const { geometry } = made;
    made.visitTables((pa, level, size) => {
      if (level !== geometry.startLevel) return;
      const space = this.watch.addSpace(vmid === 0 ? 1 : 2, asid, vmid, geometry, pa, size);
      space.parked = domain.parked ?? false;
      this.#spaces.set(domain, space);
    });
    return domain;
  }

  /** Takes a domain's table down. Detach its streams first. */
  freeDomain(domain: IommuDomain): void {
    const space = this.#spaces.get(domain);
    if (space !== undefined) this.watch.retire(space);
    this.driver.freeDomain(domain);
  }

  /** What the sanitizer knows of a domain. */
  spaceOf(domain: IommuDomain): WatchedSpace {
    const space = this.#spaces.get(domain);
    if (space === undefined) throw new Error('the domain is not of this machine');
    return space;
  }

  /** Lets the sanitizer see what the TLBs drop and what the walker reads. */
  #watch(): void {
    const { sanitizer, port, device, watch, walks } = this;
    device.stale.watch(
      (mark) => sanitizer.windows.entryMarked(mark),
      (mark) => sanitizer.windows.entryDropped(mark),
    );
    device.mmu.invalidation.observer = watch.invalidation;
    watch.shielded = ({ asid }, start, end) => device.isLocked?.(asid, start, end) ?? false;
    device.onMisuse = ({ kind, asid, iova, detail }) => {
      const domain = watch.invalidation.spaces.find((space) => !space.parked && space.asid === asid)?.domain ?? -1;
      sanitizer.found(kind, iova, () => ({ detail, domain }));
    };
    port.onRead = (pa) => walks.check(pa);
    if (this.cache !== null) {
      port.checkStale = true;
      port.onStaleRead = (pa) => walks.stale(pa);
    }
    this.dma.onMisuse = (kind, busAddress, size) => this.#dmaMisuse(kind, busAddress, size);
  }

  #dmaMisuse(kind: DmaMisuse, busAddress: number, size: number): void {
    const pa = busAddress - this.config.dma.busOffset;
    const table = this.watch.tableAt(pa);
    const [found, what] = DMA_FINDINGS[kind];
    this.sanitizer.found(found, table?.iova ?? this.sanitizer.iova, () => ({
      detail: `${size} bytes at ${hexText(pa)}${table === null ? '' : `, of a table of level ${table.level}`}, ${what}`,
      ...(table === null ? {} : { level: table.level, domain: table.space.domain }),
    }));
  }

  #allocatorFinding(finding: AllocatorFinding): void {
    this.#log.warn(finding, 'table memory was misused');
    const { pa, size, detail } = finding;
    const table = pa < 0 ? null : this.watch.tableAt(pa);
    this.sanitizer.found(ALLOCATOR_FINDINGS[finding.kind], table?.iova ?? this.sanitizer.iova, () => {
      const block = pa < 0 ? `${size} bytes` : `the table of ${size} bytes at ${hexText(pa)}`;
      if (table === null) return { detail: `${block}: ${detail}` };
      const { level, allocatedBy, space } = table;
      return {
        detail: `${block}, level ${level}, from operation ${allocatedBy}: ${detail}`,
        level,
        domain: space.domain,
      };
    });
  }
}
