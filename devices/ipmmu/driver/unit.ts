import type { RegisterPort } from '../../registers/index.ts';
import {
  CONTEXT,
  type ContextRegister,
  contextBase,
  IMUCTR,
  Imuctr,
  type IpmmuGeneration,
  MICRO_TLB,
  type MicroTlbRegister,
  microTlbBase,
  SYSTEM,
  type SystemRegister,
} from '../spec/index.ts';

/** A micro-TLB that is off. */
export const NO_CONTEXT = -1;

/** One IPMMU as its driver knows it: where its registers are, and which context each of its micro-TLBs uses. */
export class IpmmuUnit {
  readonly name: string;
  readonly generation: IpmmuGeneration;
  /** By micro-TLB: its context, or {@link NO_CONTEXT}. */
  readonly microTlbContexts: Int8Array;
  readonly #port: RegisterPort;
  readonly #base: number;

  /** @param base offset of this IPMMU's registers in the port */
  constructor(name: string, port: RegisterPort, base: number, generation: IpmmuGeneration) {
    this.name = name;
    this.generation = generation;
    this.microTlbContexts = new Int8Array(generation.microTlbs).fill(NO_CONTEXT);
    this.#port = port;
    this.#base = base;
  }

  /** Where a context's register is in the port: for polls. */
  contextOffset(context: number, register: ContextRegister): number {
    return this.#base + contextBase(this.generation, context) + CONTEXT[register].offset;
  }

  readContext(context: number, register: ContextRegister): number {
    return this.#port.read32(this.contextOffset(context, register));
  }

  writeContext(context: number, register: ContextRegister, value: number): void {
    this.#port.write32(this.contextOffset(context, register), value >>> 0);
  }

  /** Sets bits of a register of the whole IPMMU. */
  setSystem(register: SystemRegister, bits: number): void {
    const at = this.#base + SYSTEM[register].offset;
    this.#port.write32(at, (this.#port.read32(at) | bits) >>> 0);
  }

  /** Lets a micro-TLB use a context, with ASID 0: a context is an address space, so ASIDs tell nothing apart. */
  enableMicroTlb(microTlb: number, context: number): void {
    this.#writeMicroTlb(microTlb, 'IMUASID', 0);
    const control = (context << IMUCTR.TTSEL.lsb) | Imuctr.FLUSH | Imuctr.MMUEN;
    this.#writeMicroTlb(microTlb, 'IMUCTR', control);
    this.microTlbContexts[microTlb] = context;
  }

  /** The master of a micro-TLB accesses memory untranslated from here on. */
  disableMicroTlb(microTlb: number): void {
    this.#writeMicroTlb(microTlb, 'IMUCTR', 0);
    this.microTlbContexts[microTlb] = NO_CONTEXT;
  }

  #writeMicroTlb(microTlb: number, register: MicroTlbRegister, value: number): void {
    const offset = microTlbBase(this.generation, microTlb) + MICRO_TLB[register].offset;
    this.#port.write32(this.#base + offset, value >>> 0);
  }
}
