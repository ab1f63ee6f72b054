import { Errno, type IotlbGather, newGather, Prot, resetGather } from '../../formats/index.ts';
import type { DomainConfig, IommuCounters, IommuDomain, IommuDriver, RegionCounters } from '../iommu.ts';
import type { PlantedBugs } from '../planted-bugs/index.ts';

/** A map that was made last and is live. */
interface LiveMap {
  readonly domain: IommuDomain;
  readonly iova: number;
}

/**
 * A driver whose callers get maps, unmaps and flushes wrong, as DMA mapping code did: everything else is the driver's own.
 */
class MisusedDriver implements IommuDriver {
  readonly flushesAfterFree: boolean;
  readonly streamCount: number;
  readonly faultCapacity: number;
  regions?: () => RegionCounters;
  readonly #inner: IommuDriver;
  readonly #bugs: PlantedBugs;
  readonly #page: number;
  readonly #gather = newGather();
  #lastMap: LiveMap | null = null;
  /** The domain of the last map, and that of the one before which was another's. */
  #current: IommuDomain | null = null;
  #other: IommuDomain | null = null;
  /** The unmap under way was invalidated before it began. */
  #invalidated = false;

  constructor(inner: IommuDriver, bugs: PlantedBugs, page: number) {
    this.#inner = inner;
    this.#bugs = bugs;
    this.#page = page;
    this.flushesAfterFree = inner.flushesAfterFree === true;
    this.streamCount = inner.streamCount;
    this.faultCapacity = inner.faultCapacity;
    if (inner.regions !== undefined) this.regions = () => inner.regions?.() as RegionCounters;
  }

  get now(): number {
    return this.#inner.now;
  }

  set now(cycle: number) {
    this.#inner.now = cycle;
  }

  get cycles(): number {
    return this.#inner.cycles;
  }

  get waitCycles(): number {
    return this.#inner.waitCycles;
  }

  get eventCycles(): number {
    return this.#inner.eventCycles;
  }

  get onRetag(): IommuDriver['onRetag'] {
    return this.#inner.onRetag;
  }

  set onRetag(told: IommuDriver['onRetag']) {
    this.#inner.onRetag = told;
  }

  get onStep(): IommuDriver['onStep'] {
    return this.#inner.onStep;
  }

  set onStep(told: IommuDriver['onStep']) {
    this.#inner.onStep = told;
  }

  createDomain(asked?: DomainConfig): IommuDomain {
    return this.#inner.createDomain(asked);
  }

  freeDomain(domain: IommuDomain): void {
    this.#inner.freeDomain(domain);
  }

  attach(domain: IommuDomain, streamId: number): void {
    this.#inner.attach(domain, streamId);
  }

  detach(domain: IommuDomain, streamId: number): void {
    this.#inner.detach(domain, streamId);
  }

  activate(domain: IommuDomain, streamId: number): number {
    return this.#inner.activate(domain, streamId);
  }

  idle(domain: IommuDomain): void {
    this.#inner.idle(domain);
  }

  map(domain: IommuDomain, iova: number, pa: number, size: number, prot: number): number {
    const { config, prng } = this.#bugs;
    if (domain !== this.#current) [this.#current, this.#other] = [domain, this.#current];
    const last = this.#lastMap;
    if (last !== null && last.domain === domain && prng.chance(config.iovaTwice)) {
      const error = this.#inner.map(domain, last.iova, pa, size, prot);
      return error === 0 ? -Errno.EEXIST : error;
    }
    const short = size > this.#page && prng.chance(config.shortMap);
    const error = this.#inner.map(
      this.#other !== null && prng.chance(config.otherDomain) ? this.#other : domain,
      iova,
      prng.chance(config.shiftedMap) ? pa + this.#page : pa,
      short ? size - this.#page : size,
      this.#protOf(prot),
    );
    if (error !== 0) return error;
    if (prng.chance(config.longMap)) this.#inner.map(domain, iova + size, pa + size, this.#page, prot);
    domain.mapped = size;
    this.#lastMap = { domain, iova };
    return 0;
  }

  #protOf(prot: number): number {
    const { config, prng } = this.#bugs;
    let wrong = prot;
    if ((prot & Prot.WRITE) !== 0 && (prot & Prot.READ) !== 0 && prng.chance(config.lostWrite)) wrong &= ~Prot.WRITE;
    if ((prot & Prot.WRITE) === 0 && prng.chance(config.extraWrite)) wrong |= Prot.WRITE;
    if ((prot & Prot.CACHE) !== 0 && prng.chance(config.lostCache)) wrong &= ~Prot.CACHE;
    return wrong;
  }

  unmap(domain: IommuDomain, iova: number, size: number, gather: IotlbGather): number {
    const { config, prng } = this.#bugs;
    if (this.#lastMap?.domain === domain && this.#lastMap.iova === iova) this.#lastMap = null;
    if (prng.chance(config.forgottenUnmap)) return size;
    if (!gather.queued && prng.chance(config.earlyInvalidation)) return this.#unmapInvalidated(domain, iova, size);
    const short = size > this.#page && prng.chance(config.shortUnmap);
    const done = this.#inner.unmap(domain, iova, short ? size - this.#page : size, gather);
    if (prng.chance(config.longUnmap)) this.#inner.unmap(domain, iova + size, this.#page, gather);
    return short ? done + this.#page : done;
  }

  /** The invalidation comes before the descriptors are cleared, and none after. */
  #unmapInvalidated(domain: IommuDomain, iova: number, size: number): number {
    const gather = this.#gather;
    gather.start = iova;
    gather.end = iova + size - 1;
    gather.pageSize = this.#page;
    this.#inner.iotlbSync(domain, gather);
    const done = this.#inner.unmap(domain, iova, size, gather);
    resetGather(gather);
    this.#invalidated = true;
    return done;
  }

  iotlbSync(domain: IommuDomain, gather: IotlbGather): void {
    if (this.#invalidated) {
      this.#invalidated = false;
      resetGather(gather);
    } else this.#inner.iotlbSync(domain, gather);
  }

  flushDomain(domain: IommuDomain): void {
    if (!this.#bugs.prng.chance(this.#bugs.config.skipFlush)) this.#inner.flushDomain(domain);
  }

  handleEvents(): number {
    return this.#inner.handleEvents();
  }

  counters(): IommuCounters {
    return this.#inner.counters();
  }
}

/** The driver with the planted bugs of maps, unmaps and flush queues; `inner` where none is planted. */
export function misusedDriver<D extends IommuDriver>(inner: D, bugs: PlantedBugs, page: number): IommuDriver {
  const { iovaTwice, skipFlush, shortMap, longMap, shiftedMap, otherDomain, lostWrite, extraWrite, lostCache } =
    bugs.config;
  const { shortUnmap, longUnmap, forgottenUnmap, earlyInvalidation } = bugs.config;
  const maps = iovaTwice + shortMap + longMap + shiftedMap + otherDomain + lostWrite + extraWrite + lostCache;
  const unmaps = shortUnmap + longUnmap + forgottenUnmap + earlyInvalidation + skipFlush;
  return maps + unmaps === 0 ? inner : new MisusedDriver(inner, bugs, page);
}
