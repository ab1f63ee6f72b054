import { EventQueue } from '../../../emulator/index.ts';
import { Prng } from '../../../formats/index.ts';
import { SharedLine } from './shared-line.ts';

/**
 * Many CPUs that issue lists of commands into the one queue of an SMMUv3, step by step as Linux's `arm_smmu_cmdq_issue_cmdlist` does it
 * since 5.4: a compare-and-exchange claims space; commands are written and marked valid; the first claimant of a batch owns it, waits for
 * the owner before, closes the batch, waits until all of it is valid and rings the doorbell; whoever asked for a CMD_SYNC polls for it.
 *
 * What the CPUs contend for are cache lines ({@link SharedLine}): that of the queue's indexes, that of its lock, that of the valid bits.
 * The SMMU carries out commands one after the other. Not in it: a full queue (nobody waits for space), polling that slows the line which
 * is polled, CPUs at different distances from each other.
 */

/** What the steps take, in nanoseconds. */
export interface QueuePrices {
  /** From one CPU's cache to another's: what an access to a line costs that another CPU had last. */
  readonly transfer: number;
  /** Instructions of a claim. */
  readonly reserve: number;
  /** Building and storing one command. */
  readonly command: number;
  /** The owner's barrier and register write. */
  readonly doorbell: number;
  /** The SMMU, from the doorbell to the first command. */
  readonly awake: number;
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

const Step = {
  UNMAP: 0,
  LIST: 1,
  READ: 2,
  CLAIM: 3,
  STORED: 4,
  LOCKED: 5,
  VALID: 6,
  TURN: 7,
  CLOSED: 8,
  PUBLISHED: 9,
  SYNCED: 10,
  UNLOCKED: 11,
  DONE: 12,
} as const;
type Step = (typeof Step)[keyof typeof Step];

/** A list on its way into the queue. */
interface Submission {
  readonly cpu: Claimant;
  readonly list: CommandList;
  readonly batch: Batch;
}

/** Submissions that one doorbell publishes. The first one's CPU owns the batch. */
interface Batch {
  readonly start: number;
  readonly members: Submission[];
  /** End of the batch; -1 while it is open. */
  end: number;
  /** Commands marked valid. */
  valid: number;
}

/** One CPU. */
class Claimant {
  readonly number: number;
  /** Unmaps done. */
  done = 0;
  begin = 0;
  /** Which list of the unmap it is at. */
  list = 0;
  /** The indexes as it last saw them. */
  seenVersion = 0;
  submission: Submission | null = null;
  owns = false;
  pollsSince = 0;

  constructor(number: number) {
    this.number = number;
  }
}

/** Lets the CPUs unmap until each has done enough. Same load and prices, same times. */
export function shareQueue(load: QueueLoad, prices: QueuePrices): QueueTimes {
  return new SharedQueue(load, prices).run();
}

class SharedQueue {
  readonly #load: QueueLoad;
  readonly #prices: QueuePrices;
  readonly #events = new EventQueue<Claimant>(1);
  readonly #prng = new Prng(SEED);
  readonly #indexes: SharedLine<Claimant>;
  readonly #lock: SharedLine<Claimant>;
  readonly #validBits: SharedLine<Claimant>;
  /** Changes with every change of the indexes: what a compare-and-exchange compares. */
  #version = 0;
  #prod = 0;
  /** The batch that claims join; null when the next claim begins one. */
  #open: Batch | null = null;
  /** End of what was published. */
  #published = 0;
  /** An owner that waits for the one before it. */
  #nextOwner: Claimant | null = null;
  /** CPUs that hold the lock shared: from before their CMD_SYNC is valid until they have seen it. */
  #holders = 0;
  #smmuBusy = 0;

  #unmaps = 0;
  #total = 0;
  #polling = 0;
  #claims = 0;
  #attempts = 0;

