import type { EventQueue } from '../../../emulator/index.ts';
import type { Prng } from '../../../formats/index.ts';

/** A CPU that may ask for a line. */
export interface LineUser {
  readonly number: number;
}

/**
 * A cache line that CPUs change in turn. One of them has it at a time; it takes `transfer` to come over from another, nothing to whoever
 * had it last. Who gets it next among those that ask is left to chance: an interconnect keeps no queue.
 */
export class SharedLine<User extends LineUser> {
  readonly #events: EventQueue<User>;
  readonly #transfer: number;
  readonly #prng: Prng;
  readonly #users: User[] = [];
  readonly #steps: number[] = [];
  /** Number of the CPU that has it or had it last. */
  #holder = -1;
  #busy = false;

  /** @param transfer nanoseconds */
  constructor(events: EventQueue<User>, transfer: number, prng: Prng) {
    this.#events = events;
    this.#transfer = transfer;
    this.#prng = prng;
  }

  /** Event `step` comes when `user` has the line; it must {@link release} it then. */
  request(user: User, step: number): void {
    if (this.#busy) {
      this.#users.push(user);
      this.#steps.push(step);
    } else this.#grant(user, step);
  }

  release(): void {
    this.#busy = false;
    const waiting = this.#users.length;
    if (waiting === 0) return;
    const at = Math.floor(this.#prng.unit() * waiting);
    const user = this.#users[at] as User;
    const step = this.#steps[at] as number;
    this.#users[at] = this.#users[waiting - 1] as User;
    this.#steps[at] = this.#steps[waiting - 1] as number;
    this.#users.length = waiting - 1;
    this.#steps.length = waiting - 1;
    this.#grant(user, step);
  }

  #grant(user: User, step: number): void {
    this.#busy = true;
    const { now } = this.#events;
    this.#events.schedule(this.#holder === user.number ? now : now + this.#transfer, step, user);
    this.#holder = user.number;
  }
}
