import type { WalkMemory } from '../../memory/index.ts';
import { OWNER_SHIFT, WHOLE_SPACE_SHIFT } from '../cache/index.ts';
import type { MmuConfig } from '../config/index.ts';
import type { TranslationRegime } from '../regime/index.ts';
import type { MmuCaches } from '../tlb/index.ts';
import { BYPASS_ATTRIBUTES, ENTRY, permits } from '../walk/index.ts';
import { HitFlag } from './access-flags.ts';
import { type ContextFetch, type ContextSource, ContextStatus } from './context-source.ts';
import type { TranslationRequest } from './request.ts';
import { SerialWalker } from './serial-walker.ts';
import type { WalkObserver } from './walk-observer.ts';

/**
 * The translation control unit behind the TBUs, serving one request at a time: configuration cache and fetch, the SMMU's TLB, and
 * the walker.
 */
export class Tcu {
  /** Cycles that the last request took here, between the two links. */
  cycles = 0;

  readonly #caches: MmuCaches;
  readonly #walker: SerialWalker;
  readonly #fetch: ContextFetch;
  /** Configuration structures read, by `ContextStructure`. */
  readonly #fetches: Float64Array;

  // Who asks, and how.
  #streamId = -1;
  #substreamId = -1;
  #stream = -1;
  #upper = false;
  #needed = 0;

  // Out of the configuration.
  readonly #bypassMatchesAll: boolean;
  readonly #configurationCycles: number;
  readonly #tlbCycles: number;
  readonly #readCycles: number;
  readonly #mixesSpace: boolean;

  /** @param fetches counts the configuration structures that are read, by `ContextStructure` */
  constructor(
    config: MmuConfig,
    memory: WalkMemory,
    contexts: ContextSource,
    caches: MmuCaches,
    fetches: Float64Array,
  ) {
    this.#caches = caches;
    this.#walker = new SerialWalker(config, memory, caches.walk, caches.ipa);
    this.#fetch = contexts.newFetch();
    this.#fetches = fetches;
    this.#bypassMatchesAll = config.deviations.bypassEntryMatchesAll;
    this.#configurationCycles = config.configurationCache.latency;
    this.#tlbCycles = config.tlb.latency;
    this.#readCycles = 1 + config.memory.latency;
    this.#mixesSpace = config.indexMixesAddressSpace;
  }

  /**
   * Says who makes the requests from now on, and how.
   *
   * @param stream number of stream and substream in tags
   * @param upper the addresses are of the upper half
   * @param needed bits of `Permission` that the accesses need
   */
  identify(streamId: number, substreamId: number, stream: number, upper: boolean, needed: number): void {
    this.#streamId = streamId;
    this.#substreamId = substreamId;
    this.#stream = stream;
    this.#upper = upper;
    this.#needed = needed;
  }

  /** Lets somebody see every walk from now on; null for nobody. */
  watch(observer: WalkObserver | null): void {
    this.#walker.watch(observer);
  }

  /**
   * Serves a request from the link that it came by to the link back: sets its `pa`, `attributes` and `staleMark`, and `cycles`.
   *
   * @param low tag words of the address
   * @param page the high one, without owner
   * @returns false on a fault
   */
  serve(request: TranslationRequest, low: number, page: number): boolean {
    const caches = this.#caches;
    this.cycles = 0;
    const regime = this.#configuration(request);
    if (regime === null) return false;
    const { tlb } = caches;
    if (tlb === null) return this.#walk(request, regime, low, page);
    const { space } = caches;
    const tlbHigh = page | (space << OWNER_SHIFT);
    const salt = this.#mixesSpace ? regime.asid ^ regime.vmid : 0;
    this.cycles += this.#tlbCycles;
    const found = tlb.lookup(low, tlbHigh, salt);
    if (found >= 0 && permits(tlb.attributesOf(found), this.#needed)) {
      request.hit |= HitFlag.TLB;
      request.attributes = tlb.attributesOf(found);
      request.pa = request.iova + (tlb.values[found] as number);
      if (tlb.marked !== 0) request.staleMark = tlb.marks[found] as number;
      return true;
    }
    if (!this.#walk(request, regime, low, page)) return false;
    const { attributes } = request;
    const filled = tlb.store(low, tlbHigh, attributes & ENTRY.SHIFT_MASK, salt, attributes, space, 0);
    tlb.values[filled] = request.pa - request.iova;
    if (request.staleMark !== 0) tlb.mark(filled, request.staleMark);
    return true;
  }

  /** The stream's regime, from the configuration cache or from memory; null on a fault. */
  #configuration(request: TranslationRequest): TranslationRegime | null {
    const caches = this.#caches;
    if (caches.configuration !== null) {
      this.cycles += this.#configurationCycles;
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
        this.cycles += walker.cycles;
        if (!done) return null;
        address = walker.output2;
      }
      this.cycles += this.#readCycles;
      request.configurationReads++;
      this.#fetches[fetch.structure] = (this.#fetches[fetch.structure] as number) + 1;
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
    const { space, space2 } = this.#caches;
    const needed = this.#needed;
    const done =
      stage1 !== null
        ? walker.stage1(request, stage1, stage2, low, page, space, space2, regime.vmid, this.#upper, needed)
        : stage2 !== null && walker.stage2(request, stage2, space2, regime.vmid, needed);
    request.hit |= HitFlag.WALKED;
    request.walkCycles = walker.cycles;
    this.cycles += walker.cycles;
    return done;
  }
}
