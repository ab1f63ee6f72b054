import { type Machine, Prng } from '../../../../formats/index.ts';
import type { PlantedBugsConfig } from '../../../planted-bugs/index.ts';
import type { MaliMmu } from '../../device/index.ts';
import { GPU_CONTROL, GpuCommand, GpuInterrupt, ResetKind } from '../../spec/index.ts';
import { DriverCpu } from '../driver-cpu.ts';
import type { FlushBug, PanthorHost, PanthorWarning } from './host.ts';
import type { PanthorMmu } from './slots/index.ts';

/** How long the driver sleeps for the end of a cache flush, in microseconds. */
const FLUSH_TIMEOUT = 100_000;

/** The rest of the GPU driver, as far as the MMU's part needs it: the GPU's own interrupt, its reset, and a log. */
export class GpuHost implements PanthorHost {
  readonly registers: DriverCpu;
  /** Warnings by their code, and how often each came. */
  readonly warnings = new Map<PanthorWarning, number>();
  /** Resets of the GPU that a stuck command ended in. */
  resets = 0;
  /** Flushes of the GPU's caches. */
  flushes = 0;
  readonly #device: MaliMmu;
  readonly #machine: Machine;
  readonly #bugs: PlantedBugsConfig;
  readonly #prng: Prng;

  constructor(device: MaliMmu, machine: Machine, bugs: PlantedBugsConfig) {
    this.#device = device;
    this.#machine = machine;
    this.#bugs = bugs;
    this.#prng = new Prng(bugs.seed);
    this.registers = new DriverCpu(device, bugs);
  }

  /** Enables the GPU's own interrupt. */
  start(): void {
    this.#device.write32(GPU_CONTROL.GPU_INT_MASK.offset, GpuInterrupt.CLEAN_CACHES_COMPLETED);
  }

  /** Resets the GPU where a stuck command asked for it. */
  resetIfDue(mmu: PanthorMmu): void {
    if (!mmu.spaces.resetPending) return;
    const device = this.#device;
    this.resets++;
    mmu.preReset();
    device.write32(GPU_CONTROL.GPU_CMD.offset, GpuCommand.RESET | (ResetKind.SOFT << 8));
    device.now = Math.max(device.now, device.gpuBusyUntil);
    device.write32(GPU_CONTROL.GPU_INT_CLEAR.offset, GpuInterrupt.RESET_COMPLETED);
    this.start();
    mmu.postReset();
  }

  waitForFlush(): boolean {
    const device = this.#device;
    const began = device.now;
    this.flushes++;
    const limit = began + FLUSH_TIMEOUT * device.config.timing.clockMHz;
    device.now = Math.min(Math.max(began, device.gpuBusyUntil), limit);
    this.registers.slept(began);
    // The GPU's own handler.
    const status = device.read32(GPU_CONTROL.GPU_INT_STAT.offset) & GpuInterrupt.CLEAN_CACHES_COMPLETED;
    if (status !== 0) device.write32(GPU_CONTROL.GPU_INT_CLEAR.offset, status);
    return status !== 0;
  }

  /** The reset runs when the operation that found the GPU stuck is over. */
  resetQueued(): void {}

  reportFault(): void {}

  warn(code: PanthorWarning): void {
    this.warnings.set(code, (this.warnings.get(code) ?? 0) + 1);
    this.#machine.log?.(`panthor: ${code}`);
  }

  error(text: string): void {
    this.#machine.log?.(`panthor: ${text}`);
  }

  flushBug(): FlushBug {
    if (this.#prng.chance(this.#bugs.skipInvalidation)) return 'forgotten';
    return this.#prng.chance(this.#bugs.wholeSpace) ? 'whole-space' : 'none';
  }
}
