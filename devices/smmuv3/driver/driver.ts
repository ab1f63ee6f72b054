import * as v from 'valibot';
import {
  ConfigError,
  CPU_PAGE,
  DirtyFlag,
  type DirtyRecorder,
  Errno,
  Gfp,
  type IotlbGather,
  type Machine,
  newGather,
  type TableAllocator,
  type TableMemory,
} from '../../../formats/index.ts';
import type { StepListener } from '../../cpus/index.ts';
import { mapRange, unmapRange } from '../../dma-iommu/index.ts';
import type { DomainConfig, IommuCounters, IommuDriver } from '../../iommu.ts';
import { NO_BUGS, type PlantedBugsConfig } from '../../planted-bugs/index.ts';
import type { Smmuv3 } from '../device/index.ts';
import { type CommandName, EVENT_BYTES, Opcode, type Smmuv3Features } from '../spec/index.ts';
import { DriverSchema } from './config.ts';
import { DevicePort } from './device-port.ts';
import { Domains, type Smmuv3Domain } from './domains/index.ts';
import { Invalidator } from './invalidation/index.ts';
import { KERNEL_TRAITS } from './kernel.ts';
import type { SmmuPlatform, SmmuPort } from './port.ts';
import { CommandQueue, type CpuClock } from './queues/index.ts';
import { Interrupts, type ProbedSmmu, ProbeError, probeSmmu, REQUEST_BYTES, SmmuReset } from './start/index.ts';
import { Attacher, type AttachOptions, Masters, Streams } from './streams/index.ts';
import { type CoherentMemory, StreamTable, StructureMemory, safeInStreamTableEntry } from './tables/index.ts';

/** What the probe returns when the SMMU does not acknowledge what is written. */
const SILENT = Errno.ETIMEDOUT;

/**
 * Linux's arm-smmu-v3 driver of 6.12 or 7.3, as far as translation goes: probes the SMMU, builds its stream table, queues and context
 * descriptors in memory, gives domains their tables and tags, keeps the TLBs true, and answers events, page requests and errors.
 *
 *     const driver = new Smmuv3Driver({ smmu, machine });
 *     const domain = driver.createDomain({ pageSizes: 0x40201000 });
 *     driver.attach(domain, 0x100);
 *     driver.map(domain, iova, pa, size, Prot.READ | Prot.WRITE);
 *     driver.unmap(domain, iova, size, gather);
 *     driver.iotlbSync(domain, gather);
 *
 * It runs on a port: our SMMU with its clock, or a player of recorded accesses. See README.md for what it does otherwise than Linux.
 *
 * Does not: share address spaces with processes (SVA), aliases and groups, nested domains of guests, power management, kdump, ACPI, more
 * than one CPU or SMMU.
 */
export class Smmuv3Driver implements IommuDriver {
  /** What the identification registers said. */
  readonly features: Smmuv3Features;
  /** What the driver makes of it. */
  readonly probed: ProbedSmmu;
  readonly queue: CommandQueue;
  readonly streamTable: StreamTable;
  readonly invalidator: Invalidator;
  /** Devices, for callers that describe them; {@link attach} makes one for each stream. */
  readonly masters: Masters;
  readonly attacher: Attacher;
  /** Event records, page requests and errors, and the answers to them. */
  readonly interrupts: Interrupts;
  /** Never told: ASIDs and VMIDs stay with their domains. */
  onRetag: IommuDriver['onRetag'] = null;

  readonly #clock: CpuClock;
  readonly #reset: SmmuReset;
  readonly #streams: Streams;
  readonly #domains: Domains;
  readonly #gather = newGather();

