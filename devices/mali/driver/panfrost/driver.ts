/**
 * The MMU part of panfrost, Linux's driver of Mali GPUs with a job manager (Midgard, Bifrost, early Valhall), as of two kernels:
 * contexts and their tables, address spaces and who has them, mapping, heaps that grow from page faults, the MMU's interrupt, reset.
 *
 * It does, access for access, what the real driver does to the MMU. Not here: jobs, power management beyond the question whether the GPU
 * is awake, the GPU's reset itself, and where buffers are placed: callers choose addresses.
 */
import { MMU_CONTROL } from '../../spec/index.ts';
import { AddressSpaceCommands } from '../address-space-commands.ts';
import type { IrqReturn } from '../irq-return.ts';
import { AddressSpaces } from './address-spaces.ts';
import type { PanfrostBuffer } from './buffer.ts';
import type { PanfrostContext } from './context.ts';
import { HeapGrowth } from './heap.ts';
import { PanfrostInterrupt } from './interrupt.ts';
import { Mappings } from './mappings.ts';
import type { MaliFeatures, PanfrostPorts } from './ports.ts';
import type { PanfrostProfile } from './profile.ts';
import { type ContextWish, createContext } from './tables.ts';

const ALL = 0xffffffff;

export class PanfrostDriver {
  readonly profile: PanfrostProfile;
  readonly features: MaliFeatures;
  /** Who has which address space. */
  readonly spaces: AddressSpaces;
  /** Single commands; callers use them to lock, unlock or flush by hand. */
  readonly commands: AddressSpaceCommands;
  /** A reset was asked for and has not happened yet. */
  resetPending = false;
  readonly #ports: PanfrostPorts;
  /** Mapping by hand, without a buffer. */
  readonly mappings: Mappings;
  readonly #interrupt: PanfrostInterrupt;

  constructor(profile: PanfrostProfile, features: MaliFeatures, ports: PanfrostPorts) {
    this.profile = profile;
    this.features = features;
    this.#ports = ports;
    this.commands = new AddressSpaceCommands(ports.registers, profile.poll, () => this.#stuck());
    this.spaces = new AddressSpaces(profile, features, ports, this.commands);
    this.mappings = new Mappings(profile, ports, this.commands);
    const heap = new HeapGrowth(profile, ports, this.spaces, this.mappings);
    this.#interrupt = new PanfrostInterrupt(features, ports, this.spaces, heap);
  }

  /** Faults of which the interrupt's thread has taken care, one way or the other. */
  get faults(): number {
    return this.#interrupt.served;
  }

  /** A client opens the GPU. @returns its context, or -EINVAL where the GPU's addresses do not fit the tables. */
  createContext(wanted: Partial<ContextWish> = {}): PanfrostContext | number {
    const { aarch64Tables: aarch64, vaBits, paBits } = this.features;
    return createContext(this.profile, this.features, this.#ports, { aarch64, vaBits, paBits, ...wanted });
  }

  /** A client is gone. Nothing of it may be mapped any more. */
  freeContext(context: PanfrostContext): void {
    this.spaces.release(context);
    context.table.free();
  }

  /** A job of the context is about to run. @returns its address space, or -EBUSY. */
  asGet(context: PanfrostContext): number {
    return this.spaces.get(context);
  }

  /** A job is done. */
  asPut(context: PanfrostContext): void {
    this.spaces.put(context);
  }

  /** Maps a buffer whose place is taken. @returns 0 or a negative errno. */
  map(buffer: PanfrostBuffer): number {
    return this.mappings.map(buffer);
  }

  /** Unmaps a buffer; it keeps its place. */
  unmap(buffer: PanfrostBuffer): void {
    this.mappings.unmap(buffer);
  }

  /** The MMU raised its interrupt: the part that runs at once. */
  handleInterrupt(): IrqReturn {
    return this.#interrupt.handle();
  }

  /** The part that runs in a thread. */
  serveInterrupt(): IrqReturn {
    return this.#interrupt.serve();
  }

  /** The GPU was reset, or is used for the first time: no context has an address space, and interrupts are on. */
  reset(): void {
    this.#interrupt.suspended = false;
    this.resetPending = false;
    this.spaces.forgetAll();
    const { registers } = this.#ports;
    registers.write32(MMU_CONTROL.MMU_INT_CLEAR.offset, ALL);
    registers.write32(MMU_CONTROL.MMU_INT_MASK.offset, ALL);
  }

  /** Power is about to go: no interrupts. */
  suspendInterrupts(): void {
    this.#interrupt.suspended = true;
    this.#ports.registers.write32(MMU_CONTROL.MMU_INT_MASK.offset, 0);
  }

  #stuck(): void {
    this.resetPending = true;
    this.#ports.queueReset();
    this.#ports.log('AS_ACTIVE bit stuck');
  }
}
