/**
 * VM_BIND: a GPU's virtual machine whose mappings are edited by asynchronous jobs, after the panthor driver (Linux
 * drivers/gpu/drm/panthor/panthor_mmu.c) and the GPU VM manager (drm_gpuvm).
 *
 * Models prepare (in the submitter's call: reserves the worst case, may wait, may fail) and run (no allocation, in order per
 * queue, one job of a VM at a time), in- and out-fences, the split and remap of overlapped neighbours, rollback, the throttle on
 * reserved tables, and the time all of it takes. Does not model buffer objects, eviction of mapped pages, sparse bindings, or a
 * submitter that is interrupted.
 */
import * as v from 'valibot';
import {
  type AllocatorStack,
  allowedBy,
  ConfigError,
  Errno,
  type IoPgtable,
  type IotlbGather,
  Prot,
  piecesReservation,
  replaceReservation,
} from '../../../formats/index.ts';
import type { GpuVaSpace } from '../gpuvm/index.ts';
import type { Party } from './dependency-graph.ts';
import type { JobClock } from './job-clock.ts';
import { type LockRegion, lockRegion } from './lock-region.ts';
import { MappedRanges } from './mapped-ranges.ts';
import { type VmBindConfig, type VmBindConfigInput, VmBindSchema } from './vm-bind-config.ts';
import { BindJob, type BindReport, type BindRequest } from './vm-bind-job.ts';
import { type BindTotals, newBindTotals } from './vm-bind-totals.ts';

/** What a VM stands on. */
export interface VmBindPorts {
  /** The VM's table. */
  readonly table: IoPgtable;
  /** The allocator that the table was made with. */
  readonly allocator: AllocatorStack;
  /** The cookie that the table was made with: the owner of its tables. */
  readonly cookie: unknown;
  readonly clock: JobClock;
  /** Gathers what an edit unmaps, for the invalidation that {@link afterEdit} makes; without it leaves are invalidated one by one. */
  readonly gather?: IotlbGather;
  /** Makes the hardware see an edit inside `region`: lock, flush, wait. Returns the cycles that took. */
  readonly afterEdit?: (region: LockRegion, job: BindJob) => number;
  /** A job is about to edit the table, all that it waits for being there. */
  readonly beforeEdit?: (job: BindJob) => void;
  /** A job begins to reserve, or to edit the table: what is found from now on is of its operation. */
  readonly onWork?: (job: BindJob) => void;
  /** Takes the report of each job that is over. */
  readonly onJob?: (report: BindReport) => void;
}

interface BindQueue {
  readonly name: string;
  readonly jobs: BindJob[];
  last: BindJob | null;
}

export class VmBind {
  readonly name: string;
  readonly config: VmBindConfig;
  readonly #ports: VmBindPorts;
  readonly #mapped: MappedRanges;
  readonly #queues = new Map<string, BindQueue>();
  /** Prepared and not over. */
  readonly #inFlight = new Set<BindJob>();
  /** Job that holds the VM's lock. */
  #holder: BindJob | null = null;
  #unusable = false;
  #nextId = 1;
  #reservedNow = 0;
  readonly #totals = newBindTotals();

  /** @throws ConfigError for a field that does not fit. */
  constructor(name: string, ports: VmBindPorts, config: VmBindConfigInput = {}) {
    const parsed = v.safeParse(VmBindSchema, config);
    if (!parsed.success) {
      const issue = parsed.issues[0];
      throw new ConfigError(`vmBind.${v.getDotPath(issue) ?? ''}`, issue.input, allowedBy(issue));
    }
    this.name = name;
    this.config = parsed.output;
    this.#ports = ports;
    this.#mapped = new MappedRanges(ports.table, ports.gather ?? null);
  }

  /** What is mapped, as of the last job that ran: physical addresses, with `Prot` bits for flags. */
  get ranges(): GpuVaSpace<null> {
    return this.#mapped.ranges;
  }

