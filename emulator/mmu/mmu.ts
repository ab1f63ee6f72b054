import { AccessFlag, BYPASS_ATTRIBUTES, HitFlag, neededPermissions } from './access-flags.ts';
import type { AssociativeCache } from './cache.ts';
import { type ContextFetch, type ContextSource, ContextStatus } from './context-source.ts';
import { ENTRY } from './entry-attributes.ts';
import { FaultClass } from './fault.ts';
import { MmuCaches } from './mmu-caches.ts';
import { type MmuConfig, type MmuOptions, parseMmuConfig } from './mmu-config.ts';
import { type MmuCounters, readCounters } from './mmu-counters.ts';
import type { MmuInterface } from './mmu-interface.ts';
import { MmuInvalidation } from './mmu-invalidation.ts';
import { FaultKind, type TranslationRegime } from './regime.ts';
import { permits, SerialWalker } from './serial-walker.ts';
import { StaleMarks } from './stale-marks.ts';
import { OWNER_SHIFT, SECTION_SHIFT, tagHigh, tagLow, UPPER_HALF_BIT, WHOLE_SPACE_SHIFT } from './tag.ts';
import type { WalkMemory } from './walk-memory.ts';

/** The high tag word without its owner and section. */
const PAGE_BITS = (1 << SECTION_SHIFT) - 1;

/**
 * An SMMU-shaped MMU: interfaces with micro and main TLB, the SMMU behind them with configuration cache, TLB, walk caches, IPA cache
 * and walker. `translate` serves one request at a time and computes its time in closed form; engines for many requests in flight use
 * the same caches (flight-engine.ts).
 *
 *     if (mmu.translate(master, stream, -1, iova, AccessFlag.WRITE, now)) use(mmu.pa, mmu.completion);
 *     else report(mmu.fault, mmu.faultStage, mmu.faultLevel);
 *
 * Does: stage 1, stage 2, nested, bypass, faults as data, hardware access flag and dirty state, invalidations with their cost.
 * Does not: stall (the device above does), secure state, ATS; `translate` does not prefetch and knows no other request in flight.
 */
export class Mmu {
  readonly config: MmuConfig;
  readonly caches: MmuCaches;
  /** Drops entries and says what that costs. */
  readonly invalidation: MmuInvalidation;
  /** The sanitizer's view of the TLBs. */
  readonly stale: StaleMarks;
  readonly contexts: ContextSource;
  readonly memory: WalkMemory;
  /** False: SMMUEN is 0, every access passes through untranslated. */
  enabled = true;

  // The last translate: what was asked, and what came out.
  iova = 0;
  /** Output address. */
  pa = 0;
  /** Cycle at which the access goes on to memory with its output address, or at which its fault is known. */
  completion = 0;
  /** Cycles since the interface had received the request: what the reference counts as translation time. */
  latency = 0;
  fault: FaultKind = FaultKind.NONE;
  /** 1 or 2; 0 when no table was at fault. */
  faultStage = 0;
  faultLevel = 0;
  faultClass: FaultClass = FaultClass.INPUT;
  /** Intermediate physical address of a stage-2 fault. */
  faultIpa = 0;
  /** Why the stream has no usable configuration (see `ContextFetch.fault`); 0 when that was not the fault. */
  contextFault = 0;
  /** Bits of {@link HitFlag}. */
  hit = 0;
  /** Level of the stage-1 walk-cache entry that the walk began from, -1 without one. */
  hitLevel = -1;
  descriptorReads = 0;
  configurationReads = 0;
  walkCacheLookups = 0;
  /** Cycles of the table walk alone. */
  walkCycles = 0;
  /** Mark (see {@link StaleMarks}) of a TLB or walk-cache entry that served the access; 0 for none. */
  staleMark = 0;

