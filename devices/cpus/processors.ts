import { EventQueue, Ring } from '../../emulator/index.ts';
import { Prng } from '../../formats/index.ts';
import { Activity } from './activity.ts';
import { Cpu, CpuWait, QUEUE_STEPS } from './cpu.ts';
import { CpuJob } from './job.ts';
import { SharedLock } from './shared-lock.ts';
import { type QueuedList, SharedQueue, type SharedQueuePrices } from './shared-queue.ts';
import type { StepDraft } from './shared-step.ts';

const Step = {
  ARRIVED: QUEUE_STEPS,
  WORKED: QUEUE_STEPS + 1,
  LOCKED: QUEUE_STEPS + 2,
  TOLD: QUEUE_STEPS + 3,
  ANSWERED: QUEUE_STEPS + 4,
  BUSY: QUEUE_STEPS + 5,
  IDLE: QUEUE_STEPS + 6,
} as const;

/** A CPU with the jobs that wait for it. */
class Processor extends Cpu {
  readonly waiting = new Ring<CpuJob>();
  job: CpuJob | null = null;
  /** Which of its steps it is at. */
  step = 0;
  /** It waits for a lock. */
  spins = false;
}

/**
 * Jobs on several CPUs at once, in time: each CPU does its own in order, each no earlier than it arrives, and all of them share one
 * device: a command queue ({@link SharedQueue}), locks, and what the device can do at a time. Accesses of the device go on beside the CPUs, those
 * of a stream one after the other.
 *
 * A job does what is its own first and its shared steps then. On CPUs whose jobs never meet each takes as long as alone, but for cache
 * lines that come over.
 *
 * Not in it: locks of page tables (Linux's LPAE tables have none) and of the system's allocators, one CPU that waits for a mapping which
 * another makes, CPUs that share caches or are slowed by each other's memory traffic, accesses slowed by commands.
 */
export class Processors {
  /** Who was at work when, waiting for a device or a lock not counted. */
  readonly activity = new Activity();
  readonly queue: SharedQueue;
  readonly #events = new EventQueue<Cpu>(1);
  readonly #transfer: number;
  readonly #awake: number;
  readonly #onDone: (job: CpuJob) => void;
  readonly #cpus: Processor[] = [];
  readonly #locks = new Map<number, SharedLock>();
  /** Where events go that are no CPU's. */
  readonly #nobody = new Cpu(-1);
  readonly #pool: CpuJob[] = [];
  /** Until when the device is busy with what registers told it, and with the accesses of each stream. */
  #deviceBusy = 0;
  /** Arrival of the job before. */
  #last = -1;
  /** A job that began when all was quiet: the events know nothing of it unless another one arrives before it is over. */
  #single: CpuJob | null = null;
  readonly #streamBusy = new Map<number, number>();

  /**
   * @param queue places in the command queue
   * @param onDone a job is over; it is used again after that
   */
  constructor(prices: SharedQueuePrices, queue: number, seed: number, onDone: (job: CpuJob) => void) {
    this.#transfer = prices.transfer;
    this.#awake = prices.awake;
    this.#onDone = onDone;
    this.queue = new SharedQueue(this.#events, prices, new Prng(seed), (cpu) => this.#goOn(this.#of(cpu)), {
      size: queue,
      watcher: {
        polls: (waits) => this.activity.change(this.#events.now, waits ? -1 : 1, 0),
        busy: (from, until) => this.#busy(from, until),
      },
    });
  }

  get count(): number {
    return this.#cpus.length;
  }

  /** A job to be filled in and submitted. */
  take(): CpuJob {
    const job = this.#pool.pop() ?? new CpuJob();
    job.clear();
    return job;
  }

