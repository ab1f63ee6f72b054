/**
 * Panfrost as the contract of every MMU wants it: domains are contexts, a stream is a name of a job's master, and a domain is given an
 * address space of the hardware when it is about to be used.
 *
 * What differs from the real driver's own face: the protection of a mapping is the caller's (panfrost maps everything readable and
 * writable); a map that fails leaves nothing behind also in 6.12; an unmap stops at the first hole.
 */
import {
  allocIoPgtable,
  ConfigError,
  commonSizes,
  Errno,
  type IoPgtable,
  type IoPgtableConfig,
  type IotlbGather,
  type Machine,
  NO_PAGES,
  PageCutter,
  Prng,
} from '../../../../formats/index.ts';
import type { StepListener } from '../../../cpus/index.ts';
import type { DomainConfig, IommuCounters, IommuDriver } from '../../../iommu.ts';
import type { PlantedBugsConfig } from '../../../planted-bugs/index.ts';
import type { MaliMmu } from '../../device/index.ts';
import { AS_COMMAND_NAMES, AsCommand, MMU_CONTROL, WHOLE_SPACE } from '../../spec/index.ts';
import { DriverCpu } from '../driver-cpu.ts';
import { IrqReturn } from '../irq-return.ts';
import { MaliDomain } from '../mali-domain.ts';
import { MALI_PAGE_SIZES, PageRun } from '../page-runs.ts';
import type { PanfrostContext } from './context.ts';
import { PanfrostDriver } from './driver.ts';
import type { PanfrostPorts } from './ports.ts';
import type { PanfrostProfile } from './profile.ts';

export type PanfrostDomain = MaliDomain<PanfrostContext>;

export class PanfrostIommuDriver implements IommuDriver {
  readonly flushesAfterFree = true;
  readonly panfrost: PanfrostDriver;
  onRetag: IommuDriver['onRetag'] = null;
  /** Resets of the GPU that a stuck address space ended in. */
  resets = 0;
  readonly #device: MaliMmu;
  readonly #cpu: DriverCpu;
  readonly #machine: Machine;
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;
  readonly #run = new PageRun();
  readonly #domains = new Set<PanfrostDomain>();
  #made = 0;
  #byAddress = 0;
  #all = 0;
  #events = 0;
  /** Cycles that the driver spent on faults. */
  eventCycles = 0;
  /** The configuration that the next table is made with; the driver hands on what it makes of it. */
  #asked: DomainConfig = {};
  #table: IoPgtable | null = null;

