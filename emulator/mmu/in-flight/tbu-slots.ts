import { Ring } from '../../time/index.ts';
import type { Tbu } from '../tlb/index.ts';
import type { Mmu } from '../translation/index.ts';
import { type Flight, Slots } from './flight.ts';

/** What one TBU shares among its requests. */
export class TbuSlots {
  readonly unit: Tbu;
  readonly devicePort = new Slots(1);
  readonly microPorts: Slots;
  readonly mainPorts: Slots;
  /** Translations that may still be accepted, and beats of write data. */
  free: number;
  freeBeats: number;
  /** A request was refused: its master waits to be told. */
  refused = false;
  /** Misses under way, and who waits for one of the same page. */
  readonly misses: Flight[] = [];
  readonly held: Flight[] = [];
  /** Requests in order, by id: reads, then writes. */
  readonly orders: Ring<Flight>[] = [];
  /** Who waits for an older request of the same id. */
  readonly ordered: Flight[] = [];

  constructor(unit: Tbu, mmu: Mmu) {
    const { tbu: config } = mmu.config;
    this.unit = unit;
    this.microPorts = new Slots(config.microTlb.ports);
    this.mainPorts = new Slots(config.mainTlb.ports);
    this.free = config.slots;
    this.freeBeats = config.writeBufferSlots;
  }

  /** A miss is no longer under way; the order of the others does not matter. */
  endMiss(flight: Flight): void {
    const { misses } = this;
    const last = misses.pop() as Flight;
    if (last !== flight) misses[misses.indexOf(flight)] = last;
  }

  /** Requests of one id and direction, oldest first. */
  orderOf(flight: Flight): Ring<Flight> {
    const key = flight.order * 2 + (flight.write ? 1 : 0);
    while (this.orders.length <= key) this.orders.push(new Ring());
    return this.orders[key] as Ring<Flight>;
  }
}

/** What happens at the end of a request's way. */
export interface FlightEnds {
  /** The TBU has received a request. @returns false when the device refuses it before the MMU sees it */
  admitted(flight: Flight): boolean;
  /** The translation is finished (its trace record is complete). @returns whether the access goes on to memory */
  translated(flight: Flight): boolean;
  /** The data has come back, or the fault is known: the master gets its response. */
  responded(flight: Flight): void;
  /** A prefetch of the page at `iova` should start. */
  prefetch(from: Flight, iova: number): void;
  /** The flight is over. */
  retired(flight: Flight): void;
  /** A walk took so many ticks. */
  walked(ticks: number): void;
}