  /**
   * What happens before the job arrives is over then. Jobs come in the order of their arrival; one that comes late arrives now.
   * @param most jobs that wait for one CPU: with more, time passes before this one is taken
   */
  submit(job: CpuJob, most = Number.POSITIVE_INFINITY): void {
    const events = this.#events;
    while (this.#cpus.length <= job.cpu) this.#cpus.push(new Processor(this.#cpus.length));
    if (this.#last < 0) this.queue.madeBy(job.cpu);
    const { waiting } = this.#cpus[job.cpu] as Processor;
    while (waiting.length >= most && events.next()) this.#take(events.kind, events.subject as Cpu);
    job.arrival = Math.max(job.arrival, events.now, this.#last);
    this.#last = job.arrival;
    this.#settle(job.arrival);
    if (events.size > 0) {
      events.schedule(job.arrival, Step.ARRIVED, this.#nobody);
      while (events.next() && events.kind !== Step.ARRIVED) this.#take(events.kind, events.subject as Cpu);
    }
    if (events.size === 0 && this.#meetsNobody(job)) this.#single = job;
    else this.#arrive(job);
  }

  /** All that was submitted comes to its end. */
  finish(): void {
    const events = this.#events;
    this.#settle(Number.POSITIVE_INFINITY);
    while (events.next()) this.#take(events.kind, events.subject as Cpu);
    this.activity.change(events.now, 0, 0);
  }

  /** Whether a job that begins when all is quiet takes as long as alone, until another one arrives. */
  #meetsNobody({ cpu, count, steps }: CpuJob): boolean {
    const step = steps[0];
    if (count === 0 || step === undefined) return true;
    if (count > 1 || !step.sync) return false;
    if (step.slots > 0) return this.queue.isWith(cpu);
    return step.lock < 0 || (this.#locks.get(step.lock)?.isWith(cpu) ?? false);
  }

  /** The job that meets nobody is over by `time`, or else goes through the events. Most jobs of a capture never do, which saves their time. */
  #settle(time: number): void {
    const job = this.#single;
    if (job === null) return;
    this.#single = null;
    const alone = job.count > 0 ? (job.steps[0] as StepDraft) : null;
    const accesses = longest(job);
    const end = job.arrival + job.alone;
    if (end + accesses > time) {
      this.#arrive(job);
      return;
    }
    job.start = job.arrival;
    job.end = end;
    job.polling = alone?.waited ?? 0;
    let device = 0;
    if (alone !== null && alone.slots > 0) {
      this.queue.passed();
      device = this.#deviceTime(alone);
    } else if (alone !== null) device = Math.max(0, alone.after);
    this.activity.alone(job.alone - job.polling, device + accesses);
    this.#onDone(job);
    this.#pool.push(job);
  }

  #arrive(job: CpuJob): void {
    const cpu = this.#cpus[job.cpu] as Processor;
    // Where all is quiet the events may lie behind it.
    if (this.#events.now < job.arrival) {
      this.#events.schedule(job.arrival, Step.ARRIVED, this.#nobody);
      this.#events.next();
    }
    if (cpu.job === null) this.#begin(cpu, job);
    else cpu.waiting.push(job);
  }

  #of({ number }: Cpu): Processor {
    return this.#cpus[number] as Processor;
  }

  #take(step: number, subject: Cpu): void {
    const { now } = this.#events;
    if (step < QUEUE_STEPS) this.queue.take(step, subject);
    else if (step === Step.BUSY) this.activity.change(now, 0, 1);
    else if (step === Step.IDLE) this.activity.change(now, 0, -1);
    else if (step === Step.WORKED) this.#share(this.#of(subject));
    else if (step === Step.LOCKED) this.#locked(this.#of(subject));
    else if (step === Step.TOLD) this.#told(this.#of(subject));
    else this.#answered(this.#of(subject));
  }

  #begin(cpu: Processor, job: CpuJob): void {
    const { now } = this.#events;
    this.activity.change(now, 1, 0);
    cpu.clear();
    cpu.job = job;
    cpu.step = 0;
    job.start = now;
    job.end = now;
    let shared = 0;
    job.polling = 0;
    for (let at = 0; at < job.count; at++) {
      const { work, waited } = job.steps[at] as StepDraft;
      shared += work + waited;
      job.polling += waited;
    }
    this.#events.schedule(now + Math.max(0, job.alone - shared), Step.WORKED, cpu);
  }

