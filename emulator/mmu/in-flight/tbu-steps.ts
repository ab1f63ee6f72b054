import { OWNER_SHIFT, UPPER_HALF_BIT, WHOLE_SPACE_SHIFT } from '../cache/index.ts';
import { fill, type Tbu } from '../tlb/index.ts';
import { HitFlag, type Mmu, Outcome } from '../translation/index.ts';
import { BYPASS_ATTRIBUTES, ENTRY, FaultKind, permits } from '../walk/index.ts';
import type { Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FlightState as S, WAIT } from './flight-state.ts';
import { type FlightEnds, TbuSlots } from './tbu-slots.ts';

const PAGE = 4096;
/** Ways of the main TLB: any, the last only, all but the last. */
const Ways = { ANY: 0, LAST: 1, NOT_LAST: 2 } as const;

/** Requests in flight at the TBUs, before the SMMU and behind it: ports, micro-TLB, main TLB, misses of one page, order, prefetches. */
export class TbuSteps {
  /** What each TBU shares among its requests. */
  readonly slots: readonly TbuSlots[];
  readonly #mmu: Mmu;
  readonly #clock: FlightClock;
  readonly #ends: FlightEnds;
  /** The port to memory, which all TBUs and the SMMU share. */
  readonly #requestPort: Slots;
  readonly #microCycles: number;
  readonly #mainCycles: number;
  readonly #portWidth: number;
  readonly #mergesByAddress: boolean;

  constructor(mmu: Mmu, clock: FlightClock, ends: FlightEnds, requestPort: Slots) {
    const { config } = mmu;
    this.#mmu = mmu;
    this.#clock = clock;
    this.#ends = ends;
    this.#requestPort = requestPort;
    this.slots = mmu.caches.tbus.map((unit) => new TbuSlots(unit, mmu));
    this.#microCycles = config.tbu.microTlb.latency;
    this.#mainCycles = config.tbu.mainTlb.latency;
    this.#portWidth = config.portWidth;
    this.#mergesByAddress = config.deviations.mergesBy4KiBAddress;
  }