  /** Jobs that are prepared and not over, oldest first. */
  get inFlight(): readonly BindJob[] {
    return [...this.#inFlight];
  }

  /** Tables reserved by jobs in flight. */
  get reservedNow(): number {
    return this.#reservedNow;
  }

  totals(): BindTotals {
    return { ...this.#totals, overlaps: this.#mapped.overlaps, remaps: this.#mapped.remaps };
  }

  /**
   * Prepares a job and queues it. Blocks the submitter, that is lets model time pass, while the throttle has no room and while
   * allocation waits for memory. A job that cannot be prepared comes back `refused`, with its error in `result`.
   */
  submit(queueName: string, request: BindRequest): BindJob {
    const { clock } = this.#ports;
    const job = new BindJob(this.#nextId++, queueName, request);
    this.#totals.submitted++;
    const unsound = this.#unsound(request);
    if (unsound !== null) return this.#refuse(job, -Errno.EINVAL, unsound);
    if (!this.#prepare(job)) return job;
    const queue = this.#queueOf(queueName);
    job.state = 'queued';
    job.preparedAt = clock.now;
    job.notBefore = clock.now + this.config.runDelay;
    job.previous = queue.last;
    queue.last = job;
    queue.jobs.push(job);
    this.#inFlight.add(job);
    for (const fence of request.waitFor ?? []) fence.onSignal(() => this.#kick());
    clock.after(this.config.runDelay, () => this.#kick());
    return job;
  }

  /** Lets everything queued happen. A job that is still not over then is stuck; if in a cycle, the clock's deadlocks say so. */
  finish(): void {
    this.#ports.clock.run();
    if (this.#inFlight.size > 0) this.#ports.clock.examine(this.#inFlight);
  }

  /** Whatever can be judged without the tree is judged here, so that run has no reason to fail. The reason, or null when all is well. */
  #unsound({ kind, iova, size, pa = -1, prot = 0 }: BindRequest): string | null {
    const unit = this.#mapped.smallest;
    const { ias, oas } = this.#ports.table.config;
    if (size <= 0) return 'a size of 0';
    if (iova % unit !== 0 || size % unit !== 0) return `not a multiple of the smallest page, ${unit} bytes`;
    if (iova < 0 || iova + size > 2 ** ias) return `beyond the ${ias} bits of an input address`;
    if (kind === 'unmap') return null;
    if (pa < 0 || pa % unit !== 0) return `no physical address that is a multiple of ${unit} bytes`;
    if (pa + size > 2 ** oas) return `beyond the ${oas} bits of an output address`;
    return (prot & (Prot.READ | Prot.WRITE)) === 0 ? 'neither readable nor writable' : null;
  }

  #worstCase({ kind, iova, size }: BindRequest): number {
    const { geometry, config } = this.#ports.table;
    const worst = kind === 'map' ? replaceReservation : piecesReservation;
    return worst(geometry, config.pageSizes, iova, size, config.split);
  }

  #prepare(job: BindJob): boolean {
    const { clock, allocator, cookie, onWork } = this.#ports;
    const { reserver, context } = allocator;
    const started = clock.now;
    const worker = clock.worker;
    const operation = context.operation;
    let refusal: string | null = null;
    if (reserver !== null) {
      const wanted = this.#worstCase(job.request);
      if (!this.#waitForRoom(job, wanted)) {
        this.#refuse(job, -Errno.ENOMEM, 'the jobs that hold reserved tables never end');
        return false;
      }
      clock.worker = job;
      context.operation = job.operation;
      onWork?.(job);
      const spent = context.cycles;
      job.reservation = reserver.reserve(cookie, wanted, job.operation);
      job.allocationCycles = context.cycles - spent;
      clock.worker = worker;
      context.operation = operation;
      if (job.reservation === null) refusal = `no memory for the ${wanted} tables to reserve`;
      else {
        job.reserved = wanted;
        this.#reservedNow += wanted;
        this.#totals.peakReserved = Math.max(this.#totals.peakReserved, this.#reservedNow);
      }
    }
    // The others go on while the submitter works.
    clock.runUntil(clock.now + this.config.prepareCycles + job.allocationCycles);
    const spent = clock.now - started;
    this.#totals.prepareCycles += spent;
    this.#totals.reservingCycles += spent - this.config.prepareCycles;
    if (refusal !== null) this.#refuse(job, -Errno.ENOMEM, refusal);
    return refusal === null;
  }

  #waitForRoom(job: BindJob, wanted: number): boolean {
    const { clock } = this.#ports;
    const hasRoom = (): boolean =>
      this.#reservedNow === 0 || this.#reservedNow + wanted <= this.config.maxReservedTables;
    if (hasRoom()) return true;
    const since = clock.now;
    this.#totals.throttled++;
    const submitter: Party = {
      name: `submitter of ${job.name}`,
      waitsFor: () =>
        [...this.#inFlight].map((on) => ({ on, why: `its end gives back ${on.reserved} reserved tables`, any: true })),
    };
    const got = clock.block(submitter, hasRoom);
    this.#totals.throttledCycles += clock.now - since;
    return got;
  }

  #refuse(job: BindJob, result: number, reason: string): BindJob {
    job.state = 'refused';
    job.result = result;
    job.reason = reason;
    job.endedAt = this.#ports.clock.now;
    this.#totals.refused++;
    this.#ports.onJob?.(job.report());
    return job;
  }

  #queueOf(name: string): BindQueue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { name, jobs: [], last: null };
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** Starts the oldest job that may run, if the VM is free. */
  #kick(): void {
    let next: BindJob | null = null;
    for (const { jobs } of this.#queues.values()) {
      const head = jobs[0];
      if (head === undefined || !this.#isReady(head)) continue;
      head.vmHolder = this.#holder;
      if (next === null || head.id < next.id) next = head;
    }
    if (next === null || this.#holder !== null) return;
    this.#queueOf(next.queue).jobs.shift();
    this.#start(next);
  }

  #isReady(job: BindJob): boolean {
    if (job.notBefore > this.#ports.clock.now) return false;
    for (const fence of job.request.waitFor ?? []) if (!fence.signalled) return false;
    return true;
  }

  #start(job: BindJob): void {
    const { clock, allocator, table, beforeEdit, afterEdit, onWork } = this.#ports;
    const { context, reserver } = allocator;
    this.#holder = job;
    job.vmHolder = null;
    job.state = 'running';
    job.startedAt = clock.now;
    if (this.#unusable) {
      job.state = 'cancelled';
      job.result = -Errno.EINVAL;
      job.reason = 'an earlier job failed, and the VM is unusable since';
      clock.after(0, () => this.#end(job));
      return;
    }
    // Reclaim inside an allocation may let jobs of other VMs run in between: what is global to the machine is put back after.
    const { operation, noAllocation } = context;
    const { worker } = clock;
    const outer = reserver !== null && job.reservation !== null ? reserver.begin(job.reservation) : null;
    context.operation = job.operation;
    context.noAllocation = true;
    clock.worker = job;
    onWork?.(job);
    beforeEdit?.(job);
    const spent = context.cycles;
    const { descriptorsWritten, descriptorsCleared, tablesAllocated } = table.stats;
    job.result = job.request.kind === 'map' ? this.#mapped.map(job) : this.#mapped.unmap(job);
    clock.worker = worker;
    context.noAllocation = noAllocation;
    context.operation = operation;
    if (reserver !== null) reserver.end(outer);
    job.used = job.reservation === null ? table.stats.tablesAllocated - tablesAllocated : job.reservation.used;
    // Allocation inside the call may have found that this job can never go on.
    if ((job.state as string) === 'deadlocked') {
      this.#totals.deadlocked++;
      this.#ports.onJob?.(job.report());
      return;
    }
    const { runCycles, mapCyclesPerDescriptor, unmapCyclesPerDescriptor } = this.config;
    const region = lockRegion(job.request.iova, job.request.size);
    this.#totals.lockedBytes += region.size;
    this.#totals.excessBytes += region.excess;
    const allocation = context.cycles - spent;
    job.allocationCycles += allocation;
    const cycles =
      runCycles +
      allocation +
      mapCyclesPerDescriptor * (table.stats.descriptorsWritten - descriptorsWritten) +
      unmapCyclesPerDescriptor * (table.stats.descriptorsCleared - descriptorsCleared) +
      (afterEdit === undefined ? 0 : afterEdit(region, job));
    clock.after(cycles, () => this.#end(job));
  }

  #end(job: BindJob): void {
    const { clock, allocator } = this.#ports;
    const totals = this.#totals;
    if (job.reservation !== null) {
      const spent = allocator.context.cycles;
      job.returned = allocator.reserver?.release(job.reservation) ?? 0;
      job.allocationCycles += allocator.context.cycles - spent;
      job.reservation = null;
      this.#reservedNow -= job.reserved;
    }
    allocator.noteOperation(job.operation, job.allocationCycles);
    totals.reserved += job.reserved;
    totals.used += job.used;
    totals.returned += job.returned;
    job.endedAt = clock.now;
    const cycles = job.endedAt - job.startedAt;
    totals.runCycles += cycles;
    totals.worstRunCycles = Math.max(totals.worstRunCycles, cycles);
    if (job.state === 'cancelled') totals.cancelled++;
    else if (job.result === 0) {
      job.state = 'done';
      totals.done++;
    } else {
      job.state = 'failed';
      totals.failed++;
      this.#unusable = this.config.afterFailure === 'unusable';
    }
    job.previous = null;
    const queue = this.#queueOf(job.queue);
    if (queue.last === job) queue.last = null;
    this.#inFlight.delete(job);
    this.#holder = null;
    this.#ports.onJob?.(job.report());
    job.done.signal(clock.now, job.result);
    this.#kick();
  }
}
