import {
  allocIoPgtable,
  Errno,
  Gfp,
  hexText,
  type IoPgtableConfig,
  type IotlbGather,
  Quirk,
  type Machine as TableMachine,
  TableMemoryError,
} from '../../../formats/index.ts';
import type { RegisterPort } from '../../registers/index.ts';
import { GR0, SCR0, StreamType } from '../spec/index.ts';
import {
  ContextBanks,
  type ContextFault,
  type DriverLog,
  FaultAnswer,
  FaultHandlers,
  TranslationOperation,
} from './banks/index.ts';
import type { DomainContext, DomainOptions, Smmuv2Domain } from './domain.ts';
import { readFeatures, type Smmuv2Features } from './features.ts';
import { ARM_SMMU_KERNELS, type ArmSmmuKernel, SMMU_MODELS, type SmmuModel } from './models.ts';
import { type Smmuv2DriverOptions, TIMELESS } from './options.ts';
import { setUpMmu500, workingControl } from './set-up.ts';
import { SplitPort } from './split-port.ts';
import { type StreamId, StreamMap } from './stream-map.ts';
import { ANY_VALUE, TlbMaintenance } from './tlb-maintenance.ts';

/** Linux numbers that {@link Errno} lacks. */
const ENOSPC = 28;
const ENODEV = 19;

/** A device behind the SMMU. */
export interface Smmuv2Master {
  /** Stream mapping groups of its streams, in the order of its ids. */
  readonly groups: readonly number[];
}

/**
 * Linux's arm-smmu driver on the registers of an SMMUv1, SMMUv2 or MMU-500: probe, reset, stream mapping, context banks, TLB
 * maintenance, address translation operations, faults. Held access for access against the real driver of Linux 6.12 and 7.3.
 *
 * Does not: take over mappings that firmware left (RMR regions), the short-descriptor format (a 64-bit kernel never picks it),
 * Qualcomm's and NVIDIA's variants, runtime power management beyond {@link resume}.
 */
export class Smmuv2Driver {
  readonly features: Smmuv2Features;
  readonly streams: StreamMap;
  readonly maintenance: TlbMaintenance;
  readonly kernel: ArmSmmuKernel;
  readonly #model: SmmuModel;
  readonly #port: RegisterPort;
  readonly #machine: TableMachine;
  readonly #log: DriverLog;
  readonly #faultsWhenIdle: boolean;
  readonly #banks: ContextBanks;
  readonly #bankUsed: boolean[];
  readonly #faults: FaultHandlers;
  readonly #operation: TranslationOperation;
  readonly #interrupts: number;
  #lastInterrupt = 0;

