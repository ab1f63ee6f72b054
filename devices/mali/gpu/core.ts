/** A shader core or the tiler: works off the plans of jobs, one after the other, with a window of accesses under way. */
import { AccessFlag, Outcome, TranslationRequest } from '../../../emulator/index.ts';
import type { MaliMmu } from '../device/index.ts';
import type { AccessPlan } from './access-plan.ts';
import type { RunningJob } from './running-job.ts';

/** A core's part of a job. */
export interface CoreTask {
  readonly job: RunningJob;
  readonly plan: AccessPlan;
}

export class GpuCore {
  readonly number: number;
  /** The address space whose restart it waits for, or -1. */
  blockedOn = -1;
  /** Cycles in which it waited for software. */
  stallCycles = 0;
  readonly #device: MaliMmu;
  readonly #places: Float64Array;
  readonly #request = new TranslationRequest();
  readonly #tasks: CoreTask[] = [];
  #next = 0;
  #due = Number.POSITIVE_INFINITY;
  /** The place that is free first: the next access takes it. */
  #place = 0;
  /** Cycle from which the next access may be issued. */
  #ready = 0;
  #blockedSince = 0;

  constructor(number: number, device: MaliMmu, outstanding: number) {
    this.number = number;
    this.#device = device;
    this.#places = new Float64Array(outstanding);
  }

  /** Tasks not finished. */
  get queued(): number {
    return this.#tasks.length;
  }

  give(task: CoreTask): void {
    this.#tasks.push(task);
    this.#plan();
  }

  /** Cycle of its next access; Infinity when it has nothing to do or waits for software. */
  get due(): number {
    return this.#due;
  }

  /** Software lets an address space go on. */
  restart(as: number, cycle: number): void {
    if (this.blockedOn !== as) return;
    this.blockedOn = -1;
    this.#ready = Math.max(this.#ready, cycle);
    this.stallCycles += Math.max(cycle - this.#blockedSince, 0);
    this.#plan();
  }

  /** Drops the task it is at; the job is over. */
  cancel(job: RunningJob): void {
    for (let at = this.#tasks.length - 1; at >= 0; at--) {
      if (this.#tasks[at]?.job !== job) continue;
      this.#tasks.splice(at, 1);
      if (at > 0) continue;
      this.#next = 0;
      this.blockedOn = -1;
    }
    this.#plan();
  }

  /** Makes its next access. @returns the job that this finished or ended, or null */
  step(): RunningJob | null {
    const ended = this.#work();
    this.#plan();
    return ended;
  }

  #work(): RunningJob | null {
    const task = this.#tasks[0] as CoreTask;
    const { job, plan } = task;
    const start = this.due;
    if (this.#next < plan.addresses.length && !this.#access(job, plan, start))
      return job.outcome === 'faulted' ? job : null;
    if (this.#next < plan.addresses.length) return null;
    this.#tasks.shift();
    this.#next = 0;
    const end = this.#places.reduce((latest, at) => Math.max(latest, at), start);
    return job.partDone(end) ? job : null;
  }

  /** @returns false when the access waits for software, or ended its job */
  #access(job: RunningJob, plan: AccessPlan, start: number): boolean {
    const device = this.#device;
    const request = this.#request;
    const write = plan.writes[this.#next] === 1;
    const iova = plan.addresses[this.#next] as number;
    request.ask(this.number, job.slot, -1, iova, write ? AccessFlag.WRITE : AccessFlag.READ, start);
    if (device.translate(request)) {
      const end = request.completion + device.l2.access(request.pa, write);
      this.#places[this.#place] = end;
      this.#ready = start + 1;
      this.#next++;
      job.accesses++;
      return true;
    }
    this.#ready = Math.max(request.completion, start + 1);
    if (request.outcome === Outcome.STALLED) {
      this.blockedOn = job.slot;
      this.#blockedSince = start;
      return false;
    }
    job.fail('faulted', this.#ready);
    return false;
  }

  /** Works out when the next access is due, and which place it takes. */
  #plan(): void {
    const [task] = this.#tasks;
    if (task === undefined || this.blockedOn >= 0) {
      this.#due = Number.POSITIVE_INFINITY;
      return;
    }
    const places = this.#places;
    let best = 0;
    for (let at = 1; at < places.length; at++) {
      if ((places[at] as number) < (places[best] as number)) best = at;
    }
    this.#place = best;
    this.#due = Math.max(this.#ready, places[best] as number, task.job.start);
  }
}
