/**
 * Time on the way to memory: a fixed latency, and a data bus that carries so many bytes per cycle, one transfer after the other.
 * Transfers are served in the order in which they are asked for; banks, rows and refresh are not modelled.
 */

export class MemoryChannel {
  /** Cycles from request to data, without waiting. */
  readonly latency: number;
  /** Bytes per cycle; 0 is unlimited. */
  readonly bandwidth: number;
  /** Cycle from which the data bus is free. */
  nextFree = 0;
  /** Cycles the data bus was busy. */
  busyCycles = 0;
  /** Cycles that transfers waited for it. */
  waitedCycles = 0;

  constructor(latency: number, bandwidth: number) {
    this.latency = latency;
    this.bandwidth = bandwidth;
  }

  /** Reserves the bus for `bytes` bytes asked for at cycle `now`; the cycle at which the last of them is there. */
  reserve(now: number, bytes: number): number {
    if (this.bandwidth === 0) return now + this.latency;
    const start = Math.max(now, this.nextFree);
    const cycles = bytes / this.bandwidth;
    this.nextFree = start + cycles;
    this.busyCycles += cycles;
    this.waitedCycles += start - now;
    return this.nextFree + this.latency;
  }
}
