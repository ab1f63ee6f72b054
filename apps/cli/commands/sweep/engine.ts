import type { SweepRun } from '../../../../traces/index.ts';

/** Told the share done (0 to 1) of all runs, the events of those so far, and what to say where nobody counts events. */
export type SweepProgress = (done: number, events: number, note?: string) => void;

/** Who runs the runs of a sweep. */
export interface Engine {
  /** Name of the job that was submitted last; empty where there is none. */
  readonly job: string;
  /** Told while the captures are still being read that so many runs come soon. Whoever calls it also calls {@link run} or {@link stop}. */
  prepare?(runs: number): void;
  /** Ends what is under way; {@link run} returns soon after. */
  stop(): void;
  /** Runs them all, or until somebody stops it. What came of each stands in the folder of the sweep. */
  run(runs: readonly SweepRun[], onProgress: SweepProgress): Promise<void>;
}
