import { UNKNOWN } from '../../capture/index.ts';

/** The event is no map or unmap, or one that belongs to no domain that is inferred. */
export const NO_SLOT = -1;

/** The domains that are told apart, in all explanations together, and the devices that they are known to be of. */
export class Slots {
  count = 0;
  /** Group of each slot's device; -1 when not known. */
  readonly #groups: number[] = [];
  /** Whether an event named the device. */
  readonly #named: boolean[] = [];
  readonly #ofGroup = new Map<number, number>();

  /** One more. @param group of the device that the domain is for, where it is known */
  add(group: number): number {
    const slot = this.count++;
    this.#groups[slot] = group;
    this.#named[slot] = false;
    if (group !== UNKNOWN) this.#ofGroup.set(group, slot);
    return slot;
  }

  /** An event names the device of a slot. */
  name(slot: number): void {
    this.#named[slot] = true;
  }

  /** The group has another domain from now on. */
  forget(group: number): void {
    this.#ofGroup.delete(group);
  }

  /** Group of the device of a slot, or -1. */
  groupOf(slot: number): number {
    return this.#groups[slot] ?? UNKNOWN;
  }

  /** Whether events name the device of a slot. */
  isNamed(slot: number): boolean {
    return this.#named[slot] ?? false;
  }

  /** Slot of a group's domain as it stands now, or {@link NO_SLOT}. */
  ofGroup(group: number): number {
    return this.#ofGroup.get(group) ?? NO_SLOT;
  }
}
