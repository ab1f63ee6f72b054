import type { Reservation } from '../../../formats/index.ts';
import type { Wait, Worker } from './dependency-graph.ts';
import { Fence } from './fence.ts';

/** What a job is asked to do. Addresses and sizes in bytes, multiples of the smallest page. */
export interface BindRequest {
  readonly kind: 'map' | 'unmap';
  readonly iova: number;
  readonly size: number;
  /** Map: physical address of `iova`. */
  readonly pa?: number;
  /** Map: `Prot` bits. */
  readonly prot?: number;
  /** Fences that must have signalled before the job runs. */
  readonly waitFor?: readonly Fence[];
  /** What people call the job; default: its kind and number. */
  readonly name?: string;
  /** Number of the operation that the job stands for, by which findings name it; default: the job's number in its VM. */
  readonly operation?: number;
}

export type BindState =
  /** Being prepared: it may allocate, wait and fail. */
  | 'preparing'
  /** Prepare failed: it never existed for anybody else. */
  | 'refused'
  /** Prepared; waits for its turn and its fences. */
  | 'queued'
  | 'running'
  | 'done'
  /** Run failed, and was rolled back. */
  | 'failed'
  /** Not run, because an earlier job failed and the VM is unusable. */
  | 'cancelled'
  /** Run is stuck for good. */
  | 'deadlocked';

/** What became of a job. Plain JSON. */
export interface BindReport {
  readonly id: number;
  /** Number by which findings name the job. */
  readonly operation: number;
  readonly name: string;
  readonly queue: string;
  readonly kind: 'map' | 'unmap';
  readonly iova: number;
  readonly size: number;
  readonly state: BindState;
  /** 0 or a negative error number. */
  readonly result: number;
  /** Why it was refused, failed or was cancelled, for people; null when it was not. */
  readonly reason: string | null;
  /** Tables reserved at prepare, used at run, and given back. Without a reserving allocator: 0, tables taken, 0. */
  readonly reserved: number;
  readonly used: number;
  readonly returned: number;
  /** Times in cycles; -1: never came to it. */
  readonly preparedAt: number;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** One asynchronous map or unmap. Made by `VmBind.submit`. */
export class BindJob implements Worker {
  readonly id: number;
  readonly operation: number;
  readonly name: string;
  readonly queue: string;
  readonly request: BindRequest;
  /** Signals when the job is over, well or ill. */
  readonly done: Fence;
  state: BindState = 'preparing';
  result = 0;
  reason: string | null = null;
  reserved = 0;
  used = 0;
  returned = 0;
  preparedAt = -1;
  startedAt = -1;
  endedAt = -1;
  /** Time before which it may not run, in cycles. */
  notBefore = 0;
  reservation: Reservation | null = null;
  /** Time that its tables cost so far, in prepare, run and return, in cycles. */
  allocationCycles = 0;
  /** Job before it in its queue. */
  previous: BindJob | null = null;
  /** Job that has the VM while this one could run otherwise. */
  vmHolder: BindJob | null = null;
  /** What it waits for in the middle of prepare or run. */
  blockedOn: Wait | null = null;

  constructor(id: number, queue: string, request: BindRequest) {
    this.id = id;
    this.operation = request.operation ?? id;
    this.queue = queue;
    this.request = request;
    this.name = request.name ?? `${request.kind}-${id}`;
    this.done = new Fence(`fence of ${this.name}`, this);
  }

  /** True once nothing more will happen to it. */
  get over(): boolean {
    return this.done.signalled || this.state === 'refused' || this.state === 'deadlocked';
  }

  stuck(): void {
    this.state = 'deadlocked';
  }

  waitsFor(): readonly Wait[] {
    if (this.over && this.state !== 'deadlocked') return [];
    if (this.blockedOn !== null) return [this.blockedOn];
    if (this.state !== 'queued') return [];
    const waits: Wait[] = [];
    if (this.previous !== null && !this.previous.over) {
      waits.push({ on: this.previous, why: `jobs of queue ${this.queue} run in order`, any: false });
    }
    for (const fence of this.request.waitFor ?? []) {
      if (!fence.signalled) waits.push({ on: fence, why: 'it is an in-fence of the job', any: false });
    }
    if (this.vmHolder !== null && !this.vmHolder.over) {
      waits.push({ on: this.vmHolder, why: 'it holds the lock of the VM', any: false });
    }
    return waits;
  }

  report(): BindReport {
    const { id, operation, name, queue, state, result, reason, reserved, used, returned } = this;
    const { preparedAt, startedAt, endedAt } = this;
    const { kind, iova, size } = this.request;
    return {
      id,
      operation,
      name,
      queue,
      kind,
      iova,
      size,
      state,
      result,
      reason,
      reserved,
      used,
      returned,
      preparedAt,
      startedAt,
      endedAt,
    };
  }
}
