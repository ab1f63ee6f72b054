import {
  type MmioDevice,
  Mmu,
  type MmuOptions,
  Outcome,
  type StaleMarks,
  type TranslatingDevice,
  type TranslationRegime,
  type TranslationRequest,
  type WalkMemory,
} from '../../../emulator/index.ts';
import type { DeviceMisuse, IommuDevice } from '../../iommu.ts';
import { type BlockHooks, RegisterBlock, type RegisterPort, RegisterSpace } from '../../registers/index.ts';
import {
  ADDRESS_SPACE,
  AS_ACTIVE,
  addressSpaceBase,
  GPU_CONTROL,
  GpuInterrupt,
  MAX_ADDRESS_SPACES,
  MMU_CONTROL,
  MmuException,
  MmuInterrupt,
} from '../spec/index.ts';
import { AddressSpace, AddressSpaceContexts } from './address-space/index.ts';
import { ADDRESS_LIMIT, CommandUnit } from './command-unit.ts';
import { type MaliConfig, type MaliConfigInput, mmuOptionsOf, parseMaliConfig } from './config.ts';
import { FaultUnit } from './fault-unit.ts';
import { flushCaches, planOf } from './gpu-control.ts';
import { InterruptLine, lineHooks } from './interrupt-line.ts';
import { L2Cache } from './l2-cache.ts';
import { Timers } from './timers.ts';

/**
 * The MMU of a Mali GPU, with the registers of the GPU that drivers of it touch: address spaces, the MMU's and the GPU's interrupt,
 * cache maintenance and reset. Arm publishes no manual; behaviour follows the open drivers (panfrost, panthor, Arm's kbase), and every
 * size and time is assumed.
 *
 * Does: TRANSTAB, TRANSCFG and MEMATTR taken over by UPDATE; legacy, unmapped, identity, AArch64 4 KiB and 64 KiB modes; LOCK, UNLOCK,
 * FLUSH_PT and FLUSH_MEM over LOCKADDR with modelled time, AS_ACTIVE meanwhile; accesses to a locked region wait until the lock ends, and
 * the wait is counted; one micro-TLB per core and for the tiler, one L2 TLB, walk caches; an L2 cache whose dirty lines a flush writes
 * back; faults with their codes, which stop the address space until software has cleared them and ends the stop with a command; both
 * interrupts; GPU_CMD of both families.
 *
 * Does not: power domains, jobs and command streams (the GPU's own side is `devices/mali/gpu`), protected mode, atomic accesses as a
 * kind of their own (they are writes), XREADABLE, coherency of table walks as TRANSTAB and TRANSCFG ask for it (the memory port decides),
 * FAULTEXTRA (reads as 0, as its meaning is not public), the restart of accesses stalled in *other* address spaces that a flush causes
 * on real parts. An in-flight engine does not wait for locks; `translate` does.
 */
export class MaliMmu implements MmioDevice, RegisterPort, IommuDevice {
  readonly config: MaliConfig;
  readonly mmu: Mmu;
  readonly l2: L2Cache;
  /** Every address space that exists, by number. */
  readonly spaces: ReadonlyMap<number, AddressSpace>;
  /** The MMU's interrupt, and the GPU's. */
  readonly mmuInterrupt: InterruptLine;
  readonly gpuInterrupt: InterruptLine;
  /** Cycle of the register accesses that follow; they and `delay` move it. */
  now = 0;
  onResume: TranslatingDevice['onResume'] = null;
  /** Told of what the driver does wrong, as far as it shows here. */
  onMisuse: (misuse: DeviceMisuse) => void = () => {};
  /** Software let an address space go on that a fault or an endless lock had stopped, at this cycle. */
  onRestart: (as: number, cycle: number) => void = () => {};
  /** Every address space is gone: a reset. */
  onReset: (cycle: number) => void = () => {};
  /** Cycles of cache maintenance that GPU_CMD asked for, and how often. */
  cacheFlushes = 0;
  cacheFlushCycles = 0;

  readonly #contexts: AddressSpaceContexts;
  readonly #gpu: RegisterBlock<keyof typeof GPU_CONTROL>;
  readonly #control: RegisterBlock<keyof typeof MMU_CONTROL>;
  readonly #registers: RegisterBlock<keyof typeof ADDRESS_SPACE>;
  readonly #space: RegisterSpace;
  /** Address spaces by number, holes as null. */
  readonly #byNumber: readonly (AddressSpace | null)[];
  readonly #faults: FaultUnit;
  readonly #commands: CommandUnit;
  /** GPU interrupt bits that come up once a command of GPU_CMD is done. */
  readonly #timers = new Timers<number>((bits) => this.gpuInterrupt.raise(bits));
  /** The same of the MMU's interrupt (csf). */
  readonly #completions = new Timers<number>((bits) => this.mmuInterrupt.raise(bits));

