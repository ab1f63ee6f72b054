import type { SweepRun } from '../../../../traces/index.ts';

/** Who runs the runs of a sweep. */
export interface Engine {
  /** Ends what is under way; {@link run} returns soon after. */
  stop(): void;
  /**
   * Runs them all, or until somebody stops it. What came of each stands in the folder of the sweep.
   * @param onProgress told the share done (0 to 1) of all of them, and the events of those so far
   */
  run(runs: readonly SweepRun[], onProgress: (done: number, events: number) => void): Promise<void>;
}