  /** To the next shared step, or the end of the job. */
  #share(cpu: Processor): void {
    const job = cpu.job as CpuJob;
    const step = job.steps[cpu.step];
    if (step === undefined || cpu.step >= job.count) this.#end(cpu, job);
    else if (step.slots > 0) this.queue.issue(cpu, this.#listOf(step));
    else if (step.lock < 0) this.#locked(cpu);
    else {
      cpu.spins = this.#lockOf(step).acquire(cpu);
      if (cpu.spins) this.activity.change(this.#events.now, -1, 0);
    }
  }

  #goOn(cpu: Processor): void {
    cpu.step++;
    this.#share(cpu);
  }

  /** What the SMMU takes for a list: what it was busy with before is among the steps before. */
  #deviceTime({ before, after }: StepDraft): number {
    return Math.max(0, after - Math.max(before, this.#awake));
  }

  #listOf(step: StepDraft): QueuedList {
    const { slots, sync, after, waited } = step;
    return { slots, sync, device: this.#deviceTime(step), seen: Math.max(0, waited - after), alone: waited };
  }

  #lockOf({ lock }: StepDraft): SharedLock {
    let known = this.#locks.get(lock);
    if (known === undefined) {
      known = new SharedLock(this.#events, Step.LOCKED, this.#transfer);
      this.#locks.set(lock, known);
    }
    return known;
  }

  #locked(cpu: Processor): void {
    const { now } = this.#events;
    const step = (cpu.job as CpuJob).steps[cpu.step] as StepDraft;
    if (cpu.spins) this.activity.change(now, 1, 0);
    cpu.spins = false;
    this.#events.schedule(now + step.work, Step.TOLD, cpu);
  }

  /** The registers are written: the device does it after what it was told before. */
  #told(cpu: Processor): void {
    const events = this.#events;
    const { now } = events;
    const { sync, work, before, after, waited } = (cpu.job as CpuJob).steps[cpu.step] as StepDraft;
    // It may have begun while registers were still being written.
    const device = Math.max(0, after - Math.max(before, -work));
    const queued = this.#deviceBusy + device - now;
    const remains = Math.max(after, queued);
    const done = now + remains;
    if (done > now) this.#busy(Math.max(now, done - device), done);
    this.#deviceBusy = done;
    if (!sync) {
      this.#answered(cpu);
      return;
    }
    const polled = Math.max(0, remains) + Math.max(0, waited - Math.max(0, after));
    if (polled > waited) cpu.waited(CpuWait.DEVICE, polled - waited);
    else cpu.pollingSpared += waited - polled;
    this.activity.change(now, -1, 0);
    events.schedule(now + polled, Step.ANSWERED, cpu);
  }

  #answered(cpu: Processor): void {
    const step = (cpu.job as CpuJob).steps[cpu.step] as StepDraft;
    if (step.sync) this.activity.change(this.#events.now, 1, 0);
    if (step.lock >= 0) this.#lockOf(step).release();
    this.#goOn(cpu);
  }

  #end(cpu: Processor, job: CpuJob): void {
    const { now } = this.#events;
    job.end = now;
    job.setWaits(cpu.waits);
    job.pollingSpared = cpu.pollingSpared;
    job.workSpared = cpu.doorbellsSpared * this.queue.prices.doorbell;
    this.activity.change(now, -1, 0);
    for (let at = 0; at < job.streamCount; at++) {
      const stream = job.streams[at] as number;
      const begin = Math.max(now, this.#streamBusy.get(stream) ?? 0);
      const end = begin + (job.accesses[at] as number);
      this.#streamBusy.set(stream, end);
      this.#busy(begin, end);
    }
    this.#onDone(job);
    this.#pool.push(job);
    cpu.job = null;
    const next = cpu.waiting.shift();
    if (next !== null) this.#begin(cpu, next);
  }

  #busy(from: number, until: number): void {
    this.#events.schedule(from, Step.BUSY, this.#nobody);
    this.#events.schedule(until, Step.IDLE, this.#nobody);
  }
}

/** Accesses of several streams go on at once. */
function longest({ streamCount, accesses }: CpuJob): number {
  let most = 0;
  for (let at = 0; at < streamCount; at++) most = Math.max(most, accesses[at] as number);
  return most;
}
