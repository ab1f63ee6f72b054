import type { Party, Wait } from './dependency-graph.ts';
import { Fence } from './fence.ts';
import type { JobClock } from './job-clock.ts';

/** Work for the GPU itself: starts when its fences have signalled, runs for a time, signals. Any number run side by side. */
export class GpuJob implements Party {
  readonly name: string;
  /** Signals when the work is done. */
  readonly done: Fence;
  readonly #waitFor: readonly Fence[];
  #startedAt = -1;

  /** @param cycles how long it runs. */
  constructor(clock: JobClock, name: string, waitFor: readonly Fence[], cycles: number) {
    this.name = name;
    this.done = new Fence(`fence of ${name}`, this);
    this.#waitFor = waitFor;
    let open = waitFor.length;
    const start = (): void => {
      this.#startedAt = clock.now;
      clock.after(cycles, () => this.done.signal(clock.now));
    };
    if (open === 0) start();
    for (const fence of waitFor) {
      fence.onSignal(() => {
        open--;
        if (open === 0) start();
      });
    }
  }

  /** Time at which it started, in cycles, or -1. */
  get startedAt(): number {
    return this.#startedAt;
  }

  waitsFor(): readonly Wait[] {
    return this.#waitFor
      .filter((fence) => !fence.signalled)
      .map((on) => ({ on, why: 'it is an in-fence of the job', any: false }));
  }
}
