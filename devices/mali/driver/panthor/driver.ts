/**
 * Panthor as the driver of a machine's MMU: every domain is a VM, every map and unmap an operation of VM_BIND with the tables that it
 * may need set aside first, and address spaces come and go with use.
 *
 * Does what `panthor_mmu.c` does with registers and tables. Does not: job queues and fences (see `vm-bind`), firmware, groups and their
 * scheduling: a fault kills whatever used the VM, and whoever uses it next gets it enabled again.
 */
import {
  allocIoPgtable,
  ConfigError,
  Errno,
  type IoPgtable,
  type IotlbGather,
  type Machine,
  PageCutter,
  Prot,
} from '../../../../formats/index.ts';
import type { StepListener } from '../../../cpus/index.ts';
import type { DomainConfig, IommuCounters, IommuDriver, RegionCounters } from '../../../iommu.ts';
import { NO_BUGS, type PlantedBugsConfig } from '../../../planted-bugs/index.ts';
import type { MaliMmu } from '../../device/index.ts';
import { AS_COMMAND_NAMES } from '../../spec/index.ts';
import type { DriverCpu } from '../driver-cpu.ts';
import { IrqReturn } from '../irq-return.ts';
import { MaliDomain } from '../mali-domain.ts';
import { GpuHost } from './gpu-host.ts';
import type { PanthorKernel } from './profile.ts';
import { PanthorMmu } from './slots/index.ts';
import { addVm, newTotals, type PanthorTotals } from './totals.ts';
import { MapFlag, type PanthorBuffer, PanthorVm, reservationOf, runOperation, type VmOperation } from './vm/index.ts';

const HUGE_PAGE = 2 ** 21;
/** As many as a machine's other MMUs have. */
const STREAM_NAMES = 2 ** 16;
export type PanthorDomain = MaliDomain<PanthorVm>;

export class PanthorDriver implements IommuDriver {
  readonly mmu: PanthorMmu;
  /** In 7.3 a lock keeps the GPU out. */
  readonly flushesAfterFree: boolean;
  onRetag: IommuDriver['onRetag'] = null;
  /** What the MMU's part of panthor stands on. */
  readonly host: GpuHost;
  readonly #device: MaliMmu;
  readonly #machine: Machine;
  readonly #cpu: DriverCpu;
  readonly #domains = new Set<PanthorDomain>();
  readonly #gone: PanthorTotals = newTotals();
  #operations = 0;
  #wholeFlushes = 0;
  /** Cycles that the driver spent on faults. */
  eventCycles = 0;
  /** Domains and buffers made so far. */
  #made = 0;
  #buffers = 0;

