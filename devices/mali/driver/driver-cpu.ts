import { NO_BUGS, type PlantedBugsConfig, SpoiledPort } from '../../planted-bugs/index.ts';
import type { RegisterPort } from '../../registers/index.ts';
import type { MaliMmu } from '../device/index.ts';
import { PlantedWrites, spoilsWrites } from './planted-writes.ts';

/** The processor that a driver runs on, in front of the GPU: its time is the GPU's, and how much of it went into waiting is counted. */
export class DriverCpu implements RegisterPort {
  /** Cycles of the register accesses and delays of {@link measure}d work, and the delays alone. */
  cycles = 0;
  waitCycles = 0;
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
    const result = work();
    this.cycles += this.now - before;
    return result;
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
    this.waitCycles += this.now - before;
  }
}