  constructor(load: QueueLoad, prices: QueuePrices) {
    this.#load = load;
    this.#prices = prices;
    const line = (): SharedLine<Claimant> => new SharedLine(this.#events, prices.transfer, this.#prng);
    this.#indexes = line();
    this.#lock = line();
    this.#validBits = line();
  }

  run(): QueueTimes {
    const { cpus } = this.#load;
    const events = this.#events;
    for (let cpu = 0; cpu < cpus; cpu++) events.schedule(cpu, Step.UNMAP, new Claimant(cpu));
    // All go on until the last has done its share, so that the others' load does not end early.
    let unfinished = cpus;
    while (unfinished > 0 && events.next()) {
      const cpu = events.subject as Claimant;
      const { kind } = events;
      this.#take(kind as Step, cpu);
      if (kind === Step.DONE && cpu.done === WARM_UP + MEASURED) unfinished--;
    }
    return {
      total: this.#total / this.#unmaps,
      sync: this.#polling / this.#unmaps,
      attempts: this.#attempts / this.#claims,
    };
  }

  #take(step: Step, cpu: Claimant): void {
    const events = this.#events;
    const { now } = events;
    switch (step) {
      case Step.UNMAP:
        cpu.begin = now;
        cpu.list = 0;
        events.schedule(now + this.#about(this.#load.work), Step.LIST, cpu);
        return;
      case Step.LIST:
        this.#indexes.request(cpu, Step.READ);
        return;
      case Step.READ:
        this.#indexes.release();
        cpu.seenVersion = this.#version;
        this.#indexes.request(cpu, Step.CLAIM);
        return;
      case Step.CLAIM:
        this.#indexes.release();
        this.#claim(cpu);
        return;
      case Step.STORED:
        if (submissionOf(cpu).list.sync) this.#lock.request(cpu, Step.LOCKED);
        else this.#validBits.request(cpu, Step.VALID);
        return;
      case Step.LOCKED:
        this.#lock.release();
        this.#holders++;
        this.#validBits.request(cpu, Step.VALID);
        return;
      case Step.VALID:
        this.#validBits.release();
        this.#markValid(cpu);
        return;
      case Step.TURN:
        this.#indexes.request(cpu, Step.CLOSED);
        return;
      case Step.CLOSED:
        this.#indexes.release();
        this.#close(cpu);
        return;
      case Step.PUBLISHED:
        this.#publish(cpu);
        return;
      case Step.SYNCED:
        if (cpu.done >= WARM_UP) this.#polling += now - cpu.pollsSince;
        this.#lock.request(cpu, Step.UNLOCKED);
        return;
      case Step.UNLOCKED:
        this.#lock.release();
        // The last one out tells the others how far the SMMU has read, in the line of the indexes.
        if (--this.#holders === 0) this.#version++;
        this.#goOn(cpu);
        return;
      case Step.DONE:
        if (cpu.done++ >= WARM_UP) {
          this.#unmaps++;
          this.#total += now - cpu.begin;
        }
        events.schedule(now + this.#about(this.#load.pause), Step.UNMAP, cpu);
    }
  }

  /** A time that is `mean` on average: CPUs that all took exactly as long would fall into step and never meet. */
  #about(mean: number): number {
    return this.#load.cpus === 1 ? mean : mean * (1 + SPREAD * (2 * this.#prng.unit() - 1));
  }

  /** The compare-and-exchange of the indexes. */
  #claim(cpu: Claimant): void {
    this.#attempts++;
    if (cpu.seenVersion !== this.#version) {
      // It failed, and says what the indexes are now.
      cpu.seenVersion = this.#version;
      this.#indexes.request(cpu, Step.CLAIM);
      return;
    }
    this.#claims++;
    this.#version++;
    cpu.owns = this.#open === null;
    this.#open ??= { start: this.#prod, members: [], end: -1, valid: 0 };
    const list = this.#load.lists[cpu.list] as CommandList;
    cpu.submission = { cpu, list, batch: this.#open };
    this.#open.members.push(cpu.submission);
    this.#prod += slotsOf(list);
    const { reserve, command } = this.#prices;
    this.#events.schedule(this.#events.now + reserve + slotsOf(list) * command, Step.STORED, cpu);
  }

  #markValid(cpu: Claimant): void {
    const { batch, list } = submissionOf(cpu);
    batch.valid += slotsOf(list);
    if (cpu.owns) {
      if (this.#published === batch.start) this.#indexes.request(cpu, Step.CLOSED);
      else this.#nextOwner = cpu;
      return;
    }
    this.#ringWhenValid(batch, this.#prices.transfer);
    cpu.pollsSince = this.#events.now;
    // One that waits for nothing goes on at once: its commands are the owner's to publish.
    if (!list.sync) this.#goOn(cpu);
  }

  /** The owner lets no more claims into its batch. */
  #close(owner: Claimant): void {
    const { batch } = submissionOf(owner);
    this.#version++;
    batch.end = this.#prod;
    this.#open = null;
    this.#ringWhenValid(batch, 0);
  }

  /** @param later until the owner sees the last valid bit */
  #ringWhenValid(batch: Batch, later: number): void {
    if (batch.end < 0 || batch.valid < batch.end - batch.start) return;
    const owner = (batch.members[0] as Submission).cpu;
    this.#events.schedule(this.#events.now + later + this.#prices.doorbell, Step.PUBLISHED, owner);
  }

  /** The doorbell has rung: the SMMU reads the batch, and the next owner may close its own. */
  #publish(owner: Claimant): void {
    const events = this.#events;
    const { now } = events;
    const { awake, invalidation, sync, seen, transfer } = this.#prices;
    const { batch, list } = submissionOf(owner);
    let busy = Math.max(this.#smmuBusy, now + awake);
    owner.pollsSince = now;
    for (const member of batch.members) {
      busy += member.list.commands * invalidation;
      if (!member.list.sync) continue;
      busy += sync;
      events.schedule(busy + seen, Step.SYNCED, member.cpu);
    }
    this.#smmuBusy = busy;
    this.#published = batch.end;
    const next = this.#nextOwner;
    if (next !== null && submissionOf(next).batch.start === this.#published) {
      this.#nextOwner = null;
      events.schedule(now + transfer, Step.TURN, next);
    }
    if (!list.sync) this.#goOn(owner);
  }

  /** To the next list of the unmap, or its end. */
  #goOn(cpu: Claimant): void {
    cpu.list++;
    const step = cpu.list < this.#load.lists.length ? Step.LIST : Step.DONE;
    this.#events.schedule(this.#events.now, step, cpu);
  }
}

function submissionOf(cpu: Claimant): Submission {
  return cpu.submission as Submission;
}

/** Slots of the queue that a list takes. */
function slotsOf({ commands, sync }: CommandList): number {
  return commands + Number(sync);
}
