/** What a CPU waits for because there are others. */
export const CpuWait = {
  /** Cache lines that another CPU had last, fetched once: also where nobody else wants them now. */
  LINE: 0,
  /** Cache lines that others have now or take away in between, and claims repeated for that. */
  CLAIM: 1,
  /** Room in the queue. */
  SPACE: 2,
  /** The owner before, the other members of a batch, or the owner's doorbell. */
  OWNER: 3,
  /** A lock that another CPU holds. */
  LOCK: 4,
  /** The device, which does what others told it first. */
  DEVICE: 5,
} as const;
export type CpuWait = (typeof CpuWait)[keyof typeof CpuWait];
const WAITS = 6;

/** Steps of the events that belong to {@link SharedQueue}: others number theirs from here. */
export const QUEUE_STEPS = 16;

/** One CPU, with its place in the command queue. */
export class Cpu {
  readonly number: number;
  /** Time by {@link CpuWait}. It only rises. */
  readonly waits = new Float64Array(WAITS);
  /** Polling for completion, what the device does for others included. It only rises. */
  polled = 0;
  /** What was spared: doorbells that others rang, and completions that came sooner than on a queue of its own. It only rises. */
  doorbellsSpared = 0;
  pollingSpared = 0;
  /** When it asked for the line that it waits for, or began to wait for the owner. */
  since = 0;
  /** The indexes of the queue as it last saw them. */
  seenVersion = 0;
  /** It owns its batch. */
  owns = false;

  constructor(number: number) {
    this.number = number;
  }

  waited(why: CpuWait, time: number): void {
    this.waits[why] = (this.waits[why] as number) + time;
  }
}
