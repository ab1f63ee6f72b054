/**
 * One thing that a driver does and CPUs contend for: a list of commands for a queue, or work under a lock. Times are those of a CPU that
 * is alone, in cycles.
 */
export interface SharedStep {
  /** Places in the queue, CMD_SYNC among them; 0 for work under a lock. */
  readonly slots: number;
  /** Whether the CPU waits until the device has done it. */
  readonly sync: boolean;
  /** Number of the lock, which is held until the end of the step; {@link NO_LOCK} for none. */
  readonly lock: number;
  /** What the CPU does itself: making commands, writing registers. */
  readonly work: number;
  /** From the end of that until the device is done with what it was told before: below 0 where it is done already. */
  readonly before: number;
  /** The same, until it is done with this too. */
  readonly after: number;
  /** The same, until the CPU goes on. */
  readonly waited: number;
}

/** Work that registers take in any order. */
export const NO_LOCK = -1;

/** Told of each step as it is over. The object is reused. */
export type StepListener = (step: SharedStep) => void;

/** A step that is filled in. */
export interface StepDraft extends SharedStep {
  slots: number;
  sync: boolean;
  lock: number;
  work: number;
  before: number;
  after: number;
  waited: number;
}

export function newStep(): StepDraft {
  return { slots: 0, sync: false, lock: NO_LOCK, work: 0, before: 0, after: 0, waited: 0 };
}
