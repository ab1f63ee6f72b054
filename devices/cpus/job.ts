import { CPU_WAITS } from './cpu.ts';
import { newStep, type SharedStep, type StepDraft } from './shared-step.ts';

/** One operation of a CPU: what it does by itself, then the steps that it shares with others. Jobs are reused. */
export class CpuJob {
  /** Number of the CPU, from 0. */
  cpu = 0;
  /** It begins no earlier. */
  arrival = 0;
  /** What it takes a CPU that is alone, steps included. */
  alone = 0;
  /** For its owner. */
  kind = 0;
  operation = 0;

  /** When it began and ended, what it waited for in between, by `CpuWait`, and the sum of that. */
  start = 0;
  end = 0;
  readonly waits = new Float64Array(CPU_WAITS);
  waited = 0;
  /** Of {@link alone}, waiting for the device; and what of it was spared: polling, and CPU work for others. */
  polling = 0;
  pollingSpared = 0;
  workSpared = 0;

  /** How long it took: what it takes alone, less what was spared, and what it waited. */
  get total(): number {
    return this.alone - this.pollingSpared - this.workSpared + this.waited;
  }

  /** Steps of this job. */
  count = 0;
  readonly steps: StepDraft[] = [];
  /** What devices do once it is over: so many streams, which, and for how long each. What lies behind these is of jobs before. */
  streamCount = 0;
  readonly streams: number[] = [];
  readonly accesses: number[] = [];

  add({ slots, sync, lock, work, before, after, waited }: SharedStep): void {
    let step = this.steps[this.count];
    if (step === undefined) {
      step = newStep();
      this.steps.push(step);
    }
    this.count++;
    step.slots = slots;
    step.sync = sync;
    step.lock = lock;
    step.work = work;
    step.before = before;
    step.after = after;
    step.waited = waited;
  }

  /** A stream accesses memory for so long. */
  access(stream: number, cycles: number): void {
    let at = this.streamCount - 1;
    while (at >= 0 && this.streams[at] !== stream) at--;
    if (at >= 0) this.accesses[at] = (this.accesses[at] as number) + cycles;
    else {
      this.streams[this.streamCount] = stream;
      this.accesses[this.streamCount] = cycles;
      this.streamCount++;
    }
  }

  /** It is over, and waited for so long, by `CpuWait`. */
  setWaits(waits: Float64Array): void {
    this.waits.set(waits);
    for (const time of waits) this.waited += time;
  }

  clear(): void {
    this.count = 0;
    this.polling = 0;
    this.pollingSpared = 0;
    this.workSpared = 0;
    if (this.waited > 0) this.waits.fill(0);
    this.waited = 0;
    this.streamCount = 0;
  }
}