  /** @param bugs what its flushes are to do wrong: `skipInvalidation` and `wholeSpace` */
  constructor(kernel: PanthorKernel, device: MaliMmu, machine: Machine, bugs: PlantedBugsConfig = NO_BUGS) {
    this.#device = device;
    this.#machine = machine;
    this.host = new GpuHost(device, machine, bugs);
    this.#cpu = this.host.registers;
    this.mmu = new PanthorMmu(kernel, this.host, device.config.asPresent);
    this.flushesAfterFree = this.mmu.profile.lock === 'step';
    this.mmu.onBind = () => this.#retag();
    this.host.start();
    this.mmu.init();
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

  /** Names of whatever uses VMs; the hardware knows none of them. */
  get streamCount(): number {
    return STREAM_NAMES;
  }

  /** One per address space. */
  get faultCapacity(): number {
    return this.#device.spaces.size;
  }

  createDomain(asked: DomainConfig = {}): PanthorDomain {
    const { vaBits, paBits } = this.#device.config;
    const format = asked.format ?? 'ARM_64_LPAE_S1';
    if (format !== 'ARM_64_LPAE_S1') {
      throw new ConfigError('table.format', format, 'ARM_64_LPAE_S1: panthor makes no other');
    }
    const within = (field: 'ias' | 'oas', most: number): number => {
      const bits = asked[field] ?? most;
      if (bits > most) throw new ConfigError(`table.${field}`, bits, `at most ${most}, what the GPU has`);
      return bits;
    };
    const made: { table: IoPgtable | null } = { table: null };
    const vm = new PanthorVm(this.mmu, {
      vaBits: within('ias', vaBits),
      paBits: within('oas', paBits),
      coherent: asked.coherentWalk ?? true,
      forMcu: false,
      tables: tableSource(asked, this.#machine),
      createTable: (config, owner) => {
        made.table = allocIoPgtable(config, this.#machine, owner);
        return made.table;
      },
    });
    const table = made.table as IoPgtable;
    const domain = new MaliDomain(table, vm, new PageCutter(table.config.pageSizes), this.#made++);
    this.#domains.add(domain);
    return domain;
  }

  freeDomain(domain: PanthorDomain): void {
    this.#cpu.measure(() => this.mmu.free(domain.context.user));
    this.#domains.delete(domain);
    addVm(this.#gone, domain.context);
    domain.table.free();
  }

  attach(domain: PanthorDomain, streamId: number): void {
    if (streamId < 0 || streamId >= this.streamCount) {
      throw new ConfigError('streamId', streamId, `0 to ${this.streamCount - 1}`);
    }
    for (const other of this.#domains) this.detach(other, streamId);
    domain.streams.add(streamId);
  }

  /** Without a master a VM is nobody's: it gives its address space back. */
  detach(domain: PanthorDomain, streamId: number): void {
    if (!domain.streams.delete(streamId) || domain.streams.size > 0) return;
    this.#cpu.measure(() => this.mmu.free(domain.context.user));
  }

  /** @returns the address space, or -1 when all are in use */
  activate(domain: PanthorDomain): number {
    this.#cpu.measure(() => this.mmu.activate(domain.context.user));
    this.host.resetIfDue(this.mmu);
    return domain.context.slot;
  }

  idle(domain: PanthorDomain): void {
    this.mmu.idle(domain.context.user);
  }

  map(domain: PanthorDomain, iova: number, pa: number, size: number, prot: number): number {
    domain.mapped = 0;
    const { oas } = domain.table.config;
    if (size <= 0 || !domain.cutter.aligned(iova, pa, size)) return -Errno.EINVAL;
    if (iova < 0 || iova + size > domain.context.space.end || pa + size > 2 ** oas) return -Errno.ERANGE;
    if ((prot & (Prot.READ | Prot.WRITE)) === 0) return -Errno.EINVAL;
    const object = contiguousBuffer(this.#buffers++, pa, size);
    const va = { start: iova, end: iova + size, object, offset: 0, flags: flagsOf(prot) };
    const result = this.#run(domain, { kind: 'map', va });
    if (result === 0) domain.mapped = size;
    return result;
  }

  unmap(domain: PanthorDomain, iova: number, size: number, _gather: IotlbGather): number {
    if (!domain.cutter.aligned(iova, 0, size)) return 0;
    const bytes = domain.context.mappedFrom(iova, size);
    if (bytes === 0) return 0;
    return this.#run(domain, { kind: 'unmap', start: iova, end: iova + bytes }) === 0 ? bytes : 0;
  }

  /** Nothing is gathered: an operation flushes what it changed. */
  iotlbSync(): void {}

  flushDomain(domain: PanthorDomain): void {
    const vm = domain.context;
    this.#wholeFlushes++;
    this.#cpu.measure(() => {
      if (this.mmu.profile.lock === 'step') vm.flushAll();
      else if (vm.lockRegion(0, vm.space.end) === 0) vm.unlockRegion();
    });
    this.host.resetIfDue(this.mmu);
  }

  handleEvents(): number {
    if (!this.#device.mmuInterrupt.raised) return 0;
    const { counters, irq } = this.mmu;
    const before = counters.faults;
    const began = this.now;
    if (irq.handleHard() === IrqReturn.WAKE_THREAD) this.mmu.handleFaults();
    // What used a VM with a fault is killed.
    for (const { context } of this.#domains) {
      const { user } = context;
      if (user.unhandledFault) while (user.users > 0) this.mmu.idle(user);
    }
    this.eventCycles += this.now - began;
    this.host.resetIfDue(this.mmu);
    return counters.faults - before;
  }

  counters(): IommuCounters {
    const { given, waits } = this.mmu.spaces.commands;
    const { flushes } = this.host;
    const commandsByName: Record<string, number> = {};
    for (const [number, name] of Object.entries(AS_COMMAND_NAMES)) {
      const count = given[Number(number)] ?? 0;
      if (count > 0) commandsByName[name] = count;
    }
    if (flushes > 0) commandsByName['GPU_CMD FLUSH_CACHES'] = flushes;
    return {
      byAddress: this.totals().flushes,
      byWalkRange: 0,
      all: this.#wholeFlushes,
      commands: given.reduce((sum, count) => sum + count, flushes),
      syncs: waits + flushes,
      commandsByName,
      cycles: this.cycles,
      waitCycles: this.waitCycles,
      events: this.mmu.counters.faults,
      eventCycles: this.eventCycles,
    };
  }

  /** What VM_BIND came to so far. */
  totals(): PanthorTotals {
    const totals = { ...this.#gone, operations: this.#operations };
    for (const { context } of this.#domains) addVm(totals, context);
    return totals;
  }

  regions(): RegionCounters {
    const { operations, locks, lockedBytes, excessBytes, flushes, remappedBytes, reserved, used, returned } =
      this.totals();
    let lockedCycles = 0;
    let lockWaits = 0;
    let lockWaitCycles = 0;
    for (const space of this.#device.spaces.values()) {
      lockedCycles += space.lockedCycles;
      lockWaits += space.lockWaits;
      lockWaitCycles += space.lockWaitCycles;
    }
    return {
      operations,
      locks,
      lockedBytes,
      excessBytes,
      lockedCycles,
      lockWaits,
      lockWaitCycles,
      flushes,
      remappedBytes,
      tablesReserved: reserved,
      tablesUsed: used,
      tablesReturned: returned,
      evictions: this.mmu.counters.evictions,
      resets: this.host.resets,
    };
  }

  #run({ context: vm }: PanthorDomain, operation: VmOperation): number {
    if (!vm.prepare(reservationOf(operation).tables)) return -Errno.ENOMEM;
    this.#operations++;
    const result = this.#cpu.measure(() => runOperation(vm, operation, false));
    vm.finish();
    this.host.resetIfDue(this.mmu);
    return result;
  }

  /** VMs get and lose address spaces: whoever watches the TLBs must know. */
  #retag(): void {
    for (const domain of this.#domains) if (domain.retag()) this.onRetag?.(domain);
  }
}

function tableSource(asked: DomainConfig, machine: Machine) {
  const { alloc, free } = asked.allocator ?? {};
  if (alloc === undefined || free === undefined) return machine.pages;
  return asked.allocator as { alloc: typeof alloc; free: typeof free };
}

function flagsOf(prot: number): number {
  return (
    ((prot & Prot.WRITE) === 0 ? MapFlag.READONLY : 0) |
    ((prot & Prot.NOEXEC) === 0 ? 0 : MapFlag.NOEXEC) |
    ((prot & Prot.CACHE) === 0 ? MapFlag.UNCACHED : 0)
  );
}

/** A buffer in one piece, whose pages are as large as its place allows. */
function contiguousBuffer(name: number, pa: number, size: number): PanthorBuffer {
  return {
    name,
    size,
    segments: [{ pa, size }],
    isHuge(offset) {
      const start = Math.floor((pa + offset) / HUGE_PAGE) * HUGE_PAGE;
      return start >= pa && start + HUGE_PAGE <= pa + size;
    },
  };
}