  constructor(parts: {
    readonly profile: PanfrostProfile;
    readonly device: MaliMmu;
    readonly machine: Machine;
    readonly coherent: boolean;
    readonly bugs: PlantedBugsConfig;
  }) {
    const { device, machine } = parts;
    this.#device = device;
    this.#machine = machine;
    this.#bugs = parts.bugs;
    this.#prng = new Prng(parts.bugs.seed);
    this.#cpu = new DriverCpu(device, parts.bugs);
    const { asPresent, vaBits, paBits } = device.config;
    const features = { asPresent, vaBits, paBits, coherent: parts.coherent, aarch64Mmu: true, aarch64Tables: true };
    const profile = { ...parts.profile, undoesFailedMaps: true };
    this.panfrost = new PanfrostDriver(profile, features, this.#ports());
    this.panfrost.reset();
  }

  get now(): number {
    return this.#cpu.now;
  }

  set now(cycle: number) {
    this.#cpu.now = cycle;
  }

  get onStep(): StepListener | null {
    return this.#cpu.onStep;
  }

  set onStep(listener: StepListener | null) {
    this.#cpu.onStep = listener;
  }

  get cycles(): number {
    return this.#cpu.cycles;
  }

  get waitCycles(): number {
    return this.#cpu.waitCycles;
  }

  /** A stream is but a name of what uses a domain; its requests carry the number of the address space. */
  readonly streamCount = 2 ** 16;

  /** One per address space. */
  get faultCapacity(): number {
    return this.#device.spaces.size;
  }

  createDomain(asked: DomainConfig = {}): PanfrostDomain {
    const { features, profile } = this.panfrost;
    const format = asked.format ?? 'ARM_MALI_LPAE';
    const aarch64 = format === 'ARM_64_LPAE_S1';
    if (format !== 'ARM_MALI_LPAE' && !(aarch64 && profile.offersAarch64)) {
      throw new ConfigError(
        'table.format',
        format,
        `ARM_MALI_LPAE${profile.offersAarch64 ? ' or ARM_64_LPAE_S1' : ''}: what this driver makes`,
      );
    }
    const pageSizes = commonSizes(asked.pageSizes ?? MALI_PAGE_SIZES, MALI_PAGE_SIZES);
    if (pageSizes !== MALI_PAGE_SIZES) {
      throw new ConfigError('table.pageSizes', asked.pageSizes, 'a set with 4 KiB and 2 MiB pages');
    }
    const within = (field: 'ias' | 'oas', most: number): number => {
      const bits = asked[field] ?? most;
      if (bits > most) throw new ConfigError(`table.${field}`, bits, `at most ${most}, what the GPU has`);
      return bits;
    };
    const vaBits = within('ias', features.vaBits);
    const paBits = within('oas', features.paBits);
    this.#asked = { ...asked, ias: vaBits, oas: paBits };
    const context = this.panfrost.createContext({ aarch64, vaBits, paBits });
    const table = this.#table;
    if (typeof context === 'number' || table === null) {
      throw new ConfigError('table.oas', features.paBits, 'at most 40 with ARM_MALI_LPAE');
    }
    const domain = new MaliDomain(table, context, new PageCutter(table.config.pageSizes), this.#made++);
    this.#domains.add(domain);
    return domain;
  }

  freeDomain(domain: PanfrostDomain): void {
    this.#cpu.measure(() => this.panfrost.spaces.release(domain.context));
    this.#retag();
    this.#domains.delete(domain);
    domain.table.free();
  }

  attach(domain: PanfrostDomain, streamId: number): void {
    if (streamId < 0 || streamId >= this.streamCount) {
      throw new ConfigError('streamId', streamId, `0 to ${this.streamCount - 1}`);
    }
    for (const other of this.#domains) this.detach(other, streamId);
    domain.streams.add(streamId);
  }

  detach(domain: PanfrostDomain, streamId: number): void {
    if (!domain.streams.delete(streamId) || domain.streams.size > 0) return;
    this.#cpu.measure(() => this.panfrost.spaces.release(domain.context));
    domain.context.users = 0;
    this.#retag();
  }

  activate(domain: PanfrostDomain): number {
    const slot = this.#cpu.measure(() => this.panfrost.asGet(domain.context));
    this.#retag();
    return slot;
  }

  idle(domain: PanfrostDomain): void {
    if (domain.context.users > 0) this.panfrost.asPut(domain.context);
  }

  map(domain: PanfrostDomain, iova: number, pa: number, size: number, prot: number): number {
    domain.mapped = 0;
    if (size < 0 || !domain.cutter.aligned(iova, pa, size)) return -Errno.EINVAL;
    if (size === 0) return 0;
    const segments = [{ pa, size }];
    const ret = this.#cpu.measure(() => this.panfrost.mappings.mapSegments(domain.context, iova, segments, prot));
    this.#resetIfStuck();
    if (ret === 0) domain.mapped = size;
    return ret;
  }

  /** Invalidates at once: the gather stays empty. */
  unmap(domain: PanfrostDomain, iova: number, size: number, gather: IotlbGather): number {
    const { table, cutter } = domain;
    if (!cutter.aligned(iova, 0, size)) return 0;
    const run = this.#run;
    let done = 0;
    while (done < size) {
      run.first(iova + done, size - done);
      const unmapped = table.unmapPages(iova + done, run.pageSize, run.count, gather);
      if (unmapped === 0) break;
      done += unmapped;
    }
    if (done > 0) this.#flush(domain.context, iova, done);
    return done;
  }

  iotlbSync(_domain: PanfrostDomain, gather: IotlbGather): void {
    gather.start = Number.MAX_SAFE_INTEGER;
    gather.end = 0;
    gather.pageSize = 0;
  }

  flushDomain(domain: PanfrostDomain): void {
    this.#all++;
    const { slot } = domain.context;
    this.#cpu.measure(() => this.panfrost.commands.run(slot, AsCommand.FLUSH_PT, 0, WHOLE_SPACE));
    this.#resetIfStuck();
  }

  handleEvents(): number {
    const before = this.#cpu.now;
    const handled = this.panfrost.faults;
    if (this.panfrost.handleInterrupt() === IrqReturn.WAKE_THREAD) this.panfrost.serveInterrupt();
    const count = this.panfrost.faults - handled + this.#timeOut();
    this.#events += count;
    this.eventCycles += this.#cpu.now - before;
    this.#resetIfStuck();
    return count;
  }

  counters(): IommuCounters {
    const { given, waits } = this.panfrost.commands;
    const commandsByName: Record<string, number> = {};
    for (const [number, name] of Object.entries(AS_COMMAND_NAMES)) {
      const count = given[Number(number)] ?? 0;
      if (count > 0) commandsByName[name] = count;
    }
    return {
      byAddress: this.#byAddress,
      byWalkRange: 0,
      all: this.#all,
      commands: given.reduce((sum, count) => sum + count, 0),
      syncs: waits,
      commandsByName,
      cycles: this.cycles,
      waitCycles: this.waitCycles,
      events: this.#events,
      eventCycles: this.eventCycles,
    };
  }

  /** FLUSH_PT over a range, with the planted bugs. */
  #flush(context: PanfrostContext, iova: number, size: number): void {
    if (context.slot < 0 || this.#prng.chance(this.#bugs.skipInvalidation)) return;
    const whole = this.#prng.chance(this.#bugs.wholeSpace);
    if (whole) this.#all++;
    else this.#byAddress++;
    this.#cpu.measure(() =>
      this.panfrost.commands.run(context.slot, AsCommand.FLUSH_PT, whole ? 0 : iova, whole ? WHOLE_SPACE : size),
    );
    this.#resetIfStuck();
  }

  /** Contexts get and lose address spaces: whoever watches the TLBs must know. */
  #retag(): void {
    for (const domain of this.#domains) if (domain.retag()) this.onRetag?.(domain);
    this.#resetIfStuck();
  }

  /**
   * panfrost leaves the interrupt of an address space masked when it hands it out again after a fault (until the next write of the mask),
   * so nobody is told of the next fault there: the job that waits for it runs into its time limit, and the GPU is reset.
   * @returns faults that ended in this way
   */
  #timeOut(): number {
    const { offset } = MMU_CONTROL.MMU_INT_RAWSTAT;
    let unseen = 0;
    for (let rest = this.#device.read32(offset) & 0xffff; rest !== 0; rest &= rest - 1) unseen++;
    if (unseen > 0) this.panfrost.resetPending = true;
    return unseen;
  }

  /** The worker that a stuck address space queued: the GPU is reset, and everybody gets an address space anew. */
  #resetIfStuck(): void {
    if (!this.panfrost.resetPending) return;
    this.resets++;
    this.#device.reset();
    this.panfrost.reset();
    for (const domain of this.#domains) if (domain.retag()) this.onRetag?.(domain);
  }

  #ports(): PanfrostPorts {
    return {
      registers: this.#cpu,
      createTable: (config: IoPgtableConfig) => {
        this.#table = allocIoPgtable({ ...config, ...this.#asked, format: config.format }, this.#machine, null);
        return this.#table;
      },
      // Machines map what a capture says; heaps that grow by themselves are the GPU model's.
      allocPage: () => NO_PAGES,
      mapForDevice: () => [],
      isAwake: () => true,
      queueReset: () => {},
      warn: () => {},
      log: (message) => this.#machine.log?.(message),
    };
  }
}
