import type { Machine } from '../../../devices/index.ts';
import { Cause, OperationKind } from '../../../emulator/index.ts';
import { Errno, errnoName, mapReservation, type TableStats, unmapReservation } from '../../../formats/index.ts';
import type { EditCosts } from '../../config/index.ts';
import type { DeviceAccesses } from '../accesses/index.ts';
import type { Edit, Edits, Refuse } from '../edit.ts';
import type { ReplayDomain } from '../replay-domain.ts';
import type { InvalidationPolicy } from './invalidation-policy.ts';

/** Maps and unmaps at once, as the DMA API does: the caller waits until it is done. */
export class DirectEdits implements Edits {
  readonly #machine: Machine;
  readonly #invalidation: InvalidationPolicy;
  readonly #device: DeviceAccesses;
  readonly #prices: EditCosts;
  readonly #refuse: Refuse;
  #descriptorCycles = 0;

  constructor(
    machine: Machine,
    invalidation: InvalidationPolicy,
    device: DeviceAccesses,
    prices: EditCosts,
    refuse: Refuse,
  ) {
    this.#machine = machine;
    this.#invalidation = invalidation;
    this.#device = device;
    this.#prices = prices;
    this.#refuse = refuse;
  }

  submit(one: ReplayDomain, edit: Edit): void {
    if (edit.maps) this.#map(one, edit);
    else this.#unmap(one, edit);
  }

  passTime(): void {}

  end(): void {}

  #map(one: ReplayDomain, edit: Edit): void {
    const { machine, invalidation } = { machine: this.#machine, invalidation: this.#invalidation };
    const { iova, size } = edit;
    const { table } = one.domain;
    invalidation.reuse(one, iova, size);
    invalidation.begin();
    const reserved = machine.tables.reserver === null ? 0 : mapReservation(table.geometry, iova, size);
    let error: number = -Errno.ENOMEM;
    // What is set aside beforehand is part of the price of the map.
    this.#open(OperationKind.MAP, one, edit);
    invalidation.addresses.allocate(one, edit);
    if (this.#prepare(one, edit, reserved)) {
      error = machine.driver.map(one.domain, iova, edit.pa, size, edit.prot);
      this.#endEdit(one, this.#prices.mapCall);
    }
    invalidation.mapped(one);
    machine.costs.close();
    if (error !== 0) this.#refuse(one, edit, errnoName(error));
    else {
      this.#device.afterMap(one, edit);
      this.#device.oracle?.edited(one, edit);
    }
  }

  #unmap(one: ReplayDomain, edit: Edit): void {
    const machine = this.#machine;
    const { iova, size, live } = edit;
    const { table } = one.domain;
    this.#device.beforeUnmap(one, iova, size);
    this.#invalidation.begin();
    const reserved =
      machine.tables.reserver === null
        ? 0
        : unmapReservation(table.geometry, table.config.pageSizes, iova, size, table.config.split);
    let done = 0;
    this.#open(OperationKind.UNMAP, one, edit);
    if (this.#prepare(one, edit, reserved)) {
      done = this.#unmapLive(one, iova, size, live);
      this.#endEdit(one, this.#prices.unmapCall);
    }
    if (done !== live) this.#refuse(one, edit, `${done} of ${live} mapped bytes unmapped`);
    this.#invalidation.unmapped(one, iova, size, done, edit.cpu);
    machine.costs.close();
    this.#device.afterUnmap(one, edit, done);
    if (done === live) this.#device.oracle?.edited(one, edit);
  }

  /**
   * Unmaps a range of which `live` bytes are mapped. The kernel stops at the first hole; here what lies behind it goes too,
   * because an unmap with holes means that the capture lost events or that a domain was inferred wrongly.
   */
  #unmapLive({ domain }: ReplayDomain, iova: number, size: number, live: number): number {
    const { driver } = this.#machine;
    let done = 0;
    for (let at = iova; at < iova + size && done < live; ) {
      const bytes = driver.unmap(domain, at, iova + size - at, this.#invalidation.gather);
      done += bytes;
      at += bytes > 0 ? bytes : domain.cutter.smallest;
    }
    return done;
  }

  #open(kind: OperationKind, one: ReplayDomain, { number, line, cpu, iova, size }: Edit): void {
    const { costs, clock, driver } = this.#machine;
    costs.open(kind, number, line, one.number, cpu, iova, size, clock.cycles);
    this.#descriptorCycles = this.#descriptorsOf(one.domain.table.stats);
    driver.now = clock.cycles;
  }

  /** Sets tables aside, unless a planted bug forgets that. @returns false when there are too few. */
  #prepare(one: ReplayDomain, { number }: Edit, tables: number): boolean {
    const { bugs, tables: stack } = this.#machine;
    const forgets = bugs.allocatesInRun();
    const begun = stack.beginOperation(number, forgets ? 0 : tables, one.domain);
    stack.context.noAllocation = forgets && begun;
    return begun;
  }

  /** Lets the time of an edit pass. */
  #endEdit(one: ReplayDomain, call: number): void {
    const { tables, clock, costs } = this.#machine;
    tables.endOperation();
    tables.context.noAllocation = false;
    const edit = call + this.#descriptorsOf(one.domain.table.stats) - this.#descriptorCycles;
    costs.add(Cause.EDIT, edit);
    clock.cycles += edit + costs.settle();
  }

  #descriptorsOf(stats: Readonly<TableStats>): number {
    const { writeDescriptor, clearDescriptor } = this.#prices;
    return stats.descriptorsWritten * writeDescriptor + stats.descriptorsCleared * clearDescriptor;
  }
}
