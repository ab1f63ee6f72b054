import { Cpu, QUEUE_STEPS, type QueuedList, SharedQueue, type SharedQueuePrices } from '../../../devices/index.ts';
import { EventQueue } from '../../../emulator/index.ts';
import { Prng } from '../../../formats/index.ts';

/** What the steps take, in nanoseconds. */
export interface QueuePrices extends SharedQueuePrices {
  /** The SMMU, for each invalidation. */
  readonly invalidation: number;
  /** The SMMU, for each CMD_SYNC: until all before it is done and the completion written. */
  readonly sync: number;
  /** From there until the CPU that polls goes on. */
  readonly seen: number;
}

/** A list that one unmap issues. */
export interface CommandList {
  /** Invalidations in it. */
  readonly commands: number;
  /** Whether a CMD_SYNC ends it, which is waited for. */
  readonly sync: boolean;
}

/** What each CPU does, over and over. Nanoseconds. */
export interface QueueLoad {
  readonly cpus: number;
  /** From one unmap to the next: the map in between. */
  readonly pause: number;
  /** Of an unmap, before it invalidates. */
  readonly work: number;
  readonly lists: readonly CommandList[];
}

/** Means over all unmaps, in nanoseconds. */
export interface QueueTimes {
  /** One unmap. */
  readonly total: number;
  /** Of this, polling for CMD_SYNC. */
  readonly sync: number;
  /** Compare-and-exchanges that one claim takes. */
  readonly attempts: number;
}

/** Unmaps of each CPU before those that count, and those that count. */
const WARM_UP = 12;
const MEASURED = 40;
const SEED = 1;
/** Work and pause vary by up to this share in either direction. */
const SPREAD = 0.25;

const Step = { UNMAP: QUEUE_STEPS, ISSUE: QUEUE_STEPS + 1, DONE: QUEUE_STEPS + 2 } as const;

/** One CPU, which unmaps over and over. */
class Unmapper extends Cpu {
  /** Unmaps done. */
  done = 0;
  begin = 0;
  /** Which list of the unmap it is at. */
  list = 0;
}

/** Lets CPUs with one command queue unmap until each has done enough. Same load and prices, same times. */
export function shareQueue(load: QueueLoad, prices: QueuePrices): QueueTimes {
  const { cpus } = load;
  const lists = load.lists.map((list) => queuedList(list, prices));
  const events = new EventQueue<Cpu>(1);
  const prng = new Prng(SEED);
  const all = Array.from({ length: cpus }, (_, number) => new Unmapper(number));
  // CPUs that all took exactly as long would fall into step and never meet.
  const about = (mean: number): number => (cpus === 1 ? mean : mean * (1 + SPREAD * (2 * prng.unit() - 1)));
  const queue = new SharedQueue(events, prices, prng, ({ number }) => {
    const cpu = all[number] as Unmapper;
    const list = lists[++cpu.list];
    if (list === undefined) events.schedule(events.now, Step.DONE, cpu);
    else queue.issue(cpu, list);
  });
  for (const cpu of all) events.schedule(cpu.number, Step.UNMAP, cpu);
  let unmaps = 0;
  let total = 0;
  // All go on until the last has done its share, so that the others' load does not end early.
  let unfinished = cpus;
  while (unfinished > 0 && events.next()) {
    const { kind, now } = events;
    const cpu = all[events.subject?.number ?? 0] as Unmapper;
    if (kind < QUEUE_STEPS) queue.take(kind, cpu);
    else if (kind === Step.UNMAP) {
      cpu.begin = now;
      cpu.list = 0;
      events.schedule(now + about(load.work), Step.ISSUE, cpu);
    } else if (kind === Step.ISSUE) queue.issue(cpu, lists[0] as QueuedList);
    else {
      if (cpu.done++ >= WARM_UP) {
        unmaps++;
        total += now - cpu.begin;
      }
      if (cpu.done === WARM_UP) cpu.polled = 0;
      if (cpu.done === WARM_UP + MEASURED) unfinished--;
      events.schedule(now + about(load.pause), Step.UNMAP, cpu);
    }
  }
  const polled = all.reduce((sum, cpu) => sum + (cpu.done >= WARM_UP ? cpu.polled : 0), 0);
  return { total: total / unmaps, sync: polled / unmaps, attempts: queue.attempts / queue.claims };
}

function queuedList({ commands, sync }: CommandList, prices: QueuePrices): QueuedList {
  const device = commands * prices.invalidation + (sync ? prices.sync : 0);
  const { awake, seen } = prices;
  return { slots: commands + Number(sync), sync, device, seen, alone: awake + device + seen };
}