  /** Takes one step. */
  step(flight: Flight, state: number): number {
    const clock = this.#clock;
    const shared = this.slots[flight.master] as TbuSlots;
    const { microTlb, mainTlb } = shared.unit;
    const { config } = this.#mmu;
    switch (state) {
      case S.DEVICE_PORT:
        if (!clock.acquire(flight, shared.devicePort, state)) return WAIT;
        return clock.delay(flight, Math.max(1, flight.beats), S.RECEIVED);
      case S.RECEIVED:
        return this.#received(flight, shared);
      case S.PASS:
        flight.pa = flight.iova;
        flight.attributes = BYPASS_ATTRIBUTES | WHOLE_SPACE_SHIFT;
        return S.LAST_PORT;
      case S.MICRO_LOOKUP:
        if (!clock.acquire(flight, shared.microPorts, state)) return WAIT;
        return clock.delay(flight, this.#microCycles, S.MICRO_FOUND);
      case S.MICRO_FOUND: {
        const hit = microTlb !== null && this.#lookup(flight, microTlb);
        clock.release(shared.microPorts);
        if (!hit) return S.MAIN_LOOKUP;
        flight.hit |= HitFlag.MICRO_TLB;
        return S.ORDER;
      }
      case S.MAIN_LOOKUP:
        if (mainTlb === null) return S.MAIN_MISSED;
        if (!clock.acquire(flight, shared.mainPorts, state)) return WAIT;
        return clock.delay(flight, this.#mainCycles, S.MAIN_FOUND);
      case S.MAIN_FOUND: {
        const hit = mainTlb !== null && this.#lookup(flight, mainTlb);
        clock.release(shared.mainPorts);
        if (!hit) return S.MAIN_MISSED;
        flight.hit |= HitFlag.MAIN_TLB;
        if (flight.prefetch) return S.PREFETCH_END;
        if ((flight.attributes & ENTRY.PREFETCHED) !== 0) this.#prefetch(flight);
        return S.MICRO_STORE;
      }
      case S.MAIN_MISSED:
        if (flight.prefetch || !this.#isHeld(flight, shared)) {
          shared.misses.push(flight);
          return S.LINK;
        }
        flight.hit |= HitFlag.HELD;
        flight.state = S.HELD;
        shared.held.push(flight);
        return WAIT;
      case S.HELD:
        if (!this.#isHeld(flight, shared)) return S.MAIN_LOOKUP;
        flight.state = S.HELD;
        shared.held.push(flight);
        return WAIT;
      case S.MAIN_STORE:
        if (mainTlb !== null) {
          if (!clock.acquire(flight, shared.mainPorts, state)) return WAIT;
          let ways: number = Ways.ANY;
          if (config.tbu.prefetch && config.tbu.prefetchOwnsLastWay) {
            ways = flight.prefetch ? Ways.LAST : Ways.NOT_LAST;
          }
          const attributes = flight.attributes | (flight.prefetch ? ENTRY.PREFETCHED : 0);
          this.#fill(flight, mainTlb, attributes, ways);
          clock.release(shared.mainPorts);
        }
        if (!flight.prefetch) this.#prefetch(flight);
        return S.UNHOLD;
      case S.UNHOLD:
        shared.endMiss(flight);
        clock.broadcast(shared.held);
        if (flight.prefetch) return S.PREFETCH_END;
        return flight.fault === FaultKind.NONE && flight.contextFault === 0 ? S.MICRO_STORE : S.ORDER;
      case S.MICRO_STORE:
        if (microTlb !== null) {
          if (!clock.acquire(flight, shared.microPorts, state)) return WAIT;
          this.#fill(flight, microTlb, flight.attributes & ~ENTRY.PREFETCHED, Ways.ANY);
          clock.release(shared.microPorts);
        }
        return S.ORDER;
      case S.ORDER: {
        const order = shared.orderOf(flight);
        if (order.first() !== flight) {
          flight.state = S.ORDER;
          shared.ordered.push(flight);
          return WAIT;
        }
        order.shift();
        clock.broadcast(shared.ordered);
        return S.LAST_PORT;
      }
      case S.LAST_PORT: {
        if (!clock.acquire(flight, this.#requestPort, state)) return WAIT;
        const beats = flight.write ? Math.ceil(flight.size / this.#portWidth) : 1;
        return clock.delay(flight, beats, S.LAST_BEAT);
      }
      case S.LAST_BEAT:
        return this.#leave(flight, shared);
      case S.STALLED:
        // Software lets it try again.
        flight.reset();
        return S.DEVICE_PORT;
      case S.ENDED:
        this.#giveBack(flight, shared);
        return S.REFUSED;
      case S.DATA:
      case S.REFUSED:
        this.#ends.responded(flight);
        this.#ends.retired(flight);
        return WAIT;
      default:
        shared.free++;
        this.#ends.retired(flight);
        return WAIT;
    }
  }

  #received(flight: Flight, shared: TbuSlots): number {
    const clock = this.#clock;
    clock.release(shared.devicePort);
    flight.startTick = clock.now;
    if (!flight.prefetch && !this.#ends.admitted(flight)) return clock.delay(flight, 1, S.LAST_PORT);
    if (!this.#mmu.enabled) return clock.delay(flight, 1, S.PASS);
    if (flight.prefetch) return this.#isHeld(flight, shared) ? S.PREFETCH_END : S.MAIN_LOOKUP;
    shared.orderOf(flight).push(flight);
    return shared.unit.microTlb === null ? S.MAIN_LOOKUP : S.MICRO_LOOKUP;
  }

  /** The translation is done: the access goes on with its output address, or its fault is known. */
  #leave(flight: Flight, shared: TbuSlots): number {
    const clock = this.#clock;
    clock.release(this.#requestPort);
    flight.endTick = clock.now;
    flight.resumed = false;
    const passed = this.#ends.translated(flight);
    // Software that the device interrupts may resume it at once.
    if (!passed && (flight.outcome === Outcome.STALLED || flight.resumed)) return WAIT;
    this.#giveBack(flight, shared);
    return passed ? clock.send(flight, flight.size, S.DATA) : S.REFUSED;
  }

  /** The flight's slot is free again. */
  #giveBack(flight: Flight, shared: TbuSlots): void {
    shared.free++;
    shared.freeBeats += flight.beats;
    this.#clock.onAccepted();
  }

  /** Looks into a TBU's TLB; on a hit the flight has its translation. */
  #lookup(flight: Flight, cache: NonNullable<Tbu['microTlb']>): boolean {
    const entry = cache.lookup(flight.pageLow, this.#streamTag(flight), 0);
    if (entry < 0) return false;
    const attributes = cache.attributesOf(entry);
    if (!permits(attributes, flight.needed)) return false;
    flight.attributes = attributes;
    flight.pa = flight.iova + (cache.values[entry] as number);
    flight.space = cache.spaceOf(entry);
    if (cache.marked !== 0) flight.staleMark = cache.marks[entry] as number;
    return true;
  }

  #fill(flight: Flight, cache: NonNullable<Tbu['microTlb']>, attributes: number, ways: number): void {
    const low = flight.pageLow;
    const entry = fill(cache, low, this.#streamTag(flight), 0, attributes, flight.space, flight.staleMark, ways);
    cache.values[entry] = flight.pa - flight.iova;
  }

  #streamTag(flight: Flight): number {
    return flight.pageHigh | (flight.stream << OWNER_SHIFT);
  }

  /** Whether a miss of the same page is under way. */
  #isHeld(flight: Flight, shared: TbuSlots): boolean {
    const { pageLow, pageHigh, stream } = flight;
    const { misses } = shared;
    const byAddress = this.#mergesByAddress;
    for (let at = 0; at < misses.length; at++) {
      const other = misses[at] as Flight;
      if (other.pageLow !== pageLow) continue;
      if (
        byAddress
          ? ((other.pageHigh ^ pageHigh) & ~UPPER_HALF_BIT) === 0
          : other.pageHigh === pageHigh && other.stream === stream
      ) {
        return true;
      }
    }
    return false;
  }

  #prefetch(flight: Flight): void {
    if (this.#mmu.config.tbu.prefetch) this.#ends.prefetch(flight, (Math.floor(flight.iova / PAGE) + 1) * PAGE);
  }
}
