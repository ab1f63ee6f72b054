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
export const CPU_WAIT_NAMES = ['line', 'claim', 'space', 'owner', 'lock', 'device'] as const;
export const CPU_WAITS = CPU_WAIT_NAMES.length;

/** Less than this comes of rounding: late in a long run, a double tells times apart no better. */
const NOISE = 1e-2;

/** Steps of the events that belong to {@link SharedQueue}: others number theirs from here. */
export const QUEUE_STEPS = 16;

/** One CPU, with its place in the command queue. What it counts only rises, until its owner clears it. */
export class Cpu {
  readonly number: number;
  /** Time by {@link CpuWait}. */
  readonly waits = new Float64Array(CPU_WAITS);
  /** Polling for completion, what the device does for others included. */
  polled = 0;
  /** What was spared: doorbells that others rang, and time by which completions came sooner than on a queue of its own. */
  doorbellsSpared = 0;
  pollingSpared = 0;
  /** When it asked for what it waits for. */
  since = 0;
  /** The indexes of the queue as it last saw them. */
  seenVersion = 0;
  /** It owns its batch. */
  owns = false;

  constructor(number: number) {
    this.number = number;
  }

  waited(why: CpuWait, time: number): void {
    if (time < NOISE) return;
    this.waits[why] = (this.waits[why] as number) + time;
  }

  clear(): void {
    this.waits.fill(0);
    this.polled = 0;
    this.doorbellsSpared = 0;
    this.pollingSpared = 0;
  }
}
