import * as v from 'valibot';
import {
  allocIoPgtable,
  ConfigError,
  commonSizes,
  DirtyFlag,
  type DirtyRecorder,
  hasSize,
  type IoPgtableConfig,
  type IotlbGather,
  leafSizes,
  type Machine,
  newGather,
  PageCutter,
  PLAIN_BITS,
  Quirk,
  setField,
  type TableMemory,
} from '../../../formats/index.ts';
import { mapRange, unmapRange } from '../../dma-iommu/index.ts';
import type { DomainConfig, IommuCounters, IommuDriver } from '../../iommu.ts';
import type { Smmuv3 } from '../device/index.ts';
import {
  CFGI_RANGE_ALL,
  type CommandName,
  Cr0,
  Cr2,
  EVENT_BYTES,
  type EventRecord,
  featuresOf,
  Gbpa,
  IrqCtrl,
  Opcode,
  QUEUE_BASE,
  REGISTERS,
  type Smmuv3Features,
} from '../spec/index.ts';
import { DriverQueue } from './command-queue.ts';
import { type DriverConfig, DriverSchema } from './config.ts';
import type { DomainStage, Smmuv3Domain } from './domain.ts';
import { DriverEventQueue } from './event-queue.ts';
import { Identifiers } from './identifiers.ts';
import { Invalidator } from './invalidator.ts';
import { RangeCover } from './range-cover.ts';
import { type AttachOptions, DriverStreams } from './streams.ts';
import { DriverTables } from './tables.ts';

/**
 * Linux 6.12's arm-smmu-v3 driver, as far as translation goes: probes the SMMU, builds its stream table, queues and context
 * descriptors in memory, gives domains their tables and tags, and keeps the TLBs true.
 *
 *     const driver = new Smmuv3Driver({ smmu, machine });
 *     const domain = driver.createDomain({ pageSizes: 0x40201000 });
 *     driver.attach(domain, 0x100);
 *     driver.map(domain, iova, pa, size, Prot.READ | Prot.WRITE);
 *     driver.unmap(domain, iova, size, gather);
 *     driver.iotlbSync(domain, gather);
 *
 * Does not: shared virtual addressing, aliases and groups, power management, page requests, more than one CPU, a kernel at EL2
 * (whose streams would use EL2-E2H contexts).
 */
export class Smmuv3Driver implements IommuDriver {
  /** What the identification registers said. */
  readonly features: Smmuv3Features;
  readonly queue: DriverQueue;
  readonly tables: DriverTables;
  readonly invalidator: Invalidator;
  readonly streams: DriverStreams;
  /** Sees every event record that {@link handleEvents} takes from the queue. */
  onEvent: ((record: EventRecord) => void) | null = null;
  /** Never told: ASIDs and VMIDs stay with their domains. */
  onRetag: IommuDriver['onRetag'] = null;
  readonly eventQueue: DriverEventQueue;

  readonly #smmu: Smmuv3;
  readonly #machine: Machine;
  readonly #structures: TableMemory;
  readonly #config: DriverConfig;
  readonly #asids: Identifiers;
  readonly #vmids: Identifiers;
  readonly #gather = newGather();