  /**
   * Probes and starts an SMMU (Linux `arm_smmu_device_probe`).
   *
   * @param parts.smmu our SMMU; or `parts.port`, anything else with the registers of one
   * @param parts.machine what page-table code needs; `pages` also gives the memory of queues and structures, unless `coherent` does
   * @param parts.bugs what it is to do wrong; default nothing
   * @param parts.structures the CPU's view of coherent memory; default `machine.memory`, which an SMMU that does not snoop must not have
   * @throws ConfigError for a wrong configuration, an SMMU that cannot translate (`ProbeError`), or too little memory
   */
  constructor(parts: {
    smmu?: Smmuv3;
    port?: SmmuPort;
    machine: Machine;
    structures?: TableMemory;
    coherent?: CoherentMemory;
    platform?: SmmuPlatform;
    config?: v.InferInput<typeof DriverSchema>;
    bugs?: PlantedBugsConfig;
  }) {
    const parsed = v.safeParse(DriverSchema, parts.config ?? {});
    if (!parsed.success) {
      const issue = parsed.issues[0];
      throw new ConfigError(`driver.${v.getDotPath(issue) ?? ''}`, issue.input, issue.message);
    }
    const { machine, platform = {}, bugs = NO_BUGS } = parts;
    const config = parsed.output;
    const traits = KERNEL_TRAITS[config.kernel];
    const structures = parts.coherent?.view ?? parts.structures ?? machine.memory;
    const device = parts.smmu === undefined ? null : new DevicePort(parts.smmu, structures, config);
    const port = parts.port ?? device;
    if (port === null) throw new ConfigError('smmu', undefined, 'an SMMU or a port to one');
    this.#clock = device ?? { now: 0 };
    const probed = probeSmmu(port, config);
    const { features } = probed;
    this.probed = probed;
    this.features = features;
    const memory = new StructureMemory(parts.coherent ?? pagesOf(machine.pages, structures));
    const commandQueue = memory.allocate(2 ** (probed.commandQueueBits + 4));
    const eventQueue = memory.allocate(EVENT_BYTES * 2 ** probed.eventQueueBits);
    const priQueue = features.pri ? memory.allocate(REQUEST_BYTES * 2 ** probed.priQueueBits) : -1;
    this.streamTable = new StreamTable(memory, probed, traits.relaxedEntryBits ? safeInStreamTableEntry : undefined);
    const { view } = memory;
    this.queue = new CommandQueue({
      port,
      memory: view,
      config,
      clock: this.#clock,
      probed,
      base: commandQueue,
      log2Size: probed.commandQueueBits,
    });
    this.invalidator = new Invalidator(this.queue, probed, traits, { ranges: config.useRanges, bugs });
    this.#domains = new Domains(probed, machine, config, this.invalidator);
    this.masters = new Masters(probed, traits, this.streamTable, platform);
    this.attacher = new Attacher({
      probed,
      queue: this.queue,
      table: this.streamTable,
      memory,
      invalidator: this.invalidator,
      masters: this.masters,
      platform,
      traits,
      bugs,
    });
    this.#streams = new Streams(probed, this.masters, this.attacher);
    this.#reset = new SmmuReset(port, platform, probed, config);
    this.interrupts = new Interrupts({
      port,
      clock: this.#clock,
      memory: view,
      probed,
      config,
      platform,
      queue: this.queue,
      masters: this.masters,
      reset: this.#reset,
      events: eventQueue,
      requests: priQueue,
    });
    const { base, configuration } = this.streamTable;
    const at = { streamTable: base, streamTableFormat: configuration, commandQueue, eventQueue, priQueue };
    if (!this.#reset.start(at, this.queue)) {
      throw new ProbeError(SILENT, 'smmu', 'no acknowledgement', 'an SMMU that acknowledges its control registers');
    }
  }

  /** Cycle at which the driver's CPU is. Set it before a call to say when the call begins; the call moves it on. */
  get now(): number {
    return this.#clock.now;
  }

  set now(cycle: number) {
    this.#clock.now = cycle;
  }

  get onStep(): StepListener | null {
    return this.queue.onStep;
  }

  set onStep(listener: StepListener | null) {
    this.queue.onStep = listener;
  }

  get cycles(): number {
    return this.queue.cycles;
  }

  get waitCycles(): number {
    return this.queue.waitCycles;
  }

  get streamCount(): number {
    return 2 ** this.features.streamBits;
  }

  get faultCapacity(): number {
    return 2 ** this.interrupts.events.log2Size;
  }

  /** Everything off (Linux `arm_smmu_device_shutdown`). @returns whether the SMMU acknowledged it */
  shutdown(): boolean {
    return this.#reset.stop();
  }

  /**
   * Makes an address space: a table and a tag. Without a format it is stage 1 where the SMMU has it; page and address sizes are
   * those of the SMMU, and where several granules are left, the table narrows them as Linux does.
   * @param options.nestParent a stage 2 below which guests may have stages 1 of their own
   * @throws ConfigError, also for a table that this SMMU cannot walk, or TableMemoryError without memory for the first level.
   */
  createDomain(asked: DomainConfig = {}, options: { readonly nestParent?: boolean } = {}): Smmuv3Domain {
    return this.#domains.create(asked, options);
  }

  /** Frees the table (which flushes the TLB) and the tag. Detach its streams first. */
  freeDomain(domain: Smmuv3Domain): void {
    this.#domains.free(domain);
  }

