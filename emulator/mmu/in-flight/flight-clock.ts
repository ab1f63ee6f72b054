import { EventQueue, Ring } from '../../time/index.ts';
import type { Flight, Slots } from './flight.ts';
import { WAIT } from './flight-state.ts';

/** What an event does. */
export const FlightEvent = {
  /** Runs a flight on. */
  WAKE: 0,
  /** Memory hands out its next answer. */
  ANSWER: 1,
  /** Memory takes requests again. */
  MEMORY_FREE: 2,
  /** A TBU hands its master the next response. */
  RESPOND: 3,
  /** A TBU tells its master to try again. */
  RETRY: 4,
  /** A master issues its next request. */
  ISSUE: 5,
} as const;

/** Who an event is for. */
export type EventSubject = Flight | { readonly master: number };

/**
 * The clock of an event-driven run, the slots that requests compete for, and memory behind its one port. Time is in ticks: as many per
 * SMMU cycle as the caller says, 1000 for the reference.
 */
export class FlightClock {
  readonly queue: EventQueue<EventSubject>;
  readonly period: number;
  /** Told when memory accepts a request: refused masters may try again. */
  onAccepted: () => void = () => {};

  readonly #latency: number;
  readonly #ticksPerByte: number;
  // Answers on their way, oldest first; requests that memory was too busy for.
  readonly #answers = new Ring<Flight>();
  readonly #refused = new Ring<Flight>();
  #answering = false;
  #busy = false;

  /**
   * @param period ticks per cycle
   * @param latency of memory, in cycles
   * @param bandwidth of memory in bytes per cycle, 0 for unlimited
   */
  constructor(period: number, latency: number, bandwidth: number) {
    this.period = period;
    this.queue = new EventQueue(period);
    this.#latency = latency * period;
    this.#ticksPerByte = bandwidth === 0 ? 0 : period / bandwidth;
  }

  get now(): number {
    return this.queue.now;
  }

  /** Tick of the clock edge `cycles` after the next edge, which is now when now is one. */
  edge(cycles: number): number {
    return this.queue.edge + cycles * this.period;
  }

  /** Lets a flight sleep for some cycles and go on with `state`. */
  delay(flight: Flight, cycles: number, state: number): number {
    flight.state = state;
    this.queue.schedule(this.edge(cycles), FlightEvent.WAKE, flight);
    return WAIT;
  }

  /** Takes a slot, or gets in line for one: then the flight is woken in the same state and asks again. */
  acquire(flight: Flight, slots: Slots, state: number): boolean {
    if (slots.free === 0) {
      flight.state = state;
      slots.waiting.push(flight);
      return false;
    }
    slots.free--;
    return true;
  }

  release(slots: Slots): void {
    slots.free++;
    const next = slots.waiting.shift();
    if (next !== null) this.queue.schedule(this.queue.now, FlightEvent.WAKE, next);
  }

  /** Wakes everybody who waits for a signal. */
  broadcast(waiting: Flight[]): void {
    if (waiting.length === 0) return;
    for (const flight of waiting) this.queue.schedule(this.queue.now, FlightEvent.WAKE, flight);
    waiting.length = 0;
  }

  /** Sends a request to memory; the flight goes on with `state` when the answer is back. */
  send(flight: Flight, bytes: number, state: number): number {
    flight.state = state;
    flight.bytes = bytes;
    if (this.#busy || this.#refused.length > 0) this.#refused.push(flight);
    else this.#accept(flight);
    return WAIT;
  }

  /** Serves ANSWER: the flight whose answer is due. Call `answered` after it ran. */
  answer(): Flight {
    this.#answering = false;
    return this.#answers.first() as Flight;
  }

  answered(): void {
    this.#answers.shift();
    const next = this.#answers.first();
    if (next !== null && !this.#answering) this.#scheduleAnswer(Math.max(next.dueTick, this.queue.now));
  }

  /** Serves MEMORY_FREE: the next of those that memory refused. */
  free(): void {
    this.#busy = false;
    while (!this.#busy) {
      const next = this.#refused.shift();
      if (next === null) return;
      this.#accept(next);
    }
  }

  #accept(flight: Flight): void {
    if (this.#ticksPerByte > 0) {
      this.#busy = true;
      const subject = flight;
      this.queue.schedule(this.queue.now + flight.bytes * this.#ticksPerByte, FlightEvent.MEMORY_FREE, subject);
    }
    const due = this.queue.now + this.#latency;
    flight.dueTick = due;
    this.#answers.push(flight);
    if (!this.#answering && this.#answers.length === 1) this.#scheduleAnswer(due);
    this.onAccepted();
  }

  #scheduleAnswer(tick: number): void {
    this.#answering = true;
    this.queue.schedule(tick, FlightEvent.ANSWER, this.#answers.first() as Flight);
  }
}
