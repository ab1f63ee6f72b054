/** The MMU's interrupt: the hard handler masks it and wakes a thread, which serves one address space after the other. */
import {
  ADDRESS_SPACE,
  addressSpaceBase,
  exceptionName,
  FaultAccess,
  JOB_MANAGER_EXCEPTIONS,
  MMU_CONTROL,
  MmuException,
  UNKNOWN_EXCEPTION,
} from '../../spec/index.ts';
import { IrqReturn } from '../irq-return.ts';
import { type AddressSpaces, interruptBits } from './address-spaces.ts';
import type { HeapGrowth } from './heap.ts';
import type { MaliFeatures, PanfrostPorts } from './ports.ts';

/** The exceptions that mean "nothing is mapped there": 0xc0 to 0xc7. */
const TRANSLATION_KIND = 0xf8;
const DECODER_FAULT = 1 << 10;

export class PanfrostInterrupt {
  /** Power goes: interrupts are not ours, and are not enabled again. */
  suspended = false;
  /** Faults served. */
  served = 0;
  readonly #features: MaliFeatures;
  readonly #ports: PanfrostPorts;
  readonly #spaces: AddressSpaces;
  readonly #heap: HeapGrowth;

  constructor(features: MaliFeatures, ports: PanfrostPorts, spaces: AddressSpaces, heap: HeapGrowth) {
    this.#features = features;
    this.#ports = ports;
    this.#spaces = spaces;
    this.#heap = heap;
  }

  /** The hard handler. */
  handle(): IrqReturn {
    const { registers } = this.#ports;
    if (this.suspended || registers.read32(MMU_CONTROL.MMU_INT_STAT.offset) === 0) return IrqReturn.NONE;
    registers.write32(MMU_CONTROL.MMU_INT_MASK.offset, 0);
    return IrqReturn.WAKE_THREAD;
  }

  /** The threaded handler. */
  serve(): IrqReturn {
    const { registers } = this.#ports;
    const rawstat = MMU_CONTROL.MMU_INT_RAWSTAT.offset;
    let status = registers.read32(rawstat);
    while (status !== 0) {
      const slots = (status | (status >>> 16)) & 0xffff;
      const slot = 31 - Math.clz32(slots & -slots);
      this.#serve(slot, status);
      status = (status & ~interruptBits(slot)) >>> 0;
      // What arrived meanwhile is served before the thread sleeps.
      if (status === 0) status = (registers.read32(rawstat) & ~this.#spaces.faulty) >>> 0;
    }
    if (!this.suspended) registers.write32(MMU_CONTROL.MMU_INT_MASK.offset, ~this.#spaces.faulty >>> 0);
    return IrqReturn.HANDLED;
  }

  #serve(slot: number, status: number): void {
    this.served++;
    const { registers } = this.#ports;
    const base = addressSpaceBase(slot);
    const bits = interruptBits(slot);
    const fault = registers.read32(base + ADDRESS_SPACE.AS_FAULTSTATUS.offset);
    const low = registers.read32(base + ADDRESS_SPACE.AS_FAULTADDRESS.offset);
    const high = registers.read32(base + ADDRESS_SPACE.AS_FAULTADDRESS.offset + 4);
    registers.write32(MMU_CONTROL.MMU_INT_CLEAR.offset, bits);
    const pageFaultOnly = (status & bits) >>> 0 === 2 ** slot;
    const unmapped = (fault & TRANSLATION_KIND) === MmuException.TRANSLATION;
    if (pageFaultOnly && unmapped && this.#heap.grow(slot, high * 2 ** 32 + low) === 0) return;
    this.#ports.log(this.#describe(slot, fault, low, high));
    this.#spaces.giveUp(slot);
  }

  #describe(slot: number, fault: number, low: number, high: number): string {
    const exception = fault & 0xff;
    const access = (fault >>> 8) & 3;
    const name = exceptionName(JOB_MANAGER_EXCEPTIONS, exception);
    if (name === UNKNOWN_EXCEPTION) this.#ports.warn('unknown-exception');
    const address = hex(high).padStart(8, '0') + hex(low).padStart(8, '0');
    return [
      `Unhandled Page fault in AS${slot} at VA 0x${address}`,
      // The kernel prints this very word: it never learnt to tell the reason (panfrost_mmu.c, panfrost_mmu_irq_handler_thread).
      'Reason: TODO',
      `raw fault status: 0x${hex(fault)}`,
      `decoded fault status: ${(fault & DECODER_FAULT) === 0 ? 'SLAVE' : 'DECODER'} FAULT`,
      `exception type 0x${hex(exception)}: ${name}`,
      `access type 0x${hex(access)}: ${this.#accessName(access)}`,
      `source id 0x${hex(fault >>> 16)}`,
    ].join('\n');
  }

  #accessName(access: number): string {
    switch (access) {
      case FaultAccess.EXECUTE:
        return 'EXECUTE';
      case FaultAccess.READ:
        return 'READ';
      case FaultAccess.WRITE:
        return 'WRITE';
      default:
        return this.#features.aarch64Mmu ? 'ATOMIC' : 'UNKNOWN';
    }
  }
}

function hex(value: number): string {
  return value.toString(16).toUpperCase();
}
