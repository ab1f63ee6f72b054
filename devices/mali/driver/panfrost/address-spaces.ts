/**
 * Who has which address space of the hardware. There are fewer of them than contexts: a context gets one when a job of it runs, keeps
 * it when the job is done, and loses it to another that needs one, least recently used first.
 */
import { Errno } from '../../../../formats/index.ts';
import { ADDRESS_SPACE, AddressMode, AsCommand, MMU_CONTROL, MmuInterrupt, WHOLE_SPACE } from '../../spec/index.ts';
import type { AddressSpaceCommands } from '../address-space-commands.ts';
import { type ContextRegisters, NO_SLOT, type PanfrostContext } from './context.ts';
import type { MaliFeatures, PanfrostPorts } from './ports.ts';
import type { PanfrostProfile } from './profile.ts';

/** Job slots of the hardware, and one more user: the performance counter. */
const MOST_USERS = 3;

/** Page-fault and bus-fault bit of an address space in the MMU's interrupt registers. */
export function interruptBits(slot: number): number {
  return ((1 << (slot + MmuInterrupt.PAGE_FAULT_SHIFT)) | (1 << (slot + MmuInterrupt.COMMAND_SHIFT))) >>> 0;
}

export class AddressSpaces {
  /** Address spaces that a context has, one bit each. */
  allocated = 0;
  /** Interrupt bits of address spaces that were disabled after a fault: they are ignored until the context is enabled again. */
  faulty = 0;
  readonly #profile: PanfrostProfile;
  readonly #features: MaliFeatures;
  readonly #ports: PanfrostPorts;
  readonly #commands: AddressSpaceCommands;
  /** Contexts that have an address space, the one used last first. */
  readonly #recent: PanfrostContext[] = [];

  constructor(profile: PanfrostProfile, features: MaliFeatures, ports: PanfrostPorts, commands: AddressSpaceCommands) {
    this.#profile = profile;
    this.#features = features;
    this.#ports = ports;
    this.#commands = commands;
  }

  /** Contexts that have an address space, the one used last first. */
  get recent(): readonly PanfrostContext[] {
    return this.#recent;
  }

  /** A context is about to be used. @returns its address space, or -EBUSY. */
  get(context: PanfrostContext): number {
    if (context.slot !== NO_SLOT) return this.#getAgain(context);
    let slot = lowestZero(this.allocated);
    if (((1 << slot) & this.#features.asPresent) === 0) {
      slot = this.#evict();
      if (slot < 0) return slot;
    }
    context.slot = slot;
    context.users = 1;
    this.allocated = (this.allocated | (1 << slot)) >>> 0;
    this.#recent.unshift(context);
    this.enable(slot, context.registers);
    return slot;
  }

  /** A use is over. The context keeps its address space. */
  put(context: PanfrostContext): void {
    context.users--;
    if (context.users < 0) this.#ports.warn('users-negative');
  }

  /** The context goes: its address space is free again. */
  release(context: PanfrostContext): void {
    const { slot } = context;
    if (slot === NO_SLOT) return;
    if (this.#ports.isAwake()) this.disable(slot);
    this.allocated = (this.allocated & ~(1 << slot)) >>> 0;
    this.#recent.splice(this.#recent.indexOf(context), 1);
    context.slot = NO_SLOT;
  }

  /** The GPU was reset: nobody has an address space. */
  forgetAll(): void {
    this.allocated = 0;
    this.faulty = 0;
    for (const context of this.#recent) {
      context.slot = NO_SLOT;
      context.users = 0;
    }
    this.#recent.length = 0;
  }

  /** The context that has an address space, or null. */
  owner(slot: number): PanfrostContext | null {
    return this.#recent.find((context) => context.slot === slot) ?? null;
  }

  /** After a fault that nothing could be done about: its interrupts are ignored, and its jobs die. */
  giveUp(slot: number): void {
    this.faulty = (this.faulty | interruptBits(slot)) >>> 0;
    this.disable(slot);
  }

  /** Makes an address space translate with these tables. */
  enable(slot: number, registers: ContextRegisters): void {
    const { transtab, memattrLow, memattrHigh, transcfgLow, transcfgHigh } = registers;
    this.#configure(slot, transtab, memattrLow, memattrHigh, transcfgLow, transcfgHigh);
  }

  /** Makes every access to an address space fault. */
  disable(slot: number): void {
    this.#configure(slot, 0, 0, 0, AddressMode.UNMAPPED, 0);
  }

  #configure(
    slot: number,
    transtab: number,
    memattrLow: number,
    memattrHigh: number,
    transcfgLow: number,
    transcfgHigh: number,
  ): void {
    const commands = this.#commands;
    // Whether this succeeds is not looked at: a stuck address space ends in a reset, which forgets all of them.
    commands.run(slot, AsCommand.FLUSH_MEM, 0, WHOLE_SPACE);
    commands.write64(slot, ADDRESS_SPACE.AS_TRANSTAB, transtab >>> 0, Math.floor(transtab / 2 ** 32));
    commands.write64(slot, ADDRESS_SPACE.AS_MEMATTR, memattrLow, memattrHigh);
    if (this.#profile.writesTranscfg) {
      commands.write64(slot, ADDRESS_SPACE.AS_TRANSCFG, transcfgLow, transcfgHigh);
    }
    commands.send(slot, AsCommand.UPDATE);
  }

  #getAgain(context: PanfrostContext): number {
    const { slot } = context;
    const bits = interruptBits(slot);
    context.users++;
    if (context.users > MOST_USERS) this.#ports.warn('too-many-users');
    this.#recent.splice(this.#recent.indexOf(context), 1);
    this.#recent.unshift(context);
    if ((this.faulty & bits) !== 0) {
      const { registers } = this.#ports;
      registers.write32(MMU_CONTROL.MMU_INT_CLEAR.offset, bits);
      // The bits leave the mask of the faulty only afterwards, so they stay masked until the mask is written the next time: until
      // another address space faults, nobody hears of a fault of this one, and its job times out. So does the real driver.
      registers.write32(MMU_CONTROL.MMU_INT_MASK.offset, ~this.faulty >>> 0);
      this.faulty = (this.faulty & ~bits) >>> 0;
      this.enable(slot, context.registers);
    }
    return slot;
  }

  /**
   * Takes the address space of the context that was not used for longest and has no users. No disable: the enable flushes. Where all have
   * users, 7.3 answers -EBUSY; 6.12 warns and goes on with what lies behind the end of its list, which we do not follow.
   */
  #evict(): number {
    for (let at = this.#recent.length - 1; at >= 0; at--) {
      const context = this.#recent[at] as PanfrostContext;
      if (context.users !== 0) continue;
      const { slot } = context;
      this.#recent.splice(at, 1);
      context.slot = NO_SLOT;
      return slot;
    }
    this.#ports.warn('no-idle-context');
    return -Errno.EBUSY;
  }
}

/** Number of the lowest bit that is clear (`ffz`). */
function lowestZero(mask: number): number {
  const zeros = ~mask;
  return 31 - Math.clz32(zeros & -zeros);
}
