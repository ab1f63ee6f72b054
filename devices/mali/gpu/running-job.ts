import type { GpuJobSpec } from './workload.ts';

export type JobOutcome = 'waiting' | 'running' | 'done' | 'faulted' | 'timeout';

/** One job of one frame. */
export class RunningJob {
  readonly spec: GpuJobSpec;
  readonly frame: number;
  outcome: JobOutcome = 'waiting';
  /** Address space of the hardware that it runs in. */
  slot = -1;
  start = 0;
  end = 0;
  accesses = 0;
  #parts = 0;

  constructor(spec: GpuJobSpec, frame: number) {
    this.spec = spec;
    this.frame = frame;
  }

  get over(): boolean {
    return this.outcome !== 'waiting' && this.outcome !== 'running';
  }

  /** Begins in an address space, in so many parts. */
  begin(slot: number, start: number, parts: number): void {
    this.outcome = 'running';
    this.slot = slot;
    this.start = start;
    this.#parts = parts;
  }

  /** A core has finished its part. @returns whether that was the last */
  partDone(cycle: number): boolean {
    this.end = Math.max(this.end, cycle);
    this.#parts--;
    if (this.#parts > 0) return false;
    this.outcome = 'done';
    return true;
  }

  fail(outcome: 'faulted' | 'timeout', cycle: number): void {
    this.outcome = outcome;
    this.end = Math.max(this.end, cycle);
  }
}
