/**
 * Which VM has which address space of the hardware: panthor's slots. There are fewer slots than VMs; a VM that nobody uses keeps its
 * slot until another needs it, and the one idle longest loses it first.
 */
import { Errno } from '../../../../../formats/index.ts';
import { CSF_EXCEPTIONS, exceptionName, FAULT_ACCESS_NAMES, MAX_ADDRESS_SPACES } from '../../../spec/index.ts';
import type { PanthorHost } from '../host.ts';
import { PANTHOR_PROFILES, type PanthorKernel, type PanthorProfile } from '../profile.ts';
import { AddressSpaces, type LockedRegion, type TranslationConfig } from './address-spaces.ts';
import { FAULT_BITS, MmuIrq } from './interrupt.ts';

/** What a slot is given to: a VM, as far as slots go. */
export class SlotUser {
  /** The slot, or -1. */
  slot = -1;
  /** Groups of jobs that use the VM now. */
  users = 0;
  /** A fault has disabled its slot, and nobody has made it active since. */
  unhandledFault = false;
  readonly locked: LockedRegion = { start: 0, size: 0 };
  /** The microcontroller's VM always has slot 0. */
  readonly forMcu: boolean;
  readonly translation: TranslationConfig;

  constructor(translation: TranslationConfig, forMcu: boolean) {
    this.translation = translation;
    this.forMcu = forMcu;
  }
}

/** What slots came to. */
export interface SlotCounters {
  /** Slots taken from an idle VM for another. */
  evictions: number;
  /** VMs made active: with the slot they still had, with one that had to be enabled, and in vain. */
  kept: number;
  enabled: number;
  refused: number;
  faults: number;
}

export class PanthorMmu {
  readonly profile: PanthorProfile;
  readonly host: PanthorHost;
  readonly irq: MmuIrq;
  readonly spaces: AddressSpaces;
  /** GPU_AS_PRESENT. */
  readonly present: number;
  /** Slots that are taken, as bits. */
  allocated = 0;
  /** Slots with an unhandled fault, as bits. */
  faulty = 0;
  /** Told when a VM was given a slot, or has lost it. */
  onBind: (user: SlotUser) => void = () => {};
  readonly counters: SlotCounters = { evictions: 0, kept: 0, enabled: 0, refused: 0, faults: 0 };
  readonly #users: (SlotUser | null)[] = Array.from({ length: MAX_ADDRESS_SPACES }, () => null);
  /** VMs with a slot and without users; idle longest first. */
  readonly #idle: SlotUser[] = [];
  readonly #faultAddress = new Uint32Array(2);

  constructor(kernel: PanthorKernel, host: PanthorHost, present: number) {
    this.profile = PANTHOR_PROFILES[kernel];
    this.host = host;
    this.present = present;
    this.irq = new MmuIrq(host.registers, this.profile);
    this.spaces = new AddressSpaces(this.profile, host, this.irq);
  }

  /** VMs with a slot and without users; idle longest first. */
  get idleUsers(): readonly SlotUser[] {
    return this.#idle;
  }

  /** The VM that has a slot, or null. */
  userOf(slot: number): SlotUser | null {
    return this.#users[slot] ?? null;
  }

  init(): void {
    this.irq.init();
  }

  /** One more user of the VM: it gets a slot if it has none. @returns 0, -EBUSY when no slot can be had, or what enabling returned. */
  activate(user: SlotUser): number {
    if (user.users > 0) {
      user.users++;
      return 0;
    }
    let result = 0;
    if (user.slot < 0) {
      result = this.#assign(user);
      if (result === 0) result = this.#enable(user);
    } else if ((this.faulty & (2 ** user.slot)) !== 0) {
      result = this.#enable(user);
    } else {
      this.counters.kept++;
    }
    if (result !== 0) return result;
    user.users = 1;
    this.#forgetIdle(user);
    return 0;
  }

