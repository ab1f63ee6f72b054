import type { WalkMemory } from '../../memory/index.ts';
import { type MmuConfig, type MmuOptions, parseMmuConfig } from '../config/index.ts';
import { InvalidationPort } from '../invalidation/index.ts';
import type { TranslationRegime } from '../regime/index.ts';
import {
  type AssociativeCache,
  MmuCaches,
  OWNER_SHIFT,
  SECTION_SHIFT,
  StaleMarks,
  type Tbu,
  tagHigh,
  tagLow,
  UPPER_HALF_BIT,
  WHOLE_SPACE_SHIFT,
} from '../tlb/index.ts';
import { BYPASS_ATTRIBUTES, ENTRY, permits } from '../walk/index.ts';
import { AccessFlag, HitFlag, neededPermissions } from './access-flags.ts';
import { type ContextFetch, type ContextSource, ContextStatus } from './context-source.ts';
import { type MmuCounters, readCounters } from './counters.ts';
import type { TranslatingDevice } from './device.ts';
import { Outcome, type TranslationRequest } from './request.ts';
import { SerialWalker } from './serial-walker.ts';
import type { WalkObserver } from './walk-observer.ts';

/** The high tag word without its owner and section. */
const PAGE_BITS = (1 << SECTION_SHIFT) - 1;

/**
 * An SMMU-shaped MMU: tbus with micro and main TLB, the SMMU behind them with configuration cache, TLB, walk caches, IPA cache
 * and walker. `translate` serves one request at a time and computes its time in closed form; engines for many requests in flight use
 * the same caches (flight-engine.ts).
 *
 *     request.ask(master, stream, -1, iova, AccessFlag.WRITE, now);
 *     if (mmu.translate(request)) use(request.pa, request.completion);
 *     else report(request.fault, request.faultStage, request.faultLevel);
 *
 * Does: stage 1, stage 2, nested, bypass, faults as data, hardware access flag and dirty state, invalidations with their cost.
 * Does not: stall (the device above does), secure state, ATS; `translate` does not prefetch and knows no other request in flight.
 */
export class Mmu implements TranslatingDevice {
  readonly config: MmuConfig;
  readonly caches: MmuCaches;
  /** Drops entries and says what that costs. */
  readonly invalidation: InvalidationPort;
  /** The sanitizer's view of the TLBs. */
  readonly stale: StaleMarks;
  readonly contexts: ContextSource;
  readonly memory: WalkMemory;
  /** False: SMMUEN is 0, every access passes through untranslated. */
  enabled = true;
  /** Never told: without a device nothing stalls. */
  onResume: TranslatingDevice['onResume'] = null;

  /** Cycle at which the last translation is done: a SYNC waits for it. */
  busyUntil = 0;

  // Counters over all translations; the caches have theirs.
  requests = 0;
  faults = 0;
  walks = 0;
  totalDescriptorReads = 0;
  /** Configuration structures read, by `ContextStructure`. */
  readonly configurationFetches = new Float64Array(4);
  totalWalkCycles = 0;
  totalLatency = 0;

  readonly #tbus: readonly Tbu[];
  readonly #walker: SerialWalker;
  readonly #fetch: ContextFetch;

  // Who made the last request, and how: most requests are made in the same way, and find here what follows from it.
  #streamId = -1;
  #substreamId = -1;
  #flags = -1;
  #stream = -1;
  /** High tag word of an address 0 of this stream and half. */
  #tag = 0;
  #upper = false;
  /** Bits of `Permission` that the access needs. */
  #needed = 0;
  #writes = false;

  // The request under way.
  /** Cycle at which the TBU has the request. */
  #received = 0;
  /** Cycles between the two links. */
  #smmuCycles = 0;

  // Out of the configuration.
  readonly #unitWidth: number;
  readonly #portWidth: number;
  readonly #bypassMatchesAll: boolean;
  readonly #microCycles: number;
  readonly #mainCycles: number;
  readonly #linkCycles: number;
  readonly #returnCycles: number;
  readonly #configurationCycles: number;
  readonly #tlbCycles: number;
  readonly #readCycles: number;
  readonly #mixesSpace: boolean;

