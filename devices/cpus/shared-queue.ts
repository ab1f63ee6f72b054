import type { EventQueue } from '../../emulator/index.ts';
import type { Prng } from '../../formats/index.ts';
import { type Cpu, CpuWait } from './cpu.ts';
import { QueueSpace } from './queue-space.ts';
import { SharedLine } from './shared-line.ts';

/** What the steps take. */
export interface SharedQueuePrices {
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
}

/** A list of commands that one CPU issues. */
export interface QueuedList {
  /** Places in the queue: its commands, and the CMD_SYNC that may end it. */
  readonly slots: number;
  /** Whether a CMD_SYNC ends it, which is waited for. */
  readonly sync: boolean;
  /** The SMMU, for all of it. */
  readonly device: number;
  /** From there until the CPU that polls goes on. */
  readonly seen: number;
  /** From the doorbell until the CPU goes on, on a queue of its own: of a longer wait, the rest is others' doing. */
  readonly alone: number;
}

const Step = {
  LIST: 0,
  READ: 1,
  CLAIM: 2,
  STORED: 3,
  LOCKED: 4,
  VALID: 5,
  TURN: 6,
  CLOSED: 7,
  PUBLISHED: 8,
  SYNCED: 9,
  UNLOCKED: 10,
  CONSUMED: 11,
} as const;
type Step = (typeof Step)[keyof typeof Step];

/** Told of what goes on in a queue. */
export interface QueueWatcher {
  /** A CPU begins to wait for its CMD_SYNC, or goes on. */
  polls(waits: boolean): void;
  /** The SMMU carries out commands from then until then. */
  busy(from: number, until: number): void;
}

/** A list on its way into the queue. */
interface Submission {
  readonly cpu: Cpu;
  readonly list: QueuedList;
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

/**
 * Many CPUs that issue lists of commands into the one queue of an SMMUv3, step by step as Linux's `arm_smmu_cmdq_issue_cmdlist` does it
 * since 5.4: a compare-and-exchange claims space; commands are written and marked valid; the first claimant of a batch owns it, waits for
 * the owner before, closes the batch, waits until all of it is valid and rings the doorbell; whoever asked for a CMD_SYNC polls for it.
 *
 * What the CPUs contend for are cache lines ({@link SharedLine}): that of the queue's indexes, that of its lock, that of the valid bits.
 * The SMMU carries out commands one after the other. Who finds the queue full waits until the SMMU is done with a batch. Not in it: polling
 * that slows the line which is polled, CPUs at different distances from each other.
 *
 * It lives in somebody's events: whoever takes them out hands on those below `QUEUE_STEPS`.
 */
export class SharedQueue {
  /** Claims, and the compare-and-exchanges that they took. */
  claims = 0;
  attempts = 0;
  readonly prices: SharedQueuePrices;
  readonly #events: EventQueue<Cpu>;
  readonly #space: QueueSpace;
  readonly #watcher: QueueWatcher | null;
  readonly #done: (cpu: Cpu) => void;
  readonly #indexes: SharedLine;
  readonly #lock: SharedLine;
  readonly #validBits: SharedLine;
  /** What each CPU issues. */
  readonly #lists: QueuedList[] = [];
  readonly #submissions: Submission[] = [];
  /** Changes with every change of the indexes: what a compare-and-exchange compares. */
  #version = 0;
  #prod = 0;
  /** The batch that claims join; null when the next claim begins one. */
  #open: Batch | null = null;
  /** End of what was published. */
  #published = 0;
  /** An owner that waits for the one before it. */
  #nextOwner: Cpu | null = null;
  /** CPUs that hold the lock shared: from before their CMD_SYNC is valid until they have seen it. */
  #holders = 0;
  #smmuBusy = 0;
  /** CPUs that found the queue full. */
  readonly #full: Cpu[] = [];