  /** One user less. Without users the VM keeps its slot until another needs it. */
  idle(user: SlotUser): void {
    if (user.users === 0) return;
    user.users--;
    if (user.users > 0) return;
    if (user.slot < 0 || this.#idle.includes(user)) this.host.warn('idle-without-slot');
    else this.#idle.push(user);
  }

  /** The VM goes. */
  free(user: SlotUser): void {
    if (user.slot < 0) return;
    this.spaces.disable(user.slot, false, user.locked);
    this.#release(user);
  }

  /** Gives a slot to a VM, without a word to the hardware. */
  bind(user: SlotUser, slot: number, users: number): void {
    user.slot = slot;
    user.users = users;
    this.allocated |= 2 ** slot;
    this.#users[slot] = user;
    this.onBind(user);
  }

  /** The GPU loses its power: every VM loses its slot. */
  suspend(): void {
    for (const user of this.#users) {
      if (user === null) continue;
      this.spaces.disable(user.slot, false, user.locked);
      this.#release(user);
    }
    this.irq.suspend();
  }

  resume(): void {
    this.allocated = 0;
    this.faulty = 0;
    this.irq.resume();
  }

  /** Before the GPU is reset: nothing may touch it. */
  preReset(): void {
    this.irq.suspend();
  }

  /** After it: the address spaces are as after power-on, and no VM has one. */
  postReset(): void {
    for (const user of this.#users) if (user !== null) this.#release(user);
    this.spaces.resetPending = false;
    this.spaces.flushPending = false;
    this.resume();
  }

  /** The thread of the interrupt: each slot with a fault is disabled, until its VM is made active again. */
  handleFaults(): number {
    return this.irq.handleThread((status) => {
      const faults = status & FAULT_BITS;
      for (let slot = 0; slot < MAX_ADDRESS_SPACES; slot++) {
        if ((faults & (2 ** slot)) !== 0) this.#handleFault(slot);
      }
      if (faults !== 0) this.host.reportFault();
    });
  }

  #handleFault(slot: number): void {
    const bit = 2 ** slot;
    const status = this.spaces.readFault(slot, this.#faultAddress);
    this.counters.faults++;
    this.faulty |= bit;
    this.host.error(describeFault(slot, status, this.#faultAddress));
    if (this.profile.clearFaults === 'each') this.irq.clear(bit);
    if (this.profile.interruptMask === 'fixed') {
      this.irq.mask = ~this.faulty & FAULT_BITS;
      this.irq.writeMask(this.irq.mask);
    }
    const user = this.#users[slot] ?? null;
    if (user !== null) user.unhandledFault = true;
    this.spaces.disable(slot, false, user?.locked ?? null);
  }

  #assign(user: SlotUser): number {
    let slot = 0;
    if (user.forMcu) {
      if ((this.allocated & 1) !== 0) this.host.warn('mcu-slot-taken');
    } else {
      slot = lowestClear(this.allocated | 1);
    }
    if ((this.present & (2 ** slot)) === 0) {
      const oldest = this.#idle[0];
      if (oldest === undefined) {
        this.host.warn('no-idle-vm');
        this.counters.refused++;
        return -Errno.EBUSY;
      }
      slot = oldest.slot;
      this.counters.evictions++;
      if (this.profile.flush === 'gpu-control') {
        const result = this.spaces.disable(slot, true, oldest.locked);
        if (result !== 0) return result;
      }
      this.#release(oldest);
    }
    this.bind(user, slot, 0);
    return 0;
  }

  #enable(user: SlotUser): number {
    const bit = 2 ** user.slot;
    user.unhandledFault = false;
    if ((this.faulty & bit) !== 0) {
      this.irq.clear(bit);
      this.faulty &= ~bit;
      if (this.profile.interruptMask === 'fixed') {
        this.irq.mask |= bit;
        this.irq.writeMask(~this.faulty >>> 0);
      }
    }
    if (user.locked.size > 0) this.host.warn('locked-at-enable');
    this.counters.enabled++;
    return this.spaces.enable(user.slot, user.translation);
  }

  #release(user: SlotUser): void {
    this.#users[user.slot] = null;
    this.allocated &= ~(2 ** user.slot);
    user.slot = -1;
    user.users = 0;
    this.#forgetIdle(user);
    this.onBind(user);
  }

  #forgetIdle(user: SlotUser): void {
    const at = this.#idle.indexOf(user);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

/** Number of the lowest bit that is not set. */
function lowestClear(bits: number): number {
  return 31 - Math.clz32(~bits & (bits + 1));
}

/** Panthor's message, word for word. */
export function describeFault(slot: number, status: number, address: Readonly<Uint32Array>): string {
  const digits = (value: number, width: number): string => value.toString(16).toUpperCase().padStart(width, '0');
  const exception = status & 0xff;
  const access = (status >>> 8) & 3;
  const va = digits(address[1] as number, 8) + digits(address[0] as number, 8);
  return [
    `Unhandled Page fault in AS${slot} at VA 0x${va}`,
    `raw fault status: 0x${digits(status, 1)}`,
    `decoded fault status: ${(status & 0x400) !== 0 ? 'DECODER FAULT' : 'SLAVE FAULT'}`,
    `exception type 0x${digits(exception, 1)}: ${exceptionName(CSF_EXCEPTIONS, exception)}`,
    `access type 0x${digits(access, 1)}: ${FAULT_ACCESS_NAMES[access] ?? ''}`,
    `source id 0x${digits(status >>> 16, 1)}`,
  ].join('\n');
}
