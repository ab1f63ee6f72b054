import type { EventQueue } from '../../emulator/index.ts';
import type { Prng } from '../../formats/index.ts';
import { type Cpu, CpuWait } from './cpu.ts';

/**
 * A cache line that CPUs change in turn. One of them has it at a time; it takes `transfer` to come over from another, nothing to whoever
 * had it last. Who gets it next among those that ask is left to chance: an interconnect keeps no queue.
 */
export class SharedLine {
  readonly #events: EventQueue<Cpu>;
  readonly #transfer: number;
  readonly #prng: Prng;
  readonly #users: Cpu[] = [];
  readonly #steps: number[] = [];
  /** Why each of them waits for the transfer itself. */
  readonly #reasons: CpuWait[] = [];
  /** Number of the CPU that has it or had it last. */
  #holder = -1;
  #busy = false;

  /** @param transfer in the unit of the events */
  constructor(events: EventQueue<Cpu>, transfer: number, prng: Prng) {
    this.#events = events;
    this.#transfer = transfer;
    this.#prng = prng;
  }

  /** Whether that CPU has it, and nobody asks for it. */
  isWith(cpu: number): boolean {
    return !this.#busy && this.#holder === cpu;
  }

  /** A CPU had it last, long ago. */
  leaveWith(cpu: number): void {
    this.#holder = cpu;
  }

  /**
   * Event `step` comes when `user` has the line; it must {@link release} it then.
   * @param again it had the line a moment ago, so that a transfer is somebody else's doing
   */
  request(user: Cpu, step: number, again: boolean): void {
    const reason = again ? CpuWait.CLAIM : CpuWait.LINE;
    user.since = this.#events.now;
    if (this.#busy) {
      this.#users.push(user);
      this.#steps.push(step);
      this.#reasons.push(reason);
    } else this.#grant(user, step, reason);
  }

  release(): void {
    this.#busy = false;
    const last = this.#users.length - 1;
    if (last < 0) return;
    const at = Math.floor(this.#prng.unit() * (last + 1));
    const user = this.#users[at] as Cpu;
    const step = this.#steps[at] as number;
    const reason = this.#reasons[at] as CpuWait;
    this.#users[at] = this.#users[last] as Cpu;
    this.#steps[at] = this.#steps[last] as number;
    this.#reasons[at] = this.#reasons[last] as CpuWait;
    this.#users.length = last;
    this.#steps.length = last;
    this.#reasons.length = last;
    this.#grant(user, step, reason);
  }

  #grant(user: Cpu, step: number, reason: CpuWait): void {
    this.#busy = true;
    const { now } = this.#events;
    user.waited(CpuWait.CLAIM, now - user.since);
    const transfer = this.#holder === user.number ? 0 : this.#transfer;
    user.waited(reason, transfer);
    this.#events.schedule(now + transfer, step, user);
    this.#holder = user.number;
  }
}