  /**
   * Probes and resets the SMMU.
   * @param machine where tables lie
   * @throws NoSmmuError for an SMMU that cannot be driven
   */
  constructor(port: RegisterPort, machine: TableMachine, options: Smmuv2DriverOptions = {}) {
    const { compatible = 'arm,mmu-500', kernel = '6.12', coherentWalk = false, disableBypass = true } = options;
    this.#model = SMMU_MODELS[compatible];
    this.kernel = ARM_SMMU_KERNELS[kernel];
    this.#port = this.#model.splits64 ? new SplitPort(port) : port;
    this.#machine = machine;
    this.#log = options.log ?? (() => {});
    this.#faultsWhenIdle = disableBypass;
    this.#interrupts = options.contextInterrupts ?? 1;
    const { forceStage = 0 } = options;
    this.features = readFeatures(this.#port, {
      model: this.#model,
      coherentWalk,
      forceStage,
      checkRegion: ({ size }) => this.#checkRegion(size, options.regionSize ?? size),
    });
    const { pages } = this.features;
    this.streams = new StreamMap(this.#port, this.features, disableBypass);
    this.#banks = new ContextBanks(this.#port, this.features, this.#model, options.stalls ?? false);
    this.#bankUsed = new Array(this.features.contextBanks).fill(false);
    this.maintenance = new TlbMaintenance(this.#port, pages, {
      version: this.#model.version,
      walkByAsid: options.walkByAsid ?? false,
      clock: options.clock ?? TIMELESS,
      timedOut: () => this.#log('err', 'a TLB sync does not end: the SMMU may be deadlocked'),
    });
    this.#faults = new FaultHandlers(this.#port, pages, this.kernel, this.#log);
    this.#operation = new TranslationOperation(this.#port, pages, this.kernel, this.#log);
    // Until the reset below lets it work, the SMMU lets everything pass.
    this.#port.write32(GR0.sCR0.offset, (this.#port.read32(GR0.sCR0.offset) | SCR0.CLIENTPD.lowMask) >>> 0);
    this.reset();
    this.streams.measure();
  }

  /** Writes all registers as they should be: at probe, and when power comes back (Linux `arm_smmu_device_reset`). */
  reset(): void {
    const port = this.#port;
    port.write32(GR0.sGFSR.offset, port.read32(GR0.sGFSR.offset));
    this.streams.writeAll();
    this.#banks.writeAll();
    port.write32(GR0.TLBIALLH.offset, ANY_VALUE);
    port.write32(GR0.TLBIALLNSNH.offset, ANY_VALUE);
    const found = port.read32(GR0.sCR0.offset);
    if (this.#model.mmu500) setUpMmu500(port, this.features, this.#log);
    this.maintenance.syncGlobal();
    port.write32(GR0.sCR0.offset, workingControl(found, this.features, this.#faultsWhenIdle));
  }

  /** Power is back, and the registers are at their reset values. */
  resume(): void {
    this.reset();
  }

  /** Translation off: everything passes. */
  shutdown(): void {
    this.#port.write32(GR0.sCR0.offset, SCR0.CLIENTPD.lowMask);
  }

  /**
   * A device appears.
   * @returns the device, or a negative error number: -EINVAL for an id that the SMMU cannot match or that overlaps another group's,
   * -ENOSPC when there is no group left
   */
  probeDevice(ids: readonly StreamId[]): Smmuv2Master | number {
    const { idMask, maskMask } = this.streams;
    for (const { id, mask } of ids) {
      if ((id & ~idMask) !== 0) {
        this.#log('err', `stream id ${hexText(id)} is beyond ${hexText(idMask)}`);
        return -Errno.EINVAL;
      }
      if ((mask & ~maskMask) !== 0) {
        this.#log('err', `stream mask ${hexText(mask)} is beyond ${hexText(maskMask)}`);
        return -Errno.EINVAL;
      }
    }
    const groups: number[] = [];
    const result = this.streams.claim(ids, groups);
    return result === 0 ? { groups } : result;
  }

  /** A device goes away: groups that nobody else uses become idle. */
  releaseDevice({ groups }: Smmuv2Master): void {
    this.streams.release(groups);
  }

  /** A domain that no SMMU knows yet. */
  createDomain(options: DomainOptions = {}): Smmuv2Domain {
    return { nesting: options.nesting ?? false, upper: options.upper ?? false, context: null };
  }

  /**
   * Makes a domain's table and its context bank, if it has none yet.
   * @returns 0, -ENOSPC without a free bank, -ENOMEM without memory for the first-level table, -ENODEV without a format
   */
  finishDomain(domain: Smmuv2Domain): number {
    try {
      return this.makeContext(domain);
    } catch (error) {
      if (error instanceof TableMemoryError) return -Errno.ENOMEM;
      throw error;
    }
  }

  /**
   * {@link finishDomain} for whoever wants the table otherwise than Linux makes it.
   * @param asked fields of the table's configuration; its format decides the stage
   * @throws ConfigError for a table that cannot be, TableMemoryError without memory for the first-level table
   */
  makeContext(domain: Smmuv2Domain, asked: Partial<IoPgtableConfig> = {}): number {
    if (domain.context !== null) return 0;
    const { features } = this;
    const stage = asked.format === undefined ? this.#stageOf(domain) : asked.format.endsWith('S1') ? 1 : 2;
    const plain = this.#tableConfig(stage, domain.upper);
    if (plain === null) return -ENODEV;
    const bank = this.#bankUsed.indexOf(false, stage === 1 ? features.stage2Banks : 0);
    if (bank < 0) return -ENOSPC;
    const table = allocIoPgtable({ ...plain, ...asked }, this.#machine, domain);
    const context: DomainContext = {
      stage,
      aarch64: table.config.format.startsWith('ARM_64'),
      table,
      bank,
      tag: this.#tag(domain, stage, bank),
      interrupt: this.#interrupt(bank),
      upper: domain.upper,
    };
    this.#bankUsed[bank] = true;
    domain.context = context;
    this.#writeBank(context);
    return 0;
  }

  /** Sends a device's streams through a domain. @returns as {@link finishDomain} */
  attach(master: Smmuv2Master, domain: Smmuv2Domain): number {
    const result = this.finishDomain(domain);
    if (result !== 0) return result;
    this.streams.route(master.groups, StreamType.TRANSLATION, contextOf(domain).bank);
    return 0;
  }

  /** Lets a device's accesses pass untranslated. */
  attachIdentity(master: Smmuv2Master): void {
    this.streams.route(master.groups, StreamType.BYPASS, 0);
  }

  /** Refuses a device's accesses. */
  attachBlocked(master: Smmuv2Master): void {
    this.streams.route(master.groups, StreamType.FAULT, 0);
  }

  /** Turns a domain's bank off and frees its tables. Streams that still go there pass untranslated from then on: the bank is off. */
  freeDomain(domain: Smmuv2Domain): void {
    const { context } = domain;
    if (context === null) return;
    this.#banks.set(context.bank, null);
    context.table.free();
    this.#bankUsed[context.bank] = false;
    domain.context = null;
  }

  /** @returns 0 or a negative error number; what was mapped is in the table's `mapped` */
  map(domain: Smmuv2Domain, iova: number, pa: number, pageSize: number, count: number, prot: number): number {
    return contextOf(domain).table.mapPages(iova, pa, pageSize, count, prot, Gfp.KERNEL);
  }

  /** @returns bytes unmapped. The TLB is told of each page, and waited for by {@link sync}. */
  unmap(domain: Smmuv2Domain, iova: number, pageSize: number, count: number, gather: IotlbGather | null): number {
    return contextOf(domain).table.unmapPages(iova, pageSize, count, gather);
  }

  /** Waits until what was unmapped is out of the TLBs. */
  sync(domain: Smmuv2Domain): void {
    if (domain.context !== null) this.maintenance.sync(domain.context);
  }

  /** Drops everything of a domain from the TLBs, and waits. */
  flushAll(domain: Smmuv2Domain): void {
    if (domain.context !== null) this.maintenance.all(domain.context);
  }

  /**
   * Where an address goes: the SMMU is asked where it can say, else the table is walked.
   * @param upper the address has all bits above the input size set; `iova` has its low bits
   * @returns the physical address; 0 for none
   */
  iovaToPhys(domain: Smmuv2Domain, iova: number, upper = domain.upper): number {
    const { context } = domain;
    if (context === null) return 0;
    if (this.features.translationOps && context.stage === 1) return this.#operation.physical(context, iova, upper);
    return context.table.iovaToPhys(iova);
  }

  /**
   * The interrupt of a domain's bank.
   * @param handler what the user of the domain answers; without one the fault is only reported
   * @returns whether the interrupt was this bank's
   */
  contextFault(domain: Smmuv2Domain, handler: ((fault: ContextFault) => number) | null = null): boolean {
    return this.#faults.context(contextOf(domain).bank, handler ?? (() => FaultAnswer.NONE));
  }

  /** The global fault interrupt. @returns whether there was a fault */
  globalFault(): boolean {
    return this.#faults.global();
  }

  #checkRegion(size: number, mapped: number): void {
    if (size !== mapped) {
      this.#log('warn', `the SMMU has ${hexText(size)} bytes of registers, ${hexText(mapped)} are mapped`);
    }
  }

  /** Stage 1 where the SMMU has it, but for a guest's stage 1 stage 2. */
  #stageOf({ nesting }: Smmuv2Domain): 1 | 2 {
    const { stage1, stage2 } = this.features;
    return stage1 && !(nesting && stage2) ? 1 : 2;
  }

  /** Format and sizes of a stage's tables: AArch64 where the SMMU has it. */
  #tableConfig(stage: 1 | 2, upper: boolean): IoPgtableConfig | null {
    const { features } = this;
    const { long32, granule4k, granule16k, granule64k } = features.formats;
    const aarch64 = granule4k || granule16k || granule64k;
    if (!aarch64 && !long32) return null;
    const [ias, oas] = stage === 1 ? [features.vaBits, features.ipaBits] : [features.ipaBits, features.paBits];
    const shared = {
      pageSizes: features.pageSizes,
      coherentWalk: features.coherentWalk,
      tlb: this.maintenance,
      linux: this.kernel.version,
      quirks: upper && stage === 1 ? Quirk.ARM_TTBR1 : 0,
    };
    if (aarch64) return { ...shared, format: stage === 1 ? 'ARM_64_LPAE_S1' : 'ARM_64_LPAE_S2', ias, oas };
    return {
      ...shared,
      format: stage === 1 ? 'ARM_32_LPAE_S1' : 'ARM_32_LPAE_S2',
      ias: Math.min(ias, stage === 1 ? 32 : 40),
      oas: Math.min(oas, 40),
    };
  }

  /** ASID or VMID. Linux numbers the VMIDs of nesting domains as if they were ASIDs, since 0 is its own VMID otherwise. */
  #tag({ nesting }: Smmuv2Domain, stage: 1 | 2, bank: number): number {
    const nests = nesting && this.features.stage1 && this.features.stage2;
    return stage === 2 && !nests ? bank + 1 : bank;
  }

  /** An SMMUv1 has fewer interrupts than banks, and hands them out in turn. */
  #interrupt(bank: number): number {
    if (this.#model.version === 2) return bank;
    this.#lastInterrupt++;
    return this.#lastInterrupt % this.#interrupts;
  }

  #writeBank({ stage, aarch64, tag, upper, interrupt, bank, table }: DomainContext): void {
    const { registers } = table;
    if (registers.kind !== 'stage-1' && registers.kind !== 'stage-2') throw new Error('a table that is no LPAE table');
    this.#banks.set(bank, { stage, aarch64, tag, upper, interrupt, registers });
  }
}

function contextOf(domain: Smmuv2Domain): DomainContext {
  if (domain.context === null) throw new Error('a domain that was never attached');
  return domain.context;
}