  // Counters over all translations; the caches have theirs.
  requests = 0;
  faults = 0;
  walks = 0;
  totalDescriptorReads = 0;
  /** Configuration structures read, by `ContextStructure`. */
  readonly configurationFetches = new Float64Array(4);
  totalWalkCycles = 0;
  totalLatency = 0;

  readonly #interfaces: readonly MmuInterface[];
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
  #start = 0;
  /** Cycle at which the interface has the request. */
  #received = 0;
  #attributes = 0;
  /** Cycles between the two links. */
  #smmuCycles = 0;
  /** Whether the last request left something to forget. */
  #walkedBefore = false;

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
    this.#interfaces = caches.interfaces;
    this.#walker = new SerialWalker(config, memory, caches.walk, caches.ipa);
    this.#fetch = contexts.newFetch();
    this.invalidation = new MmuInvalidation(config, caches);
    this.stale = new StaleMarks(caches);
    this.#unitWidth = config.interface.portWidth;
    this.#portWidth = config.portWidth;
    this.#bypassMatchesAll = config.faults.bypassEntryMatchesAll;
    this.#microCycles = config.interface.microTlb.latency;
    this.#mainCycles = config.interface.mainTlb.latency;
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
   * @param master index of the interface, below `config.masters`
   * @param substreamId -1 for none
   * @param iova address; for the upper half its low bits
   * @param flags bits of {@link AccessFlag}
   * @param start cycle at which the master offers the request
   * @param size bytes, up to 4096 and within one 4 KiB page; only writes take longer for it
   * @returns false on a fault
   */
  translate(
    master: number,
    streamId: number,
    substreamId: number,
    iova: number,
    flags: number,
    start: number,
    size = 64,
  ): boolean {
    // Small, so that it is inlined: then the two doubles go into fields without becoming objects.
    this.iova = iova;
    this.#start = start;
    return this.#serve(master, streamId, substreamId, flags, size);
  }