  /**
   * @param options what differs from the defaults of `MmuSchema`
   * @param memory what the walker reads descriptors from
   * @param contexts who knows the tables of a stream
   * @throws ConfigError
   */
  constructor(options: MmuOptions, memory: WalkMemory, contexts: ContextSource) {
    const config = parseMmuConfig(options);
    this.config = config;
    this.memory = memory;
    this.contexts = contexts;
    const caches = new MmuCaches(config);
    this.caches = caches;
    this.#tbus = caches.tbus;
    this.#walker = new SerialWalker(config, memory, caches.walk, caches.ipa);
    this.#fetch = contexts.newFetch();
    this.invalidation = new InvalidationPort(config, caches);
    this.stale = new StaleMarks(caches);
    this.#unitWidth = config.tbu.portWidth;
    this.#portWidth = config.portWidth;
    this.#bypassMatchesAll = config.deviations.bypassEntryMatchesAll;
    this.#microCycles = config.tbu.microTlb.latency;
    this.#mainCycles = config.tbu.mainTlb.latency;
    this.#linkCycles = config.link.request;
    this.#returnCycles = config.link.response;
    this.#configurationCycles = config.configurationCache.latency;
    this.#tlbCycles = config.tlb.latency;
    this.#readCycles = 1 + config.memory.latency;
    this.#mixesSpace = config.indexMixesAddressSpace;
  }