  /**
   * Probes and starts an SMMU (Linux `arm_smmu_device_probe`).
   *
   * @param parts.machine what page-table code needs; `pages` also gives the memory of queues and structures
   * @param parts.structures the CPU's view of coherent memory; default `machine.memory`, which an SMMU that does not snoop must not have
   * @throws ConfigError for a wrong configuration, an SMMU that cannot translate, or too little memory
   */
  constructor(parts: {
    smmu: Smmuv3;
    machine: Machine;
    structures?: TableMemory;
    config?: v.InferInput<typeof DriverSchema>;
  }) {
    const parsed = v.safeParse(DriverSchema, parts.config ?? {});
    if (!parsed.success) {
      const issue = parsed.issues[0];
      throw new ConfigError(`driver.${v.getDotPath(issue) ?? ''}`, issue.input, issue.message);
    }
    const { smmu, machine } = parts;
    const config = parsed.output;
    this.#smmu = smmu;
    this.#machine = machine;
    this.#structures = parts.structures ?? machine.memory;
    this.#config = config;
    const id = (register: keyof typeof REGISTERS): number => smmu.read32(REGISTERS[register].offset);
    const features = featuresOf([id('IDR0'), id('IDR1'), id('IDR2'), id('IDR3'), id('IDR4'), id('IDR5')]);
    if (!features.stage1 && !features.stage2)
      throw new ConfigError('smmu.features.stage1', false, 'stage 1 or stage 2');
    this.features = features;
    this.#asids = new Identifiers('asid', features.asidBits);
    this.#vmids = new Identifiers('vmid', features.vmidBits);
    this.tables = new DriverTables(features, this.#structures, machine.pages);
    const commandBits = Math.min(config.commandQueueBits, features.commandQueueBits);
    if (2 ** commandBits <= config.batch) {
      throw new ConfigError('driver.batch', config.batch, `less than the command queue's ${2 ** commandBits} entries`);
    }
    const commandBase = this.tables.allocate(16 * 2 ** commandBits);
    this.queue = new DriverQueue(smmu, this.#structures, config, commandBase, commandBits);
    this.invalidator = new Invalidator(this.queue, config.bugs);
    this.streams = new DriverStreams(features, this.queue, this.tables, this.invalidator);
    const eventBits = Math.min(config.eventQueueBits, features.eventQueueBits);
    const eventBase = this.tables.allocate(EVENT_BYTES * 2 ** eventBits);
    this.eventQueue = new DriverEventQueue(smmu, this.#structures, eventBase, eventBits);
    this.#reset(commandBase, commandBits);
  }

  /** Cycle at which the driver's CPU is. Set it before a call to say when the call begins; the call moves it on. */
  get now(): number {
    return this.queue.now;
  }

  set now(cycle: number) {
    this.queue.now = cycle;
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
    return 2 ** this.eventQueue.log2Size;
  }

  /** Event records handled. */
  get events(): number {
    return this.eventQueue.handled;
  }

  /** Cycles that the CPU spent on event records. */
  get eventCycles(): number {
    return this.eventQueue.handled * this.#config.cost.event;
  }

  /** Linux `arm_smmu_device_reset`: everything off, structures and queues in place, everything on. */
  #reset(commandBase: number, commandBits: number): void {
    const write = (register: keyof typeof REGISTERS, value: number): void =>
      this.#smmu.write32(REGISTERS[register].offset, value);
    const smmu = this.#smmu;
    // Left on by firmware: nothing may pass untranslated while it is off.
    if ((smmu.read32(REGISTERS.CR0.offset) & Cr0.SMMUEN) !== 0) write('GBPA', Gbpa.UPDATE | Gbpa.ABORT);
    write('CR0', 0);
    // Write-back, inner shareable, for tables and queues.
    write('CR1', 0xd75);
    // E2H stays clear: contexts are EL1 ones, as Linux has them on CPUs whose kernel does not run at EL2 (without VHE).
    write('CR2', Cr2.PTM | Cr2.RECINVSID);
    this.#writeBase(REGISTERS.STRTAB_BASE.offset, this.tables.base, 0);
    write('STRTAB_BASE_CFG', this.tables.configuration);
    this.#writeBase(REGISTERS.CMDQ_BASE.offset, commandBase, commandBits);
    write('CMDQ_PROD', 0);
    write('CMDQ_CONS', 0);
    write('CR0', Cr0.CMDQEN);
    this.queue.add('CFGI_STE_RANGE', { Range: CFGI_RANGE_ALL });
    this.queue.sync();
    if (this.features.el2) this.queue.add('TLBI_EL2_ALL', {});
    this.queue.add('TLBI_NSNH_ALL', {});
    this.queue.sync();
    this.#writeBase(REGISTERS.EVENTQ_BASE.offset, this.eventQueue.base, this.eventQueue.log2Size);
    write('EVENTQ_PROD', 0);
    write('EVENTQ_CONS', 0);
    const queues = Cr0.CMDQEN | Cr0.EVENTQEN | (this.features.ats ? Cr0.ATSCHK : 0);
    write('CR0', queues);
    write('IRQ_CTRL', 0);
    smmu.write64(REGISTERS.GERROR_IRQ_CFG0.offset, 0, 0);
    smmu.write64(REGISTERS.EVENTQ_IRQ_CFG0.offset, 0, 0);
    write('IRQ_CTRL', IrqCtrl.GERROR | IrqCtrl.EVENTQ);
    write('CR0', queues | Cr0.SMMUEN);
  }

  /** Writes a base register of 64 bits: an address, and the size of a queue. */
  #writeBase(offset: number, pa: number, log2Size: number): void {
    const words = new Uint32Array(2);
    setField(words, 0, QUEUE_BASE.ADDR, pa);
    setField(words, 0, QUEUE_BASE.LOG2SIZE, log2Size);
    setField(words, 0, QUEUE_BASE.ALLOCATE, 1);
    this.#smmu.write64(offset, words[0] as number, words[1] as number);
  }

  /**
   * Makes an address space: a table and a tag. Without a format it is stage 1 where the SMMU has it; page and address sizes are
   * those of the SMMU, and where several granules are left, the table narrows them as Linux does.
   * @throws ConfigError, also for a table that this SMMU cannot walk, or TableMemoryError without memory for the first level.
   */
  createDomain(asked: DomainConfig = {}): Smmuv3Domain {
    const { features } = this;
    const format = asked.format ?? (features.stage1 ? 'ARM_64_LPAE_S1' : 'ARM_64_LPAE_S2');
    if (format !== 'ARM_64_LPAE_S1' && format !== 'ARM_64_LPAE_S2') {
      throw new ConfigError(
        'table.format',
        format,
        'ARM_64_LPAE_S1 or ARM_64_LPAE_S2: the tables that an SMMUv3 walks',
      );
    }
    const stage: DomainStage = format === 'ARM_64_LPAE_S1' ? 'stage-1' : 'stage-2';
    if (!(stage === 'stage-1' ? features.stage1 : features.stage2)) {
      throw new ConfigError('table.format', format, 'a stage that the SMMU has');
    }
    const coherentWalk = asked.coherentWalk ?? features.coherent;
    if (coherentWalk && !features.coherent) {
      throw new ConfigError('table.coherentWalk', true, 'false: the walks of this SMMU do not snoop');
    }
    if (((asked.quirks ?? 0) & Quirk.ARM_HD) !== 0 && features.hardwareUpdate < 2) {
      throw new ConfigError('table.quirks', asked.quirks, 'no ARM_HD: this SMMU does not mark pages dirty');
    }
    const domain: { -readonly [K in keyof Smmuv3Domain]?: Smmuv3Domain[K] } = {};
    const table = allocIoPgtable(
      {
        ...asked,
        format,
        ...this.#sizes(asked, stage),
        coherentWalk,
        tlb: this.invalidator,
      },
      this.#machine,
      domain,
    );
    const cutter = new PageCutter(table.config.pageSizes);
    domain.table = table;
    domain.stage = stage;
    domain.tag = stage === 'stage-1' ? this.#asids.take() : this.#vmids.take();
    domain.asid = stage === 'stage-1' ? domain.tag : 0;
    domain.vmid = stage === 'stage-1' ? 0 : domain.tag;
    domain.upper = (table.config.quirks & Quirk.ARM_TTBR1) !== 0;
    domain.attachments = new Set();
    domain.cutter = cutter;
    domain.cover = new RangeCover(Math.log2(cutter.smallest), features.rangeInvalidation && this.#config.useRanges);
    domain.mapped = 0;
    return domain as Smmuv3Domain;
  }

  /** Page and address sizes of a table, defaults filled in (Linux `arm_smmu_domain_finalise`). */
  #sizes(asked: DomainConfig, stage: DomainStage): Pick<IoPgtableConfig, 'pageSizes' | 'ias' | 'oas'> {
    const { granules, outputBits, inputBits52 } = this.features;
    const offered = granules.reduce((sum, granule) => sum + leafSizes(granule, outputBits), 0);
    const pageSizes = asked.pageSizes === undefined ? offered : commonSizes(asked.pageSizes, offered);
    if (!granules.some((granule) => hasSize(pageSizes, 2 ** granule))) {
      const names = granules.map((granule) => `${2 ** (granule - 10)}K`).join(', ');
      throw new ConfigError('table.pageSizes', asked.pageSizes, `a set with a granule of the SMMU: ${names}`);
    }
    const within = (field: 'ias' | 'oas', most: number): number => {
      const bits = asked[field] ?? most;
      if (bits > most) throw new ConfigError(`table.${field}`, bits, `at most ${most}, what the SMMU has`);
      return bits;
    };
    // The input of stage 2 is what stage 1 could have put out.
    const inputBits = stage === 'stage-2' ? outputBits : inputBits52 ? 52 : PLAIN_BITS;
    return { pageSizes, ias: within('ias', inputBits), oas: within('oas', outputBits) };
  }

  /** Frees the table (which flushes the TLB) and the tag. Detach its streams first. */
  freeDomain(domain: Smmuv3Domain): void {
    domain.table.free();
    if (domain.stage === 'stage-1') this.#asids.release(domain.tag);
    else this.#vmids.release(domain.tag);
  }

  /**
   * Lets a stream, or one substream of it, use a domain, instead of the one that it used before.
   * @param substreamId 0 is what traffic without a SubstreamID uses
   * @throws ConfigError for what the stream or the SMMU cannot do; nothing has changed then.
   */
  attach(domain: Smmuv3Domain, streamId: number, substreamId = 0, options: AttachOptions = {}): void {
    this.streams.attach(domain, streamId, substreamId, options);
  }

  /** A stream is ready for its device as soon as it is attached. */
  activate(_domain: Smmuv3Domain, streamId: number): number {
    return streamId;
  }

  idle(): void {}

  /** Traffic of a stream passes untranslated; its substreams stay with their domains. */
  attachBypass(streamId: number): void {
    this.streams.attachBypass(streamId);
  }

  /**
   * Takes a stream, or one substream of it, away from its domain: that traffic aborts from now on, the stream's other substreams
   * go on. Nothing happens when it does not use the domain.
   */
  detach(domain: Smmuv3Domain, streamId: number, substreamId = 0): void {
    this.streams.detach(domain, streamId, substreamId);
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

  /** Takes every record from the event queue and acknowledges an overflow. @returns how many. */
  handleEvents(): number {
    const handled = this.eventQueue.drain(this.onEvent);
    this.queue.now += handled * this.#config.cost.event;
    return handled;
  }

  /** Answers a stalled transaction, from its event record. There is nothing to wait for: a SYNC says nothing about it. */
  respond(record: EventRecord, answer: 'retry' | 'abort'): void {
    const { StreamID = 0, STAG = 0 } = record.fields;
    this.queue.add('RESUME', { StreamID, STAG, Ac: Number(answer === 'retry'), Ab: Number(answer === 'abort') });
    this.queue.flush();
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
    const { events, eventCycles } = this;
    return { commandsByName, commands, syncs, byAddress, byWalkRange, all, cycles, waitCycles, events, eventCycles };
  }
}
