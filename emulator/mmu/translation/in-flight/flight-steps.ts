import type { Tbu } from '../../tlb/index.ts';
import { fill, OWNER_SHIFT, UPPER_HALF_BIT, WHOLE_SPACE_SHIFT } from '../../tlb/index.ts';
import {
  BYPASS_ATTRIBUTES,
  ENTRY,
  FaultClass,
  FaultKind,
  permits,
  READS_DESCRIPTOR,
  stage2Alone,
} from '../../walk/index.ts';
import { ContextStatus, HitFlag, type Mmu, Outcome } from '../index.ts';
import { type Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FIRST_WALK_STATE, FlightState as S, WAIT } from './flight-state.ts';
import { type FlightEnds, TbuSlots } from './tbu-slots.ts';
import { WalkSteps } from './walk-steps.ts';

const PAGE = 4096;
/** Ways of the main TLB: any, the last only, all but the last. */
const Ways = { ANY: 0, LAST: 1, NOT_LAST: 2 } as const;

/** Requests in flight through interface and SMMU, one step per call; WalkSteps does the walks. */
export class FlightSteps {
  readonly interfaces: readonly TbuSlots[];
  readonly #mmu: Mmu;
  readonly #clock: FlightClock;
  readonly #ends: FlightEnds;
  readonly #walks: WalkSteps;
  readonly #requestPort = new Slots(1);
  readonly #linkPort = new Slots(1);
  readonly #returnPort = new Slots(1);
  readonly #slots: Slots;
  readonly #walkSlots: Slots;
  readonly #configurationPorts: Slots;
  readonly #tlbPorts: Slots;
  // Out of the configuration; of a link, the cycles behind the one that it is taken for.
  readonly #microCycles: number;
  readonly #mainCycles: number;
  readonly #linkCycles: number;
  readonly #returnCycles: number;
  readonly #configurationCycles: number;
  readonly #tlbCycles: number;
  readonly #portWidth: number;
  readonly #mergesByAddress: boolean;

  constructor(mmu: Mmu, clock: FlightClock, ends: FlightEnds) {
    const { config } = mmu;
    this.#mmu = mmu;
    this.#clock = clock;
    this.#ends = ends;
    this.#walks = new WalkSteps(mmu, clock);
    this.interfaces = mmu.caches.interfaces.map((unit) => new TbuSlots(unit, mmu));
    this.#microCycles = config.interface.microTlb.latency;
    this.#mainCycles = config.interface.mainTlb.latency;
    this.#linkCycles = config.link.request - 1;
    this.#returnCycles = config.link.response - 1;
    this.#configurationCycles = config.configurationCache.latency;
    this.#tlbCycles = config.tlb.latency;
    this.#portWidth = config.portWidth;
    this.#mergesByAddress = config.deviations.mergesBy4KiBAddress;
    this.#slots = new Slots(config.slots);
    this.#walkSlots = new Slots(config.walkSlots);
    this.#configurationPorts = new Slots(config.configurationCache.ports);
    this.#tlbPorts = new Slots(config.tlb.ports);
  }

  /** Runs a flight until it has to wait. */
  run(flight: Flight): void {
    let { state } = flight;
    while (state !== WAIT) {
      if (state >= FIRST_WALK_STATE) state = this.#walks.step(flight, state);
      else if (state < S.LINK || (state >= S.MAIN_STORE && state < S.READ)) state = this.#atInterface(flight, state);
      else state = this.#inSmmu(flight, state);
    }
  }

