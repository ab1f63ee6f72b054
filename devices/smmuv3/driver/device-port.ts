import type { TableMemory } from '../../../formats/index.ts';
import type { Smmuv3 } from '../device/index.ts';
import { CMDQ_CONS, Gerror, REGISTERS } from '../spec/index.ts';
import type { DriverConfig } from './config.ts';
import type { SmmuPort } from './port.ts';

/** Period of the generic timer's event stream in microseconds, which wakes CPUs in WFE (Linux `ARCH_TIMER_EVT_STREAM_PERIOD_US`). */
const EVENT_STREAM = 100;
/** Cycles of one turn of a spinning CPU. Assumed. */
const RELAX = 10;

/**
 * Our SMMU under the driver, with the time that waiting takes. A doorbell lets the SMMU carry out its commands at once, up to a cycle in
 * the future; the first look that the CPU takes after it lasts until then.
 */
export class DevicePort implements SmmuPort {
  /** Cycle at which the CPU is. */
  now = 0;
  onGlobalError: (() => void) | null = null;
  readonly #smmu: Smmuv3;
  readonly #memory: TableMemory;
  readonly #cost: DriverConfig['cost'];
  readonly #perMicrosecond: number;
  /** No look at the completion yet since the last doorbell. */
  #fresh = false;
  /** The command error served last, and how often in a row: the handler of one that does not go away is not called for ever. */
  #served = -1;
  #times = 0;

  /** @param memory the CPU's view of what the SMMU writes */
  constructor(smmu: Smmuv3, memory: TableMemory, config: Pick<DriverConfig, 'cost' | 'cyclesPerMicrosecond'>) {
    this.#smmu = smmu;
    this.#memory = memory;
    this.#cost = config.cost;
    this.#perMicrosecond = config.cyclesPerMicrosecond;
  }

  get time(): number {
    return this.now / this.#perMicrosecond;
  }

  get deviceBusy(): number {
    return this.#smmu.commands.busyUntil;
  }

  read32(offset: number): number {
    return this.#smmu.read32(offset);
  }

  read64(offset: number, halves: Uint32Array): void {
    this.#smmu.read64(offset, halves);
  }

  write32(offset: number, value: number): void {
    const smmu = this.#smmu;
    smmu.now = this.now;
    smmu.write32(offset, value);
    if (offset !== REGISTERS.CMDQ_PROD.offset) return;
    this.#fresh = true;
    if (smmu.interrupts.activeErrors !== 0) this.#interrupt();
  }

  write64(offset: number, low: number, high: number): void {
    this.#smmu.now = this.now;
    this.#smmu.write64(offset, low, high);
  }

  load32(pa: number): number {
    if (this.#fresh) this.#complete(this.#cost.seenByMsi);
    const at = this.#memory.index(pa);
    return this.#memory.words[at] as number;
  }

  waitForEvent(): void {
    if (this.#fresh) this.#complete(this.#cost.seenBySev);
    else this.now += EVENT_STREAM * this.#perMicrosecond;
  }

  relax(): void {
    if (this.#fresh) this.#complete(this.#cost.seenByPoll);
    else this.now += RELAX;
  }

  delay(microseconds: number): void {
    this.now += microseconds * this.#perMicrosecond;
  }

  sleep(_least: number, most: number): void {
    this.now += most * this.#perMicrosecond;
  }

  /** Time passes until the SMMU is done with what it was told, and the CPU sees it. */
  #complete(seenAfter: number): void {
    this.#fresh = false;
    this.now = Math.max(this.now, this.#smmu.commands.busyUntil) + seenAfter;
  }

  /** The global error interrupt, as long as there is an error and handling it changes something. */
  #interrupt(): void {
    const smmu = this.#smmu;
    while (smmu.interrupts.activeErrors !== 0 && this.onGlobalError !== null) {
      const stopped = (smmu.interrupts.activeErrors & Gerror.CMDQ_ERR) !== 0;
      const error = stopped ? smmu.read32(REGISTERS.CMDQ_CONS.offset) : -1;
      this.#times = error >= 0 && error === this.#served ? this.#times + 1 : 0;
      this.#served = error;
      if (this.#times > 1) return;
      this.onGlobalError();
    }
    if ((smmu.read32(REGISTERS.CMDQ_CONS.offset) & CMDQ_CONS.ERR.lowMask) === 0) this.#served = -1;
  }
}
