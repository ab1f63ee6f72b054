import { OWNER_SHIFT, WHOLE_SPACE_SHIFT } from '../cache/index.ts';
import { fill } from '../tlb/index.ts';
import { ContextStatus, HitFlag, type Mmu } from '../translation/index.ts';
import { BYPASS_ATTRIBUTES, FaultClass, FaultKind, permits, READS_DESCRIPTOR, stage2Alone } from '../walk/index.ts';
import { type Flight, Slots } from './flight.ts';
import type { FlightClock } from './flight-clock.ts';
import { FlightState as S, WAIT } from './flight-state.ts';
import type { Stage2Steps } from './stage2-steps.ts';
import type { FlightEnds } from './tbu-slots.ts';

/** Ways of the main TLB: any, the last only, all but the last. */
const Ways = { ANY: 0, LAST: 1, NOT_LAST: 2 } as const;

/** Requests in flight between the TBUs and back to them: links, translation slots, configuration, the SMMU's TLB, reads of memory. */
export class SmmuSteps {
  readonly #mmu: Mmu;
  readonly #clock: FlightClock;
  readonly #ends: FlightEnds;
  readonly #stage2: Stage2Steps;
  /** The port to memory, which all TBUs and the SMMU share. */
  readonly #requestPort: Slots;
  readonly #linkPort = new Slots(1);
  readonly #returnPort = new Slots(1);
  readonly #slots: Slots;
  readonly #walkSlots: Slots;
  readonly #configurationPorts: Slots;
  readonly #tlbPorts: Slots;
  // Out of the configuration; of a link, the cycles behind the one that it is taken for.
  readonly #linkCycles: number;
  readonly #returnCycles: number;
  readonly #configurationCycles: number;
  readonly #tlbCycles: number;

  constructor(mmu: Mmu, clock: FlightClock, ends: FlightEnds, stage2: Stage2Steps, requestPort: Slots) {
    const { config } = mmu;
    this.#mmu = mmu;
    this.#clock = clock;
    this.#ends = ends;
    this.#stage2 = stage2;
    this.#requestPort = requestPort;
    this.#linkCycles = config.link.request - 1;
    this.#returnCycles = config.link.response - 1;
    this.#configurationCycles = config.configurationCache.latency;
    this.#tlbCycles = config.tlb.latency;
    this.#slots = new Slots(config.slots);
    this.#walkSlots = new Slots(config.walkSlots);
    this.#configurationPorts = new Slots(config.configurationCache.ports);
    this.#tlbPorts = new Slots(config.tlb.ports);
  }

  /** Takes one step. */
  step(flight: Flight, state: number): number {
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
      return this.#stage2.begin(flight, stage2, address, FaultClass.CONTEXT, READS_DESCRIPTOR, S.CONTEXT_TRANSLATED);
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
      return this.#stage2.begin(flight, regime.stage2, flight.iova, FaultClass.INPUT, flight.needed, S.STAGE2_ALONE);
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

  #spaceTag(flight: Flight): number {
    return flight.pageHigh | (flight.space << OWNER_SHIFT);
  }

  #salt(flight: Flight): number {
    const { regime } = flight;
    return this.#mmu.config.indexMixesAddressSpace && regime !== null ? regime.asid ^ regime.vmid : 0;
  }
}
