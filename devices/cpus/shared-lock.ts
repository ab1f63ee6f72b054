import { type EventQueue, Ring } from '../../emulator/index.ts';
import { type Cpu, CpuWait } from './cpu.ts';

/** A lock that CPUs get in the order in which they ask, as Linux's queued spinlocks and mutexes have it. */
export class SharedLock {
  readonly #events: EventQueue<Cpu>;
  readonly #transfer: number;
  readonly #step: number;
  readonly #waiting = new Ring<Cpu>();
  /** Number of the CPU that has it or had it last. */
  #holder = -1;
  #held = false;

  /** @param step the event that comes when a CPU has it @param transfer of its cache line, from one CPU to another */
  constructor(events: EventQueue<Cpu>, step: number, transfer: number) {
    this.#events = events;
    this.#step = step;
    this.#transfer = transfer;
  }

  /** Whether that CPU has had it last and may have it at once. */
  isWith(cpu: number): boolean {
    return !this.#held && this.#holder === cpu;
  }

  /** @returns whether it has to wait */
  acquire(cpu: Cpu): boolean {
    cpu.since = this.#events.now;
    if (this.#held) {
      this.#waiting.push(cpu);
      return true;
    }
    this.#grant(cpu);
    return false;
  }

  release(): void {
    this.#held = false;
    const next = this.#waiting.shift();
    if (next !== null) this.#grant(next);
  }

  #grant(cpu: Cpu): void {
    this.#held = true;
    const { now } = this.#events;
    cpu.waited(CpuWait.LOCK, now - cpu.since);
    const transfer = this.#holder < 0 || this.#holder === cpu.number ? 0 : this.#transfer;
    cpu.waited(CpuWait.LINE, transfer);
    this.#holder = cpu.number;
    this.#events.schedule(now + transfer, this.#step, cpu);
  }
}
