import { newStep, type StepListener } from '../../cpus/index.ts';
import { NO_BUGS, type PlantedBugsConfig, SpoiledPort } from '../../planted-bugs/index.ts';
import type { RegisterPort } from '../../registers/index.ts';
import type { MaliMmu } from '../device/index.ts';
import { PlantedWrites, spoilsWrites } from './planted-writes.ts';

/** Panfrost's `as_lock`, panthor's `slots_lock`. */
const HARDWARE_LOCK = 0;

/** The processor that a driver runs on, in front of the GPU: its time is the GPU's, and how much of it went into waiting is counted. */
export class DriverCpu implements RegisterPort {
  /** Cycles of the register accesses and delays of {@link measure}d work, and the delays alone. */
  cycles = 0;
  waitCycles = 0;
  /** Told of each measured work, once it is over. It is done under one lock of the driver, as there is one of each address space's registers. */
  onStep: StepListener | null = null;
  readonly #step = newStep();
  readonly #device: MaliMmu;
  readonly #port: RegisterPort;

  /** @param bugs what its register accesses are to do wrong */
  constructor(device: MaliMmu, bugs: PlantedBugsConfig = NO_BUGS) {
    this.#device = device;
    this.#port = spoilsWrites(bugs) ? new SpoiledPort(device, new PlantedWrites(bugs)) : device;
  }

  get now(): number {
    return this.#device.now;
  }

  set now(cycle: number) {
    this.#device.now = cycle;
  }

  /** Books what `work` takes. */
  measure<T>(work: () => T): T {
    const before = this.now;
    const waitedBefore = this.waitCycles;
    const result = work();
    const spent = this.now - before;
    this.cycles += spent;
    if (this.onStep !== null && spent > 0) {
      const step = this.#step;
      const waited = this.waitCycles - waitedBefore;
      step.sync = waited > 0;
      step.lock = HARDWARE_LOCK;
      step.work = spent - waited;
      step.after = waited;
      step.waited = waited;
      this.onStep(step);
    }
    return result;
  }

  /** The driver has slept until now, since `began`. */
  slept(began: number): void {
    this.waitCycles += this.now - began;
  }

  read32(offset: number): number {
    return this.#port.read32(offset);
  }

  write32(offset: number, value: number): void {
    this.#port.write32(offset, value);
  }

  read64(offset: number, halves: Uint32Array): void {
    this.#port.read64(offset, halves);
  }

  write64(offset: number, low: number, high: number): void {
    this.#port.write64(offset, low, high);
  }

  delay(microseconds: number): void {
    const before = this.now;
    this.#device.delay(microseconds);
    this.slept(before);
  }
}
