import type { MachineClock } from '../../emulator/index.ts';

/** The trace's seconds as cycles of the machine: both begin where the capture does, and the machine's never go back. */
export class ReplayTime {
  readonly #clock: MachineClock;
  /** Cycles per second of the trace's clock. */
  readonly rate: number;
  #start = Number.NaN;

  constructor(clock: MachineClock, clockMHz: number) {
    this.#clock = clock;
    this.rate = clockMHz * 1e6;
  }

  /** The cycle that a time of the trace is, by the trace alone. */
  cyclesAt(seconds: number): number {
    if (Number.isNaN(this.#start)) this.#start = seconds;
    return Math.round((seconds - this.#start) * this.rate);
  }

  /** The time of the trace that a cycle is. */
  secondsAt(cycles: number): number {
    return this.#start + cycles / this.rate;
  }

  set(seconds: number): void {
    this.#clock.seconds = seconds;
    this.#clock.cycles = Math.max(this.#clock.cycles, this.cyclesAt(seconds));
  }
}
