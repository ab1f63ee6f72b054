import type { RegisterBlock } from '../../registers/index.ts';
import { Gerror, IRQ_CFG0, IrqCtrl, REGISTERS, type RegisterName } from '../spec/index.ts';
import type { QueueMemory } from './output-queue.ts';

/** The wires out of an SMMU: its interrupts, and the event that wakes CPUs (Arm IHI 0070, section 3.18 and 3.15). */
export const Wire = {
  GERROR: 'gerror',
  EVENTQ: 'eventq',
  PRIQ: 'priq',
  /** Completion of a CMD_SYNC that asked for an interrupt. */
  CMD_SYNC: 'cmd-sync',
  /** Not an interrupt: wakes CPUs in WFE. */
  SEV: 'sev',
} as const;
export type Wire = (typeof Wire)[keyof typeof Wire];

/** Where the SMMU's own interrupts come from: registers of the MSI, enable, and the error when the MSI is aborted. */
const SOURCES = {
  [Wire.GERROR]: {
    address: REGISTERS.GERROR_IRQ_CFG0,
    data: REGISTERS.GERROR_IRQ_CFG1,
    enable: IrqCtrl.GERROR,
    aborted: Gerror.MSI_GERROR_ABT_ERR,
  },
  [Wire.EVENTQ]: {
    address: REGISTERS.EVENTQ_IRQ_CFG0,
    data: REGISTERS.EVENTQ_IRQ_CFG1,
    enable: IrqCtrl.EVENTQ,
    aborted: Gerror.MSI_EVENTQ_ABT_ERR,
  },
  [Wire.PRIQ]: {
    address: REGISTERS.PRIQ_IRQ_CFG0,
    data: REGISTERS.PRIQ_IRQ_CFG1,
    enable: IrqCtrl.PRIQ,
    aborted: Gerror.MSI_PRIQ_ABT_ERR,
  },
} as const;

/**
 * Interrupts and global errors. An interrupt goes out as a write to memory when its MSI address is set, else on its wire.
 * An edge is all there is: the model has no interrupt controller.
 */
export class Interrupts {
  /** Called for each edge on a wire. */
  onWire: ((wire: Wire) => void) | null = null;
  /** Edges and MSIs so far. */
  raised = 0;
  readonly #registers: RegisterBlock<RegisterName>;
  readonly #memory: QueueMemory;
  readonly #msi: boolean;

  /** @param msi IDR0.MSI */
  constructor(registers: RegisterBlock<RegisterName>, memory: QueueMemory, msi: boolean) {
    this.#registers = registers;
    this.#memory = memory;
    this.#msi = msi;
  }

  /** Bits of GERROR that software has not acknowledged. */
  get activeErrors(): number {
    const registers = this.#registers;
    return (registers.get(REGISTERS.GERROR) ^ registers.get(REGISTERS.GERRORN)) >>> 0;
  }

  /** Makes a global error active, unless it is already. */
  fail(error: number): void {
    if ((this.activeErrors & error) !== 0) return;
    const registers = this.#registers;
    registers.set(REGISTERS.GERROR, registers.get(REGISTERS.GERROR) ^ error);
    this.raise(Wire.GERROR);
  }

  /** Raises one of the SMMU's own interrupts, if it is enabled. */
  raise(wire: keyof typeof SOURCES): void {
    const source = SOURCES[wire];
    const registers = this.#registers;
    if ((registers.get(REGISTERS.IRQ_CTRLACK) & source.enable) === 0) return;
    const target = registers.field(source.address, IRQ_CFG0.ADDR);
    if (!this.#msi || target === 0) {
      this.wire(wire);
      return;
    }
    this.raised++;
    if (this.#memory.write32(target, registers.get(source.data))) return;
    // An aborted MSI of GERROR itself shows in the register, but can raise nothing.
    if (wire !== Wire.GERROR) this.fail(source.aborted);
    else registers.set(REGISTERS.GERROR, registers.get(REGISTERS.GERROR) ^ (source.aborted & ~this.activeErrors));
  }

  /** The completion of a CMD_SYNC as an MSI. */
  message(target: number, data: number): void {
    this.raised++;
    if (!this.#memory.write32(target, data)) this.fail(Gerror.MSI_CMDQ_ABT_ERR);
  }

  /** An edge on a wire. */
  wire(wire: Wire): void {
    this.raised++;
    this.onWire?.(wire);
  }
}