  /**
   * Lets a stream, or one substream of it, use a domain, instead of the one that it used before.
   * @param substreamId 0 is what traffic without a SubstreamID uses
   * @throws ConfigError for what the stream or the SMMU cannot do; nothing has changed then.
   */
  attach(domain: Smmuv3Domain, streamId: number, substreamId = 0, options: AttachOptions = {}): void {
    this.#streams.attach(domain, streamId, substreamId, options);
  }

  /** A stream is ready for its device as soon as it is attached. */
  activate(_domain: Smmuv3Domain, streamId: number): number {
    return streamId;
  }

  idle(): void {}

  /** Traffic of a stream passes untranslated; its substreams stay with their domains. */
  attachBypass(streamId: number): void {
    this.#streams.attachBypass(streamId);
  }

  /**
   * Takes a stream, or one substream of it, away from its domain: that traffic aborts from now on, the stream's other substreams
   * go on. Nothing happens when it does not use the domain.
   */
  detach(domain: Smmuv3Domain, streamId: number, substreamId = 0): void {
    this.#streams.detach(domain, streamId, substreamId);
  }

  /**
   * Maps `[iova, iova + size)` to `[pa, pa + size)` in the largest pages that fit (Linux `iommu_map`, which takes 0 bytes for done).
   * On an error nothing stays mapped.
   * @returns 0 or a negative `Errno`.
   */
  map(domain: Smmuv3Domain, iova: number, pa: number, size: number, prot: number): number {
    return mapRange(this, domain, iova, pa, size, prot, this.#gather);
  }

  /**
   * Unmaps `[iova, iova + size)` up to the first hole (Linux `iommu_unmap_fast`). What is to be invalidated gathers in `gather`.
   * @returns bytes unmapped.
   */
  unmap(domain: Smmuv3Domain, iova: number, size: number, gather: IotlbGather): number {
    return unmapRange(domain, iova, size, gather);
  }

  /** Invalidates what `gather` holds and waits for it. */
  iotlbSync(domain: Smmuv3Domain, gather: IotlbGather): void {
    this.invalidator.sync(domain, gather);
  }

  /**
   * Reports the pages of a domain with `Quirk.ARM_HD` that devices wrote to in `[iova, iova + size)` and, unless `flags` has
   * `DirtyFlag.NO_CLEAR`, makes them clean and invalidates them: a TLB that knows a page as writable would not mark it again.
   * (Linux 6.12 gathers these ranges without a page size, for which its `arm_smmu_iotlb_sync` does nothing.)
   * @returns 0 or a negative `Errno`.
   */
  readAndClearDirty(domain: Smmuv3Domain, iova: number, size: number, flags: number, recorder: DirtyRecorder): number {
    const gather = this.#gather;
    const error = domain.table.readAndClearDirty(iova, size, flags, {
      record: (start, bytes) => {
        recorder.record(start, bytes);
        if ((flags & DirtyFlag.NO_CLEAR) === 0) this.invalidator.addPage(gather, start, bytes, domain);
      },
    });
    this.iotlbSync(domain, gather);
    return error;
  }

  /** Invalidates everything of a domain and waits for it: what a flush queue does. */
  flushDomain(domain: Smmuv3Domain): void {
    this.invalidator.flushDomain(domain);
  }

  /** Cycles that the CPU spent on event records. */
  get eventCycles(): number {
    return this.interrupts.eventCycles;
  }

  handleEvents(): number {
    return this.interrupts.handleEvents();
  }

  /** All counters as one plain object. */
  counters(): IommuCounters {
    const { queue, invalidator } = this;
    const commandsByName: Partial<Record<CommandName, number>> = {};
    for (const name of Object.keys(Opcode) as CommandName[]) {
      const count = queue.byOpcode[Opcode[name]] as number;
      if (count > 0) commandsByName[name] = count;
    }
    const { commands, syncs, cycles, waitCycles } = queue;
    const { byAddress, byWalkRange, all } = invalidator;
    const { taken: events } = this.interrupts.events;
    const { eventCycles } = this;
    return { commandsByName, commands, syncs, byAddress, byWalkRange, all, cycles, waitCycles, events, eventCycles };
  }
}

/** Coherent memory from the allocator of pages. */
function pagesOf(pages: TableAllocator, view: TableMemory): CoherentMemory {
  const rounded = (bytes: number): number => Math.max(bytes, CPU_PAGE);
  return {
    view,
    // Where there is none the allocator says so with a negative number.
    allocate: (bytes) => pages.alloc(null, rounded(bytes), Gfp.KERNEL | Gfp.ZERO),
    release: (pa, bytes) => pages.free(null, pa, rounded(bytes)),
  };
}