  /**
   * @param prng by which a line goes to one of those that ask for it
   * @param done a CPU is through with the list that it issued
   * @param options.size places in the queue
   */
  constructor(
    events: EventQueue<Cpu>,
    prices: SharedQueuePrices,
    prng: Prng,
    done: (cpu: Cpu) => void,
    options: { readonly size?: number; readonly watcher?: QueueWatcher } = {},
  ) {
    this.#events = events;
    this.prices = prices;
    this.#space = new QueueSpace(options.size ?? Number.POSITIVE_INFINITY);
    this.#watcher = options.watcher ?? null;
    this.#done = done;
    const line = (): SharedLine => new SharedLine(events, prices.transfer, prng);
    this.#indexes = line();
    this.#lock = line();
    this.#validBits = line();
  }

  /** A CPU has made the queue, and has all of its lines. Without one, nobody has. */
  madeBy(cpu: number): void {
    for (const line of [this.#indexes, this.#lock, this.#validBits]) line.leaveWith(cpu);
  }

  /** Whether a list of that CPU meets nobody and fetches nothing: then it may as well be {@link passed}. */
  isWith(cpu: number): boolean {
    return this.#indexes.isWith(cpu) && this.#lock.isWith(cpu) && this.#validBits.isWith(cpu);
  }

  /** A list went through in the time that it takes alone. */
  passed(): void {
    this.claims++;
    this.attempts++;
  }

  /** A CPU issues a list; it issues no other before this one is through. */
  issue(cpu: Cpu, list: QueuedList): void {
    this.#lists[cpu.number] = list;
    this.#events.schedule(this.#events.now, Step.LIST, cpu);
  }

  /** Takes an event that is the queue's. */
  take(step: number, cpu: Cpu): void {
    const events = this.#events;
    const { now } = events;
    switch (step as Step) {
      case Step.LIST:
        this.#indexes.request(cpu, Step.READ, false);
        return;
      case Step.READ:
        this.#indexes.release();
        cpu.seenVersion = this.#version;
        this.#indexes.request(cpu, Step.CLAIM, true);
        return;
      case Step.CLAIM:
        this.#indexes.release();
        this.#claim(cpu);
        return;
      case Step.STORED:
        if (this.#of(cpu).list.sync) this.#lock.request(cpu, Step.LOCKED, false);
        else this.#validBits.request(cpu, Step.VALID, false);
        return;
      case Step.LOCKED:
        this.#lock.release();
        this.#holders++;
        this.#validBits.request(cpu, Step.VALID, false);
        return;
      case Step.VALID:
        this.#validBits.release();
        this.#markValid(cpu);
        return;
      case Step.TURN:
        cpu.waited(CpuWait.OWNER, now - cpu.since);
        this.#indexes.request(cpu, Step.CLOSED, true);
        return;
      case Step.CLOSED:
        this.#indexes.release();
        this.#close(cpu);
        return;
      case Step.PUBLISHED:
        this.#publish(cpu);
        return;
      case Step.SYNCED:
        cpu.polled += now - cpu.since;
        this.#watcher?.polls(false);
        this.#lock.request(cpu, Step.UNLOCKED, true);
        return;
      case Step.UNLOCKED:
        this.#lock.release();
        // The last one out tells the others how far the SMMU has read, in the line of the indexes.
        if (--this.#holders === 0) this.#version++;
        this.#done(cpu);
        return;
      case Step.CONSUMED:
        this.#consume();
    }
  }

  /** The compare-and-exchange of the indexes. */
  #claim(cpu: Cpu): void {
    const list = this.#lists[cpu.number] as QueuedList;
    if (!this.#space.reaches(this.#prod + list.slots, this.#events.now)) {
      cpu.since = this.#events.now;
      this.#full.push(cpu);
      if (this.#full.length === 1) this.#lookLater();
      return;
    }
    this.attempts++;
    if (cpu.seenVersion !== this.#version) {
      // It failed, and says what the indexes are now.
      cpu.seenVersion = this.#version;
      this.#indexes.request(cpu, Step.CLAIM, true);
      return;
    }
    this.claims++;
    this.#version++;
    cpu.owns = this.#open === null;
    this.#open ??= { start: this.#prod, members: [], end: -1, valid: 0 };
    const submission = { cpu, list, batch: this.#open };
    this.#submissions[cpu.number] = submission;
    this.#open.members.push(submission);
    this.#prod += list.slots;
    const { reserve, command } = this.prices;
    this.#events.schedule(this.#events.now + reserve + list.slots * command, Step.STORED, cpu);
  }

  #markValid(cpu: Cpu): void {
    const { batch, list } = this.#of(cpu);
    batch.valid += list.slots;
    cpu.since = this.#events.now;
    if (cpu.owns) {
      if (this.#published === batch.start) this.#indexes.request(cpu, Step.CLOSED, true);
      else this.#nextOwner = cpu;
      return;
    }
    this.#ringWhenValid(batch, this.prices.transfer);
    if (list.sync) {
      this.#watcher?.polls(true);
      return;
    }
    // One that waits for nothing goes on at once: its commands are the owner's to publish.
    cpu.doorbellsSpared++;
    this.#done(cpu);
  }

  /** The owner lets no more claims into its batch. */
  #close(owner: Cpu): void {
    const { batch } = this.#of(owner);
    this.#version++;
    batch.end = this.#prod;
    this.#open = null;
    owner.since = this.#events.now;
    this.#ringWhenValid(batch, 0);
  }

  /** @param later until the owner sees the last valid bit */
  #ringWhenValid(batch: Batch, later: number): void {
    if (batch.end < 0 || batch.valid < batch.end - batch.start) return;
    const owner = (batch.members[0] as Submission).cpu;
    this.#events.schedule(this.#events.now + later + this.prices.doorbell, Step.PUBLISHED, owner);
  }

  /** The doorbell has rung: the SMMU reads the batch, and the next owner may close its own. */
  #publish(owner: Cpu): void {
    const events = this.#events;
    const { now } = events;
    const { awake, doorbell, transfer } = this.prices;
    const { batch, list } = this.#of(owner);
    const begin = Math.max(this.#smmuBusy, now + awake);
    let busy = begin;
    // Told without `now`, so that it is exact.
    let after = begin > now + awake ? begin - now : awake;
    for (const { cpu, list } of batch.members) {
      busy += list.device;
      after += list.device;
      // What waits for the owner would have rung itself.
      if (cpu === owner || list.sync) cpu.waited(CpuWait.OWNER, now - cpu.since - doorbell);
      if (!list.sync) continue;
      const polled = after + list.seen;
      if (polled > list.alone) cpu.waited(CpuWait.DEVICE, polled - list.alone);
      else cpu.pollingSpared += list.alone - polled;
      events.schedule(busy + list.seen, Step.SYNCED, cpu);
    }
    owner.since = now;
    if (list.sync) this.#watcher?.polls(true);
    this.#watcher?.busy(begin, busy);
    this.#smmuBusy = busy;
    this.#published = batch.end;
    if (this.#space.published(batch.end, busy, now) && this.#full.length > 0) this.#lookLater();
    const next = this.#nextOwner;
    if (next !== null && this.#of(next).batch.start === this.#published) {
      this.#nextOwner = null;
      events.schedule(now + transfer, Step.TURN, next);
    }
    if (!list.sync) this.#done(owner);
  }

  /** Where nothing is published that could be carried out, the next doorbell does this. */
  #lookLater(): void {
    const time = this.#space.nextDone();
    if (time !== null) this.#events.schedule(Math.max(time, this.#events.now), Step.CONSUMED, this.#full[0] as Cpu);
  }

  /** There may be room: whoever waits for it tries again. */
  #consume(): void {
    for (const cpu of this.#full.splice(0)) {
      cpu.waited(CpuWait.SPACE, this.#events.now - cpu.since);
      this.#indexes.request(cpu, Step.CLAIM, true);
    }
  }

  #of(cpu: Cpu): Submission {
    return this.#submissions[cpu.number] as Submission;
  }
}