  #atInterface(flight: Flight, state: number): number {
    const clock = this.#clock;
    const shared = this.interfaces[flight.master] as TbuSlots;
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
          if (config.interface.prefetch && config.interface.prefetchOwnsLastWay) {
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

  #inSmmu(flight: Flight, state: number): number {
    const clock = this.#clock;
    const { caches } = this.#mmu;
    switch (state) {
      case S.LINK:
        if (!clock.acquire(flight, this.#slots, state)) return WAIT;
        return S.LINK_SEND;
      case S.LINK_SEND:
        if (!clock.acquire(flight, this.#linkPort, state)) return WAIT;
        return clock.delay(flight, 1, S.LINK_SENT);
      case S.LINK_SENT:
        clock.release(this.#linkPort);
        return clock.delay(flight, this.#linkCycles, S.CONFIGURATION);
      case S.CONFIGURATION:
        if (caches.configuration === null) return this.#fetchContext(flight);
        if (!clock.acquire(flight, this.#configurationPorts, state)) return WAIT;
        return clock.delay(flight, this.#configurationCycles, S.CONFIGURATION_FOUND);
      case S.CONFIGURATION_FOUND: {
        const hit = caches.lookupConfiguration(flight.stream);
        clock.release(this.#configurationPorts);
        if (!hit) return this.#fetchContext(flight);
        flight.regime = caches.regimes[flight.stream] ?? null;
        return this.#configured(flight);
      }
      case S.CONTEXT_STEP:
        return this.#contextStep(flight);
      case S.CONTEXT_TRANSLATED:
        flight.address = flight.output2;
        return S.CONTEXT_READ;
      case S.CONTEXT_READ: {
        const fetch = flight.fetch(this.#mmu.contexts);
        const fetches = this.#mmu.configurationFetches;
        fetches[fetch.structure] = (fetches[fetch.structure] as number) + 1;
        flight.configurationReads++;
        flight.bytes = fetch.bytes;
        flight.afterRead = S.CONTEXT_GOT;
        return S.READ;
      }
      case S.CONTEXT_GOT:
        flight.contextStatus = flight.fetch(this.#mmu.contexts).step(flight.address);
        return S.CONTEXT_STEP;
      case S.CONTEXT_STORE:
        if (caches.configuration !== null && !clock.acquire(flight, this.#configurationPorts, state)) return WAIT;
        if (flight.regime !== null) caches.storeConfiguration(flight.stream, flight.regime);
        if (caches.configuration !== null) clock.release(this.#configurationPorts);
        return this.#configured(flight);
      case S.TLB_LOOKUP:
        if (caches.tlb === null) return S.WALK_SLOT;
        if (!clock.acquire(flight, this.#tlbPorts, state)) return WAIT;
        return clock.delay(flight, this.#tlbCycles, S.TLB_FOUND);
      case S.TLB_FOUND:
        return this.#tlbFound(flight);
      case S.WALK_SLOT:
        if (!clock.acquire(flight, this.#walkSlots, state)) return WAIT;
        return this.#beginWalk(flight);
      case S.STAGE2_ALONE:
        flight.pa = flight.output2;
        flight.attributes = stage2Alone(flight.attributes2);
        return S.WALK_END;
      case S.WALK_END:
        return this.#endWalk(flight);
      case S.TLB_STORE:
        return this.#tlbStore(flight);
      case S.RETURN:
        if (!clock.acquire(flight, this.#returnPort, state)) return WAIT;
        return clock.delay(flight, 1, S.RETURN_SENT);
      case S.RETURN_SENT:
        clock.release(this.#returnPort);
        return clock.delay(flight, this.#returnCycles, S.RETURNED);
      case S.RETURNED:
        clock.release(this.#slots);
        return flight.fault === FaultKind.NONE && flight.contextFault === 0 ? S.MAIN_STORE : S.UNHOLD;
      case S.READ:
        if (!clock.acquire(flight, this.#requestPort, state)) return WAIT;
        return clock.delay(flight, 1, S.READ_SEND);
      default: {
        clock.release(this.#requestPort);
        if (flight.afterRead !== S.CONTEXT_GOT) this.#readDescriptor(flight);
        return clock.send(flight, flight.bytes, flight.afterRead);
      }
    }
  }

  /** Memory is read when the request reaches it; the answer travels back. */
  #readDescriptor(flight: Flight): void {
    const { memory } = this.#mmu;
    if (flight.afterRead !== S.UPDATED1 && flight.afterRead !== S.UPDATED2) {
      flight.descriptorReads++;
      this.#mmu.totalDescriptorReads++;
      flight.readable = memory.read(flight.address, flight.bytes);
      flight.low = memory.low;
      flight.high = memory.high;
    }
  }

  #fetchContext(flight: Flight): number {
    flight.contextStatus = flight.fetch(this.#mmu.contexts).begin(flight.streamId, flight.substreamId);
    return S.CONTEXT_STEP;
  }

  #contextStep(flight: Flight): number {
    const fetch = flight.fetch(this.#mmu.contexts);
    if (flight.contextStatus === ContextStatus.READ) {
      flight.address = fetch.address;
      if (fetch.stage2 === null) return S.CONTEXT_READ;
      flight.space2 = this.#mmu.caches.stage2Space(fetch.vmid);
      const { stage2, address } = fetch;
      return this.#walks.stage2(flight, stage2, address, FaultClass.CONTEXT, READS_DESCRIPTOR, S.CONTEXT_TRANSLATED);
    }
    if (flight.configurationReads > 0) flight.hit |= HitFlag.CONFIGURATION_FETCHED;
    flight.regime = fetch.regime;
    if (flight.contextStatus === ContextStatus.FAULT || fetch.regime === null) {
      flight.contextFault = fetch.fault;
      return S.RETURN;
    }
    return S.CONTEXT_STORE;
  }

  #configured(flight: Flight): number {
    const { caches } = this.#mmu;
    flight.space = caches.streamSpaces[flight.stream] as number;
    flight.space2 = caches.streamSpaces2[flight.stream] as number;
    return S.TLB_LOOKUP;
  }

  #tlbFound(flight: Flight): number {
    const { tlb } = this.#mmu.caches;
    const entry = tlb === null ? -1 : tlb.lookup(flight.pageLow, this.#spaceTag(flight), this.#salt(flight));
    this.#clock.release(this.#tlbPorts);
    if (tlb === null || entry < 0 || !permits(tlb.attributesOf(entry), flight.needed)) return S.WALK_SLOT;
    flight.hit |= HitFlag.TLB;
    flight.attributes = tlb.attributesOf(entry);
    flight.pa = flight.iova + (tlb.values[entry] as number);
    if (tlb.marked !== 0) flight.staleMark = tlb.marks[entry] as number;
    return S.RETURN;
  }

  #tlbStore(flight: Flight): number {
    const { tlb } = this.#mmu.caches;
    if (tlb === null) return S.RETURN;
    if (!this.#clock.acquire(flight, this.#tlbPorts, S.TLB_STORE)) return WAIT;
    const low = flight.pageLow;
    const tag = this.#spaceTag(flight);
    const { attributes, space, staleMark } = flight;
    const entry = fill(tlb, low, tag, this.#salt(flight), attributes, space, staleMark, Ways.ANY);
    tlb.values[entry] = flight.pa - flight.iova;
    this.#clock.release(this.#tlbPorts);
    return S.RETURN;
  }

  #beginWalk(flight: Flight): number {
    const { regime } = flight;
    flight.walkTick = this.#clock.now;
    if (regime !== null && regime.stage1 !== null) return S.STAGE1;
    if (regime !== null && regime.stage2 !== null) {
      return this.#walks.stage2(flight, regime.stage2, flight.iova, FaultClass.INPUT, flight.needed, S.STAGE2_ALONE);
    }
    flight.pa = flight.iova;
    const matchesAll = this.#mmu.config.deviations.bypassEntryMatchesAll;
    flight.attributes = BYPASS_ATTRIBUTES | (matchesAll ? WHOLE_SPACE_SHIFT : 12);
    return S.WALK_END;
  }

  #endWalk(flight: Flight): number {
    const { regime } = flight;
    if (regime !== null && (regime.stage1 !== null || regime.stage2 !== null)) {
      const ticks = this.#clock.now - flight.walkTick;
      flight.hit |= HitFlag.WALKED;
      this.#mmu.walks++;
      this.#mmu.totalWalkCycles += ticks / this.#clock.period;
      this.#ends.walked(ticks);
    }
    this.#clock.release(this.#walkSlots);
    return flight.fault === FaultKind.NONE ? S.TLB_STORE : S.RETURN;
  }

  /** Looks into an interface's TLB; on a hit the flight has its translation. */
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

  #spaceTag(flight: Flight): number {
    return flight.pageHigh | (flight.space << OWNER_SHIFT);
  }

  #salt(flight: Flight): number {
    const { regime } = flight;
    return this.#mmu.config.indexMixesAddressSpace && regime !== null ? regime.asid ^ regime.vmid : 0;
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
    if (this.#mmu.config.interface.prefetch) this.#ends.prefetch(flight, (Math.floor(flight.iova / PAGE) + 1) * PAGE);
  }
}
