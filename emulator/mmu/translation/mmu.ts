import type { WalkMemory } from '../../memory/index.ts';
import {
  type AssociativeCache,
  OWNER_SHIFT,
  SECTION_SHIFT,
  tagHigh,
  tagLow,
  UPPER_HALF_BIT,
  WHOLE_SPACE_SHIFT,
} from '../cache/index.ts';
import { type MmuConfig, type MmuOptions, parseMmuConfig } from '../config/index.ts';
import { InvalidationPort } from '../invalidation/index.ts';
import { MmuCaches, StaleMarks, type Tbu } from '../tlb/index.ts';
import { BYPASS_ATTRIBUTES, ENTRY, permits } from '../walk/index.ts';
import { AccessFlag, HitFlag, neededPermissions } from './access-flags.ts';
import type { ContextSource } from './context-source.ts';
import { type MmuCounters, readCounters } from './counters.ts';
import type { TranslatingDevice } from './device.ts';
import { Outcome, type TranslationRequest } from './request.ts';
import { Tcu } from './tcu.ts';
import type { WalkObserver } from './walk-observer.ts';

/** The high tag word without its owner and section. */
const PAGE_BITS = (1 << SECTION_SHIFT) - 1;

/**
 * An SMMU-shaped MMU: TBUs with micro and main TLB, the SMMU behind them with configuration cache, TLB, walk caches, IPA cache
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
  readonly #tcu: Tcu;

  // Who made the last request, and how: most requests are made in the same way, and find here what follows from it.
  #streamId = -1;
  #substreamId = -1;
  #flags = -1;
  #stream = -1;
  /** High tag word of an address 0 of this stream and half. */
  #tag = 0;
  /** Bits of `Permission` that the access needs. */
  #needed = 0;
  #writes = false;

  // The request under way.
  /** Cycle at which the TBU has the request. */
  #received = 0;

  // Out of the configuration.
  readonly #unitWidth: number;
  readonly #portWidth: number;
  readonly #microCycles: number;
  readonly #mainCycles: number;
  readonly #linkCycles: number;
  readonly #returnCycles: number;

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
    this.#tcu = new Tcu(config, memory, contexts, caches, this.configurationFetches);
    this.invalidation = new InvalidationPort(config, caches);
    this.stale = new StaleMarks(caches);
    this.#unitWidth = config.tbu.portWidth;
    this.#portWidth = config.portWidth;
    this.#microCycles = config.tbu.microTlb.latency;
    this.#mainCycles = config.tbu.mainTlb.latency;
    this.#linkCycles = config.link.request;
    this.#returnCycles = config.link.response;
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
    const served = this.#tcu.serve(request, low, high & PAGE_BITS);
    this.totalDescriptorReads += request.descriptorReads;
    if ((request.hit & HitFlag.WALKED) !== 0) {
      this.walks++;
      this.totalWalkCycles += request.walkCycles;
    }
    const cycles = before + this.#linkCycles + this.#tcu.cycles + this.#returnCycles;
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

  /** Lets somebody see every walk of `translate` from now on; null for nobody. */
  watchWalks(observer: WalkObserver | null): void {
    this.#tcu.watch(observer);
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
    const upper = (flags & AccessFlag.UPPER) !== 0;
    this.#flags = flags;
    this.#tag = (this.#stream << OWNER_SHIFT) | (upper ? UPPER_HALF_BIT : 0);
    this.#needed = neededPermissions(flags);
    this.#tcu.identify(streamId, substreamId, this.#stream, upper, this.#needed);
    this.#writes = (flags & AccessFlag.WRITE) !== 0;
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
