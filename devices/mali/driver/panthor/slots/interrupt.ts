/**
 * The MMU's interrupt as panthor handles it: a hard handler that only masks it, and a thread that handles what is pending
 * (`PANTHOR_IRQ_HANDLER`).
 */
import type { RegisterPort } from '../../../../registers/index.ts';
import { MMU_CONTROL } from '../../../spec/index.ts';
import { IrqReturn } from '../../irq-return.ts';
import type { PanthorProfile } from '../profile.ts';

/** One bit per address space. */
export const FAULT_BITS = 0xffff;

const IrqState = { ACTIVE: 0, PROCESSING: 1, SUSPENDED: 2, SUSPENDING: 3 } as const;

export class MmuIrq {
  /** What may interrupt. What the register holds in between follows from the state. */
  mask = 0;
  state: number = IrqState.SUSPENDED;
  readonly #port: RegisterPort;
  readonly #follows: boolean;
  readonly #clearsFirst: boolean;

  constructor(port: RegisterPort, profile: PanthorProfile) {
    this.#port = port;
    this.#follows = profile.interruptMask === 'follows-slots';
    this.#clearsFirst = profile.clearFaults === 'all-first';
  }

  /** The driver is loaded: every fault may interrupt. */
  init(): void {
    this.mask = FAULT_BITS;
    if (this.#follows) this.writeMask(0);
    this.resume();
  }

  suspend(): void {
    this.state = IrqState.SUSPENDED;
    if (!this.#follows) this.mask = 0;
    this.writeMask(0);
  }

  resume(): void {
    if (!this.#follows) this.mask = FAULT_BITS;
    this.state = IrqState.ACTIVE;
    this.clear(this.mask);
    this.writeMask(this.mask);
  }

  /** Lets the faults of some address spaces through from now on. */
  enable(bits: number): void {
    this.mask |= bits;
    if (this.state === IrqState.ACTIVE) this.writeMask(this.mask);
  }

  disable(bits: number): void {
    this.mask &= ~bits;
    if (this.state === IrqState.ACTIVE) this.writeMask(this.mask);
  }

  clear(bits: number): void {
    this.#port.write32(MMU_CONTROL.MMU_INT_CLEAR.offset, bits);
  }

  writeMask(bits: number): void {
    this.#port.write32(MMU_CONTROL.MMU_INT_MASK.offset, bits);
  }

  /** The hard handler. */
  handleHard(): IrqReturn {
    if (this.state !== IrqState.ACTIVE) return IrqReturn.NONE;
    if (this.#port.read32(MMU_CONTROL.MMU_INT_STAT.offset) === 0) return IrqReturn.NONE;
    if (this.#follows) this.state = IrqState.PROCESSING;
    this.writeMask(0);
    return IrqReturn.WAKE_THREAD;
  }

  /** The thread. `handle` gets what is pending, and in 7.3 clears what it handles. */
  handleThread(handle: (status: number) => void): IrqReturn {
    let result: IrqReturn = IrqReturn.NONE;
    for (;;) {
      const status = (this.#port.read32(MMU_CONTROL.MMU_INT_RAWSTAT.offset) & this.mask) >>> 0;
      if (status === 0) break;
      if (this.#clearsFirst) this.clear(status);
      handle(status);
      result = IrqReturn.HANDLED;
    }
    if (this.state === IrqState.PROCESSING) this.state = IrqState.ACTIVE;
    if (this.state === IrqState.ACTIVE) this.writeMask(this.mask);
    return result;
  }
}