  #serve(master: number, streamId: number, substreamId: number, flags: number, size: number): boolean {
    this.requests++;
    if (this.#walkedBefore === true) this.#forgetWalk();
    if (streamId !== this.#streamId || substreamId !== this.#substreamId || flags !== this.#flags) {
      this.#identify(streamId, substreamId, flags);
    }
    const { iova } = this;
    let lastBeat = 1;
    this.#received = this.#start + 1;
    if (this.#writes === true) {
      this.#received = this.#start + Math.ceil(size / this.#unitWidth);
      lastBeat = Math.ceil(size / this.#portWidth);
    }
    if (this.enabled !== true) {
      this.hit = 0;
      this.pa = iova;
      this.#finish(BYPASS_ATTRIBUTES | WHOLE_SPACE_SHIFT, 1 + lastBeat);
      return true;
    }
    const low = tagLow(iova);
    const high = tagHigh(iova) | this.#tag;
    const { microTlb } = this.#interfaces[master] as MmuInterface;
    if (microTlb === null) return this.#missMicro(master, lastBeat, low, high, true);
    const entry = microTlb.lookup(low, high, 0);
    if (entry < 0) return this.#missMicro(master, lastBeat + this.#microCycles, low, high, true);
    const attributes = microTlb.attributesOf(entry);
    if (!permits(attributes, this.#needed)) {
      return this.#missMicro(master, lastBeat + this.#microCycles, low, high, false);
    }
    this.hit = HitFlag.MICRO_TLB;
    this.staleMark = microTlb.marked === 0 ? 0 : (microTlb.marks[entry] as number);
    this.pa = iova + (microTlb.values[entry] as number);
    this.#finish(attributes, this.#microCycles + lastBeat);
    return true;
  }

  /** The micro-TLB does not have it, does not permit it, or is off. @param absent it has no entry of the page */
  #missMicro(master: number, before: number, low: number, high: number, absent: boolean): boolean {
    const { microTlb, mainTlb } = this.#interfaces[master] as MmuInterface;
    if (mainTlb === null) return this.#missMain(master, before, low, high, absent);
    const cycles = before + this.#mainCycles;
    const entry = mainTlb.lookup(low, high, 0);
    if (entry < 0) return this.#missMain(master, cycles, low, high, absent);
    const attributes = mainTlb.attributesOf(entry);
    if (!permits(attributes, this.#needed)) return this.#missMain(master, cycles, low, high, false);
    this.hit = HitFlag.MAIN_TLB;
    this.staleMark = mainTlb.marked === 0 ? 0 : (mainTlb.marks[entry] as number);
    const value = mainTlb.values[entry] as number;
    this.pa = this.iova + value;
    if (microTlb !== null) {
      const filled = fill(microTlb, low, high, attributes & ~ENTRY.PREFETCHED, mainTlb.spaceOf(entry), absent);
      microTlb.values[filled] = value;
      if (this.staleMark !== 0) microTlb.mark(filled, this.staleMark);
    }
    this.#finish(attributes, cycles);
    return true;
  }

  /** No TLB of the interface serves it. @param absent and none has an entry of the page */
  #missMain(master: number, before: number, low: number, high: number, absent: boolean): boolean {
    const { microTlb, mainTlb } = this.#interfaces[master] as MmuInterface;
    this.hit = 0;
    this.#walkedBefore = true;
    const served = this.#throughSmmu(low, high);
    const cycles = before + this.#linkCycles + this.#smmuCycles + this.#returnCycles;
    if (!served) {
      this.faults++;
      this.pa = 0;
      this.#finish(0, cycles);
      return false;
    }
    const attributes = this.#attributes;
    const { space } = this.caches;
    const value = this.pa - this.iova;
    if (mainTlb !== null) {
      const filled = fill(mainTlb, low, high, attributes, space, absent);
      mainTlb.values[filled] = value;
      if (this.staleMark !== 0) mainTlb.mark(filled, this.staleMark);
    }
    if (microTlb !== null) {
      const filled = fill(microTlb, low, high, attributes, space, absent);
      microTlb.values[filled] = value;
      if (this.staleMark !== 0) microTlb.mark(filled, this.staleMark);
    }
    this.#finish(attributes, cycles);
    return true;
  }

  /** From the link to the SMMU to the link back: sets `pa`, `staleMark`, `#attributes` and `#smmuCycles`. */
  #throughSmmu(low: number, high: number): boolean {
    const { caches } = this;
    this.#smmuCycles = 0;
    const regime = this.#configuration();
    if (regime === null) return false;
    const { tlb } = caches;
    if (tlb === null) return this.#walk(regime, low, high & PAGE_BITS);
    const { space } = caches;
    const tlbHigh = (high & PAGE_BITS) | (space << OWNER_SHIFT);
    const salt = this.#mixesSpace ? regime.asid ^ regime.vmid : 0;
    this.#smmuCycles += this.#tlbCycles;
    const found = tlb.lookup(low, tlbHigh, salt);
    if (found >= 0 && permits(tlb.attributesOf(found), this.#needed)) {
      this.hit |= HitFlag.TLB;
      this.#attributes = tlb.attributesOf(found);
      this.pa = this.iova + (tlb.values[found] as number);
      if (tlb.marked !== 0) this.staleMark = tlb.marks[found] as number;
      return true;
    }
    if (!this.#walk(regime, low, high & PAGE_BITS)) return false;
    const attributes = this.#attributes;
    const filled = tlb.store(low, tlbHigh, attributes & ENTRY.SHIFT_MASK, salt, attributes, space, 0);
    tlb.values[filled] = this.pa - this.iova;
    if (this.staleMark !== 0) tlb.mark(filled, this.staleMark);
    return true;
  }

  /** Bits of `Permission` that the translation grants. */
  get permissions(): number {
    return (this.#attributes >>> ENTRY.PERMISSIONS_SHIFT) & ENTRY.PERMISSIONS_MASK;
  }

  /** MAIR byte of the leaf. */
  get memoryAttribute(): number {
    return (this.#attributes >>> ENTRY.MEMORY_SHIFT) & ENTRY.MEMORY_MASK;
  }

  /** SH of the leaf. */
  get shareability(): number {
    return (this.#attributes >>> ENTRY.SHAREABILITY_SHIFT) & ENTRY.SHAREABILITY_MASK;
  }

  /** log2 of the page size of the entry that served the access. */
  get pageShift(): number {
    return this.#attributes & ENTRY.SHIFT_MASK;
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

  /** Takes back what only a request that got to the SMMU has. */
  #forgetWalk(): void {
    this.#walkedBefore = false;
    this.hitLevel = -1;
    this.descriptorReads = 0;
    this.configurationReads = 0;
    this.walkCacheLookups = 0;
    this.walkCycles = 0;
    this.staleMark = 0;
    this.contextFault = 0;
    this.fault = FaultKind.NONE;
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
  #configuration(): TranslationRegime | null {
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
        const done = walker.stage2OfContext(fetch.stage2, caches.stage2Space(fetch.vmid), fetch.vmid, address);
        this.#countWalker();
        this.#smmuCycles += walker.cycles;
        if (!done) {
          this.#refused();
          return null;
        }
        address = walker.output;
      }
      this.#smmuCycles += this.#readCycles;
      this.configurationReads++;
      this.configurationFetches[fetch.structure] = (this.configurationFetches[fetch.structure] as number) + 1;
      status = fetch.step(address);
    }
    this.hit |= this.configurationReads > 0 ? HitFlag.CONFIGURATION_FETCHED : 0;
    if (status === ContextStatus.FAULT || fetch.regime === null) {
      this.contextFault = fetch.fault;
      return null;
    }
    caches.storeConfiguration(this.#stream, fetch.regime);
    return fetch.regime;
  }

  /** Walks the tables, or passes the address through where there are none. */
  #walk(regime: TranslationRegime, low: number, page: number): boolean {
    const { stage1, stage2 } = regime;
    if (stage1 === null && stage2 === null) {
      this.pa = this.iova;
      this.#attributes = BYPASS_ATTRIBUTES | (this.#bypassMatchesAll ? WHOLE_SPACE_SHIFT : 12);
      return true;
    }
    const walker = this.#walker;
    const { space, space2 } = this.caches;
    const needed = this.#needed;
    walker.input = this.iova;
    const done =
      stage1 !== null
        ? walker.stage1(stage1, stage2, low, page, space, space2, regime.vmid, this.#upper, needed)
        : stage2 !== null && walker.stage2(stage2, space2, regime.vmid, needed);
    this.hit |= HitFlag.WALKED;
    this.hitLevel = walker.hitLevel;
    this.walkCycles = walker.cycles;
    this.walks++;
    this.totalWalkCycles += walker.cycles;
    this.#countWalker();
    this.#smmuCycles += walker.cycles;
    if (!done) {
      this.#refused();
      return false;
    }
    this.pa = walker.output;
    this.#attributes = walker.attributes;
    this.staleMark = walker.mark;
    return true;
  }

  #countWalker(): void {
    this.descriptorReads += this.#walker.descriptorReads;
    this.totalDescriptorReads += this.#walker.descriptorReads;
    this.walkCacheLookups += this.#walker.cacheLookups;
  }

  /** Takes over the walker's fault. */
  #refused(): void {
    const walker = this.#walker;
    this.fault = walker.fault;
    this.faultStage = walker.faultStage;
    this.faultLevel = walker.faultLevel;
    this.faultClass = walker.faultClass;
    this.faultIpa = walker.faultIpa;
  }

  #finish(attributes: number, cycles: number): void {
    this.#attributes = attributes;
    this.latency = cycles;
    this.totalLatency += cycles;
    this.completion = this.#received + cycles;
  }
}

/**
 * Fills a TLB of an interface; the caller writes the value and carries a mark on.
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
