import {
  addBindTotals,
  type BindJob,
  type BindTotals,
  type Deadlock,
  JobClock,
  type Machine,
  newBindTotals,
  VmBind,
} from '../../../devices/index.ts';
import { Cause, OperationKind } from '../../../emulator/index.ts';
import type { RunConfig } from '../../config/index.ts';
import type { DeviceAccesses } from '../accesses/index.ts';
import type { Edit, Edits, Refuse } from '../edit.ts';
import type { ReplayDomain } from '../replay-domain.ts';
import type { ReplayTime } from '../replay-time.ts';
import type { InvalidationPolicy } from './invalidation-policy.ts';

/** Maps and unmaps as VM_BIND jobs, as a GPU driver has them: prepared when the capture says, run some time later, in order. */
export class BindEdits implements Edits {
  readonly clock = new JobClock();
  readonly #machine: Machine;
  readonly #config: RunConfig;
  readonly #time: ReplayTime;
  readonly #invalidation: InvalidationPolicy;
  readonly #device: DeviceAccesses;
  readonly #refuse: Refuse;
  readonly #vms = new Map<ReplayDomain, VmBind>();
  /** Edits whose jobs are not over, by operation. */
  readonly #edits = new Map<number, Edit>();
  #descriptorsBefore = 0;

  constructor(
    machine: Machine,
    config: RunConfig,
    time: ReplayTime,
    invalidation: InvalidationPolicy,
    device: DeviceAccesses,
    refuse: Refuse,
  ) {
    this.#machine = machine;
    this.#config = config;
    this.#time = time;
    this.#invalidation = invalidation;
    this.#device = device;
    this.#refuse = refuse;
  }

  /** Over all domains: sums, and the largest of what is a peak or a worst. */
  totals(): BindTotals {
    const totals = newBindTotals();
    for (const vm of this.#vms.values()) addBindTotals(totals, vm.totals());
    return totals;
  }

  get deadlocks(): readonly Deadlock[] {
    return this.clock.deadlocks;
  }

  submit(one: ReplayDomain, edit: Edit): void {
    const { number: operation, iova, size, pa, prot } = edit;
    this.#edits.set(operation, edit);
    const { costs, clock } = this.#machine;
    const vm = this.#vmOf(one);
    const kind = edit.maps ? OperationKind.MAP : OperationKind.UNMAP;
    costs.open(kind, operation, edit.line, one.number, edit.cpu, iova, size, clock.cycles);
    costs.add(Cause.BIND, vm.config.prepareCycles);
    if (edit.maps) vm.submit('q0', { kind: 'map', iova, size, pa, prot, operation });
    else vm.submit('q0', { kind: 'unmap', iova, size, operation });
    // Where the job runs later its own part of the bill is opened then.
    if (costs.isOpen && costs.operation.number === operation) costs.close();
  }

  passTime(seconds: number): void {
    this.clock.runUntil(this.#time.cyclesAt(seconds));
  }

  end(): void {
    for (const vm of this.#vms.values()) vm.finish();
  }

  #vmOf(one: ReplayDomain): VmBind {
    const known = this.#vms.get(one);
    if (known !== undefined) return known;
    const { mode: _, ...bind } = this.#config.bind;
    const { writeDescriptor, clearDescriptor } = this.#config.editCosts;
    const { sanitizer, tables } = this.#machine;
    const vm = new VmBind(
      `domain-${one.number}`,
      {
        table: one.domain.table,
        allocator: tables,
        cookie: one.domain,
        clock: this.clock,
        gather: this.#invalidation.gather,
        onWork: ({ operation }) => {
          sanitizer.operation = operation;
          sanitizer.line = this.#edits.get(operation)?.line ?? 0;
          sanitizer.domain = one.number;
          this.#keepTime();
        },
        beforeEdit: (job) => this.#begin(one, job),
        afterEdit: (_region, job) => this.#finish(one, job),
        onJob: ({ operation, state, reason }) => {
          const edit = this.#edits.get(operation);
          this.#edits.delete(operation);
          if (edit === undefined) return;
          if (reason !== null) {
            this.#refuse(one, edit, reason);
            if (!edit.maps) this.#device.oracle?.refused(one, edit, reason);
          }
          if (state !== 'done') return;
          this.#keepTime();
          if (edit.maps) this.#device.afterMap(one, edit);
          else this.#device.afterUnmap(one, edit, -1);
        },
      },
      { ...bind, mapCyclesPerDescriptor: writeDescriptor, unmapCyclesPerDescriptor: clearDescriptor },
    );
    this.#vms.set(one, vm);
    return vm;
  }

  /** The machine's clock is where the jobs' is, or ahead of it: the device may have been busy meanwhile. */
  #keepTime(): void {
    const { clock } = this.#machine;
    clock.cycles = Math.max(clock.cycles, Math.round(this.clock.now));
    clock.seconds = Math.max(clock.seconds, this.#time.secondsAt(this.clock.now));
  }

  #begin(one: ReplayDomain, job: BindJob): void {
    const { iova, size, kind } = job.request;
    const { sanitizer, costs, clock, driver } = this.#machine;
    const edit = this.#edits.get(job.operation);
    if (kind === 'unmap') this.#device.beforeUnmap(one, iova, size);
    sanitizer.iova = iova;
    if (kind === 'map') this.#invalidation.reuse(one, iova, size);
    this.#invalidation.begin();
    const operation = kind === 'map' ? OperationKind.MAP : OperationKind.UNMAP;
    // A job without a delay runs inside its submission: both are one bill.
    if (!costs.isOpen || costs.operation.number !== job.operation) {
      costs.open(operation, job.operation, edit?.line ?? 0, one.number, edit?.cpu ?? -1, iova, size, clock.cycles);
    }
    driver.now = clock.cycles;
    this.#descriptorsBefore = this.#descriptorCycles(one);
  }

  /** @returns cycles that the invalidation takes */
  #finish(one: ReplayDomain, job: BindJob): number {
    const { costs, clock } = this.#machine;
    const { iova, size, kind } = job.request;
    const { runCycles } = this.#config.bind;
    const edit = this.#descriptorCycles(one) - this.#descriptorsBefore;
    costs.add(Cause.BIND, runCycles);
    costs.add(Cause.EDIT, edit);
    const before = costs.operation.cycles + costs.settle();
    clock.cycles += Math.round(before);
    const since = clock.cycles;
    if (kind === 'map') this.#invalidation.mapped(one);
    else
      this.#invalidation.unmapped(
        one,
        iova,
        size,
        job.result === 0 ? size : 0,
        this.#edits.get(job.operation)?.cpu ?? -1,
      );
    costs.close();
    return clock.cycles - since;
  }

  #descriptorCycles({ domain }: ReplayDomain): number {
    const { writeDescriptor, clearDescriptor } = this.#config.editCosts;
    const { descriptorsWritten, descriptorsCleared } = domain.table.stats;
    return descriptorsWritten * writeDescriptor + descriptorsCleared * clearDescriptor;
  }
}
