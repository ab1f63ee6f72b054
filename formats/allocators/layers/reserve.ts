import * as v from 'valibot';
import { Gfp, NO_PAGES } from '../../table/index.ts';
import type { AllocatorContext, AllocatorLayer } from '../allocator.ts';
import { UpperLayer } from '../layer.ts';
import { TableList } from '../table-list.ts';

export const ReserveOptionsSchema = v.strictObject({
  /** When reserved tables are zeroed: as each is used (`run`), or all of them when they are set aside (`prepare`). */
  zero: v.optional(v.picklist(['run', 'prepare']), 'run'),
});

export type ReserveOptions = v.InferOutput<typeof ReserveOptionsSchema>;

/** Tables set aside for one operation. Made by {@link ReserveAllocator.reserve}; dead after {@link ReserveAllocator.release}. */
export class Reservation {
  /** The tables still unused. Only the allocator that made the reservation touches it. */
  readonly tables = new TableList(0);
  /** Owner of the tables. */
  cookie: unknown = null;
  /** Number of the operation it is for. */
  operation = 0;
  /** Tables set aside at the start. */
  reserved = 0;
  /** True from `reserve` to `release`. */
  live = false;

  /** Tables used so far. */
  get used(): number {
    return this.reserved - this.tables.count;
  }
}

/**
 * Reservation, what VM_BIND needs: enough tables for the worst case are set aside before an operation is queued (the only place
 * that can fail or wait), and while the operation runs its tables come from its own reservation and from nowhere else. What is
 * left goes back to the layer below, normally a pool.
 *
 * Outside any operation (a first-level table at creation) requests pass through.
 */
export class ReserveAllocator extends UpperLayer {
  readonly kind = 'reserve';
  readonly #zeroAhead: boolean;
  #current: Reservation | null = null;
  #inFlight = 0;
  #peakInFlight = 0;
  readonly #spare: Reservation[] = [];

  constructor(context: AllocatorContext, below: AllocatorLayer, options: ReserveOptions) {
    super(context, below);
    this.#zeroAhead = options.zero === 'prepare';
  }

  /** Tables in all live reservations, as reserved (used ones still count until the release). */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The most {@link inFlight} ever was. */
  get peakInFlight(): number {
    return this.#peakInFlight;
  }

  /**
   * Sets `tables` tables aside for one operation of `cookie`.
   * @returns null when memory ran out; nothing stays taken then.
   */
  reserve(cookie: unknown, tables: number, operation: number, gfp: number = Gfp.KERNEL): Reservation | null {
    const { stats } = this;
    const { tableSize } = this.context;
    const reservation = this.#spare.pop() ?? new Reservation();
    const list = reservation.tables;
    list.reserve(tables);
    let got = 0;
    if (tables > 0) {
      stats.systemCalls++;
      stats.bulkCalls++;
      const flags = this.#zeroAhead ? gfp | Gfp.ZERO : gfp & ~Gfp.ZERO;
      got = this.below.allocBulk(cookie, tableSize, tables, flags, list.pages, 0);
      // A bulk request takes what is free; only single ones go on when memory has to be reclaimed first.
      for (; got < tables; got++) {
        stats.systemCalls++;
        const pa = this.below.alloc(cookie, tableSize, flags);
        if (pa < 0) break;
        list.pages[got] = pa;
      }
    }
    if (got < tables) {
      this.below.freeBulk(cookie, tableSize, got, list.pages, 0);
      this.#spare.push(reservation);
      stats.failures++;
      return null;
    }
    list.added(got);
    reservation.cookie = cookie;
    reservation.operation = operation;
    reservation.reserved = tables;
    reservation.live = true;
    stats.reserved += tables;
    stats.held(tables * tableSize);
    this.#inFlight += tables;
    if (this.#inFlight > this.#peakInFlight) this.#peakInFlight = this.#inFlight;
    return reservation;
  }

  /** From now on tables come from `reservation` only; the one in force until now, or null. */
  begin(reservation: Reservation): Reservation | null {
    const outer = this.#current;
    this.#current = reservation;
    return outer;
  }

  /** The operation is over; `outer`, what {@link begin} returned, is in force again. With null requests pass through. */
  end(outer: Reservation | null = null): void {
    this.#current = outer;
  }

  /** Gives back what the operation did not use; how many tables that was. */
  release(reservation: Reservation): number {
    if (!reservation.live) return 0;
    const { tableSize } = this.context;
    const list = reservation.tables;
    const left = list.count;
    list.removed(left);
    this.below.freeBulk(reservation.cookie, tableSize, left, list.pages, 0);
    this.stats.held(-left * tableSize);
    this.stats.returned += left;
    this.#inFlight -= reservation.reserved;
    reservation.live = false;
    reservation.cookie = null;
    if (this.#current === reservation) this.#current = null;
    this.#spare.push(reservation);
    return left;
  }

  alloc(cookie: unknown, size: number, gfp: number): number {
    const { stats } = this;
    const current = this.#current;
    // Outside any operation.
    if (current === null) return this.pass(cookie, size, gfp);
    const pa = size === this.context.tableSize ? current.tables.pop() : NO_PAGES;
    if (pa < 0) {
      stats.failures++;
      const detail = `operation ${current.operation} reserved ${current.reserved} tables of ${this.context.tableSize} bytes`;
      this.context.report('reservation-exhausted', -1, size, `${detail} and asked for one more of ${size}`);
      return NO_PAGES;
    }
    stats.hits++;
    stats.held(-size);
    stats.gave(1, size);
    this.context.charge(stats, this.context.costs.cachePop);
    if (!this.#zeroAhead && (gfp & Gfp.ZERO) !== 0) this.context.zero(stats, pa, size);
    return pa;
  }
}