  /** @param parts.mmu TLBs and walker; default: preset mali-assumed */
  constructor(parts: { readonly config?: MaliConfigInput; readonly mmu?: MmuOptions; readonly memory: WalkMemory }) {
    const config = parseMaliConfig(parts.config ?? {});
    this.config = config;
    this.#contexts = new AddressSpaceContexts(MAX_ADDRESS_SPACES);
    this.mmu = new Mmu(mmuOptionsOf(config, parts.mmu), parts.memory, this.#contexts);
    this.l2 = new L2Cache(config.l2);
    const numbers = Array.from({ length: MAX_ADDRESS_SPACES }, (_, as) => as);
    this.#byNumber = numbers.map((as) => (((config.asPresent >>> as) & 1) === 0 ? null : new AddressSpace(as)));
    this.spaces = new Map(this.#byNumber.flatMap((space) => (space === null ? [] : [[space.number, space] as const])));
    for (const space of this.spaces.values()) {
      space.onMisuse = (kind, iova, detail) => this.onMisuse({ kind, asid: space.number, iova, detail });
    }
    this.mmuInterrupt = new InterruptLine();
    this.gpuInterrupt = new InterruptLine();
    this.#faults = new FaultUnit(config.family, this.mmuInterrupt);
    this.#commands = new CommandUnit(config, this.mmu, this.l2, this.#contexts);
    this.#gpu = new RegisterBlock(GPU_CONTROL, this.#gpuHooks());
    this.#control = new RegisterBlock(MMU_CONTROL, this.#controlHooks());
    this.#registers = new RegisterBlock(ADDRESS_SPACE, this.#addressSpaceHooks(), this.spaces.size);
    const bases = [...this.spaces.keys()].map(addressSpaceBase);
    this.#space = new RegisterSpace().place(this.#gpu).place(this.#control).place(this.#registers, bases);
  }

  // The bus.

  read32(offset: number): number {
    this.now += this.config.timing.registerRead;
    return this.#space.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.now += this.config.timing.registerWrite;
    this.#space.write32(offset, value);
  }

  read64(offset: number, halves: Uint32Array): void {
    halves[0] = this.read32(offset);
    halves[1] = this.read32(offset + 4);
  }

  write64(offset: number, low: number, high: number): void {
    this.write32(offset, low);
    this.write32(offset + 4, high);
  }

  /** The processor waits: the GPU's time goes on. */
  delay(microseconds: number): void {
    this.now += microseconds * this.config.timing.clockMHz;
  }

  // The accesses of the GPU.

  /**
   * Translates one access of a core; `streamId` is the address space, `master` the core. It waits while its address is locked.
   *
   * @returns false when it was refused; `request.outcome` is STALLED when it may be tried again once {@link onRestart} says so
   */
  translate(request: TranslationRequest): boolean {
    if (!this.admit(request)) return false;
    const space = this.#byNumber[request.streamId] as AddressSpace;
    const asked = request.start;
    const free = space.freeAt(request.iova, asked);
    if (free === Number.POSITIVE_INFINITY) return request.refuseAtOnce(Outcome.STALLED);
    request.start = free;
    this.mmu.translate(request);
    request.start = asked;
    return this.settle(request, false);
  }

  admit(request: TranslationRequest): boolean {
    const space = this.#byNumber[request.streamId] ?? null;
    if (space === null) return request.refuseAtOnce(Outcome.ABORTED);
    if (space.stopped) return request.refuseAtOnce(Outcome.STALLED);
    const limit = space.translation?.inputLimit ?? ADDRESS_LIMIT;
    if (request.iova < limit) return true;
    request.refuseAtOnce(Outcome.ABORTED);
    return this.#faults.stop(space, request, MmuException.INPUT_SIZE, false);
  }

  settle(request: TranslationRequest, inFlight: boolean): boolean {
    const space = this.#byNumber[request.streamId] as AddressSpace;
    if (request.walkCycles > 0) space.walksSinceFlush++;
    return this.#faults.settle(space, request, inFlight);
  }

  // Whoever drives the model.

  get stale(): StaleMarks {
    return this.mmu.stale;
  }

  isLocked(as: number, start: number, end: number): boolean {
    const lock = this.#byNumber[as]?.lock ?? null;
    return lock !== null && lock.start <= start && end <= lock.end;
  }

  /** LOCKADDR has powers of two only. */
  get invalidatesRegions(): true {
    return true;
  }

  /** Nothing is known of what a Mali makes of a change that is not broken first: the architecture's rule holds. */
  get breakBeforeMakeLevel(): 0 {
    return 0;
  }

  regimeOf(streamId: number): TranslationRegime | null {
    return this.#contexts.regimes[streamId] ?? null;
  }

  /** A fault that no access of the model made: tests and scenarios tell it as the registers would. */
  injectFault(as: number, status: number, address: number, busError = false): void {
    const space = this.#byNumber[as] ?? null;
    if (space !== null) this.#faults.inject(space, status, address, busError);
  }

  /** The address space never finishes what it is doing: AS_ACTIVE stays until a reset. */
  stick(as: number): void {
    const space = this.#byNumber[as] ?? null;
    if (space !== null) space.activeUntil = Number.POSITIVE_INFINITY;
  }

  /** Resets the GPU at once, as power-up does. */
  reset(): void {
    for (const [as, space] of this.spaces) {
      space.reset();
      this.#contexts.regimes[as] = null;
    }
    this.mmu.invalidation.all();
    this.l2.flush(true);
    this.#registers.reset();
    this.mmuInterrupt.reset();
    this.gpuInterrupt.reset();
    this.#timers.clear();
    this.#completions.clear();
    for (const flight of this.#faults.release(null)) this.onResume?.(flight, Outcome.ABORTED);
    this.onReset(this.now);
  }

  /** Cycle at which the cache maintenance or reset under way is done, or `now`. */
  get gpuBusyUntil(): number {
    return Math.max(this.#timers.last, this.now);
  }

  #gpuHooks(): BlockHooks<keyof typeof GPU_CONTROL> {
    const { vaBits, paBits, asPresent } = this.config;
    const { rawstat, clear, mask, stat } = lineHooks(this.gpuInterrupt, () => this.#settleTimers());
    return {
      GPU_MMU_FEATURES: { reset: () => vaBits + paBits * 256 },
      GPU_AS_PRESENT: { reset: () => asPresent },
      GPU_INT_RAWSTAT: rawstat,
      GPU_INT_CLEAR: clear,
      GPU_INT_MASK: mask,
      GPU_INT_STAT: stat,
      GPU_CMD: {
        write: (value) => {
          this.#gpuCommand(value);
          return null;
        },
      },
    };
  }

  #controlHooks(): BlockHooks<keyof typeof MMU_CONTROL> {
    const { rawstat, clear, mask, stat } = lineHooks(this.mmuInterrupt, () => this.#settleTimers());
    return { MMU_INT_RAWSTAT: rawstat, MMU_INT_CLEAR: clear, MMU_INT_MASK: mask, MMU_INT_STAT: stat };
  }

  #addressSpaceHooks(): BlockHooks<keyof typeof ADDRESS_SPACE> {
    const spaces = [...this.spaces.values()];
    const at = (instance: number): AddressSpace => spaces[instance] as AddressSpace;
    const half = (value: number, which: number): number => (which === 0 ? value >>> 0 : Math.floor(value / 2 ** 32));
    return {
      AS_COMMAND: {
        write: (value, instance) => {
          this.#command(at(instance), value, instance);
          return null;
        },
      },
      AS_STATUS: { read: (instance) => (this.now < at(instance).activeUntil ? AS_ACTIVE : 0) },
      AS_FAULTSTATUS: { read: (instance) => at(instance).faultStatus },
      AS_FAULTADDRESS: { read: (instance, which) => half(at(instance).faultAddress, which) },
      AS_FAULTEXTRA: { read: (instance, which) => half(at(instance).faultExtra, which) },
    };
  }

  #command(space: AddressSpace, command: number, instance: number): void {
    const restarts = this.#commands.run(space, command, this.#registers, instance, this.now);
    if (this.config.family === 'csf' && space.activeUntil > this.now) {
      this.#completions.add(2 ** (space.number + MmuInterrupt.COMMAND_SHIFT), space.activeUntil);
    }
    if (restarts) this.#restart(space);
  }

  #restart(space: AddressSpace): void {
    space.stopped = false;
    for (const flight of this.#faults.release(space)) this.onResume?.(flight, Outcome.OK);
    this.onRestart(space.number, space.activeUntil);
  }

  #gpuCommand(value: number): void {
    const { family, timing } = this.config;
    const plan = planOf(family, value);
    if (plan.reset) {
      this.reset();
      this.#timers.add(GpuInterrupt.RESET_COMPLETED, this.now + timing.reset);
    } else if (plan.flush !== null) {
      const cycles = flushCaches(this.l2, timing, plan.flush);
      for (const space of this.spaces.values()) space.walksSinceFlush = 0;
      this.cacheFlushes++;
      this.cacheFlushCycles += cycles;
      this.#timers.add(GpuInterrupt.CLEAN_CACHES_COMPLETED, this.now + cycles);
    }
  }

  #settleTimers(): void {
    this.#timers.settle(this.now);
    this.#completions.settle(this.now);
  }
}