  /**
   * Translates one access, with no other in flight.
   *
   * @returns false on a fault
   */
  translate(request: TranslationRequest): boolean {
    this.requests++;
    if (request.missed === true) request.forget();
    const { iova, flags } = request;
    if (flags !== this.#flags || request.streamId !== this.#streamId || request.substreamId !== this.#substreamId) {
      this.#identify(request.streamId, request.substreamId, flags);
    }
    let lastBeat = 1;
    this.#received = request.start + 1;
    if (this.#writes === true) {
      this.#received = request.start + Math.ceil(request.size / this.#unitWidth);
      lastBeat = Math.ceil(request.size / this.#portWidth);
    }
    if (this.enabled !== true) {
      request.hit = 0;
      request.pa = iova;
      this.#finish(request, BYPASS_ATTRIBUTES | WHOLE_SPACE_SHIFT, 1 + lastBeat);
      return true;
    }
    const low = tagLow(iova);
    const high = tagHigh(iova) | this.#tag;
    const { microTlb } = this.#tbus[request.master] as Tbu;
    if (microTlb === null) return this.#missMicro(request, lastBeat, low, high, true);
    const entry = microTlb.lookup(low, high, 0);
    if (entry < 0) return this.#missMicro(request, lastBeat + this.#microCycles, low, high, true);
    const attributes = microTlb.attributesOf(entry);
    if (!permits(attributes, this.#needed)) {
      return this.#missMicro(request, lastBeat + this.#microCycles, low, high, false);
    }
    request.hit = HitFlag.MICRO_TLB;
    request.staleMark = microTlb.marked === 0 ? 0 : (microTlb.marks[entry] as number);
    request.pa = iova + (microTlb.values[entry] as number);
    this.#finish(request, attributes, this.#microCycles + lastBeat);
    return true;
  }

  /** The micro-TLB does not have it, does not permit it, or is off. @param absent it has no entry of the page */
  #missMicro(request: TranslationRequest, before: number, low: number, high: number, absent: boolean): boolean {
    const { microTlb, mainTlb } = this.#tbus[request.master] as Tbu;
    if (mainTlb === null) return this.#missMain(request, before, low, high, absent);
    const cycles = before + this.#mainCycles;
    const entry = mainTlb.lookup(low, high, 0);
    if (entry < 0) return this.#missMain(request, cycles, low, high, absent);
    const attributes = mainTlb.attributesOf(entry);
    if (!permits(attributes, this.#needed)) return this.#missMain(request, cycles, low, high, false);
    request.hit = HitFlag.MAIN_TLB;
    const mark = mainTlb.marked === 0 ? 0 : (mainTlb.marks[entry] as number);
    request.staleMark = mark;
    const value = mainTlb.values[entry] as number;
    request.pa = request.iova + value;
    if (microTlb !== null) {
      const filled = fill(microTlb, low, high, attributes & ~ENTRY.PREFETCHED, mainTlb.spaceOf(entry), absent);
      microTlb.values[filled] = value;
      if (mark !== 0) microTlb.mark(filled, mark);
    }
    this.#finish(request, attributes, cycles);
    return true;
  }

  /** No TLB of the TBU serves it. @param absent and none has an entry of the page */
  #missMain(request: TranslationRequest, before: number, low: number, high: number, absent: boolean): boolean {
    const { microTlb, mainTlb } = this.#tbus[request.master] as Tbu;
    request.hit = 0;
    request.staleMark = 0;
    request.missed = true;
    const served = this.#throughSmmu(request, low, high);
    this.totalDescriptorReads += request.descriptorReads;
    const cycles = before + this.#linkCycles + this.#smmuCycles + this.#returnCycles;
    if (!served) {
      this.faults++;
      request.pa = 0;
      request.outcome = Outcome.ABORTED;
      this.#finish(request, 0, cycles);
      return false;
    }
    const { attributes, staleMark } = request;
    const { space } = this.caches;
    const value = request.pa - request.iova;
    if (mainTlb !== null) {
      const filled = fill(mainTlb, low, high, attributes, space, absent);
      mainTlb.values[filled] = value;
      if (staleMark !== 0) mainTlb.mark(filled, staleMark);
    }
    if (microTlb !== null) {
      const filled = fill(microTlb, low, high, attributes, space, absent);
      microTlb.values[filled] = value;
      if (staleMark !== 0) microTlb.mark(filled, staleMark);
    }
    this.#finish(request, attributes, cycles);
    return true;
  }

  /** From the link to the SMMU to the link back: sets the request's `pa`, `attributes`, `staleMark`, and `#smmuCycles`. */
  #throughSmmu(request: TranslationRequest, low: number, high: number): boolean {
    const { caches } = this;
    this.#smmuCycles = 0;
    const regime = this.#configuration(request);
    if (regime === null) return false;
    const { tlb } = caches;
    if (tlb === null) return this.#walk(request, regime, low, high & PAGE_BITS);
    const { space } = caches;
    const tlbHigh = (high & PAGE_BITS) | (space << OWNER_SHIFT);
    const salt = this.#mixesSpace ? regime.asid ^ regime.vmid : 0;
    this.#smmuCycles += this.#tlbCycles;
    const found = tlb.lookup(low, tlbHigh, salt);
    if (found >= 0 && permits(tlb.attributesOf(found), this.#needed)) {
      request.hit |= HitFlag.TLB;
      request.attributes = tlb.attributesOf(found);
      request.pa = request.iova + (tlb.values[found] as number);
      if (tlb.marked !== 0) request.staleMark = tlb.marks[found] as number;
      return true;
    }
    if (!this.#walk(request, regime, low, high & PAGE_BITS)) return false;
    const { attributes } = request;
    const filled = tlb.store(low, tlbHigh, attributes & ENTRY.SHIFT_MASK, salt, attributes, space, 0);
    tlb.values[filled] = request.pa - request.iova;
    if (request.staleMark !== 0) tlb.mark(filled, request.staleMark);
    return true;
  }

  /** Lets somebody see every walk of `translate` from now on; null for nobody. */
  watchWalks(observer: WalkObserver | null): void {
    this.#walker.observer = observer;
  }

  /** All counters as one plain object; see {@link MmuCounters}. */
  counters(): MmuCounters {
    return readCounters(this);
  }

  /** Sets every counter to 0; caches keep their entries. */
  resetCounters(): void {
    this.requests = 0;
    this.faults = 0;
    this.walks = 0;
    this.totalDescriptorReads = 0;
    this.totalWalkCycles = 0;
    this.totalLatency = 0;
    this.configurationFetches.fill(0);
    this.caches.resetCounters();
    this.invalidation.resetCounters();
  }

  /** Itself: an MMU without a device around it. */
  get mmu(): this {
    return this;
  }

  admit(_request: TranslationRequest): boolean {
    return true;
  }

  settle(request: TranslationRequest, _inFlight: boolean): boolean {
    return request.outcome === Outcome.OK;
  }

  #identify(streamId: number, substreamId: number, flags: number): void {
    if (streamId !== this.#streamId || substreamId !== this.#substreamId) {
      this.#streamId = streamId;
      this.#substreamId = substreamId;
      this.#stream = this.caches.streamNumber(streamId, substreamId);
    }
    this.#flags = flags;
    this.#upper = (flags & AccessFlag.UPPER) !== 0;
    this.#tag = (this.#stream << OWNER_SHIFT) | (this.#upper ? UPPER_HALF_BIT : 0);
    this.#needed = neededPermissions(flags);
    this.#writes = (flags & AccessFlag.WRITE) !== 0;
  }

  /** The stream's regime, from the configuration cache or from memory; null on a fault. */
  #configuration(request: TranslationRequest): TranslationRegime | null {
    const { caches } = this;
    if (caches.configuration !== null) {
      this.#smmuCycles += this.#configurationCycles;
      if (caches.lookupConfiguration(this.#stream)) return caches.regime;
    }
    const fetch = this.#fetch;
    let status = fetch.begin(this.#streamId, this.#substreamId);
    while (status === ContextStatus.READ) {
      let { address } = fetch;
      if (fetch.stage2 !== null) {
        const walker = this.#walker;
        const space2 = caches.stage2Space(fetch.vmid);
        const done = walker.stage2OfContext(request, fetch.stage2, space2, fetch.vmid, address);
        this.#smmuCycles += walker.cycles;
        if (!done) return null;
        address = walker.output2;
      }
      this.#smmuCycles += this.#readCycles;
      request.configurationReads++;
      this.configurationFetches[fetch.structure] = (this.configurationFetches[fetch.structure] as number) + 1;
      status = fetch.step(address);
    }
    request.hit |= request.configurationReads > 0 ? HitFlag.CONFIGURATION_FETCHED : 0;
    if (status === ContextStatus.FAULT || fetch.regime === null) {
      request.contextFault = fetch.fault;
      return null;
    }
    caches.storeConfiguration(this.#stream, fetch.regime);
    return fetch.regime;
  }

  /** Walks the tables, or passes the address through where there are none. */
  #walk(request: TranslationRequest, regime: TranslationRegime, low: number, page: number): boolean {
    const { stage1, stage2 } = regime;
    if (stage1 === null && stage2 === null) {
      request.pa = request.iova;
      request.attributes = BYPASS_ATTRIBUTES | (this.#bypassMatchesAll ? WHOLE_SPACE_SHIFT : 12);
      return true;
    }
    const walker = this.#walker;
    const { space, space2 } = this.caches;
    const needed = this.#needed;
    const done =
      stage1 !== null
        ? walker.stage1(request, stage1, stage2, low, page, space, space2, regime.vmid, this.#upper, needed)
        : stage2 !== null && walker.stage2(request, stage2, space2, regime.vmid, needed);
    request.hit |= HitFlag.WALKED;
    request.walkCycles = walker.cycles;
    this.walks++;
    this.totalWalkCycles += walker.cycles;
    this.#smmuCycles += walker.cycles;
    return done;
  }

  #finish(request: TranslationRequest, attributes: number, cycles: number): void {
    request.attributes = attributes;
    request.latency = cycles;
    this.totalLatency += cycles;
    const completion = this.#received + cycles;
    request.completion = completion;
    this.busyUntil = completion;
  }
}

/**
 * Fills a TLB of a TBU; the caller writes the value and carries a mark on.
 *
 * @param absent a lookup just found no entry of the page, so there is none to be written over
 */
function fill(
  tlb: AssociativeCache,
  low: number,
  high: number,
  attributes: number,
  space: number,
  absent: boolean,
): number {
  const shift = attributes & ENTRY.SHIFT_MASK;
  if (absent) return tlb.insert(low, high, shift, 0, attributes, space);
  return tlb.store(low, high, shift, 0, attributes, space, 0);
}
