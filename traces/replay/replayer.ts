import { FlushQueue, type IommuDomain, type Log, Machine, SILENT } from '../../devices/index.ts';
import { AccessFlag, LiveRanges, TranslationRequest, type WatchedSpace } from '../../emulator/index.ts';
import {
  Errno,
  errnoName,
  type IotlbGather,
  mapReservation,
  newGather,
  Prot,
  resetGather,
  unmapReservation,
} from '../../formats/index.ts';
import { EventKind, type TraceEvent, UNKNOWN } from '../capture/event.ts';
import type { RunConfig } from '../config/run-config.ts';
import { DomainTracker, NO_DOMAIN } from '../domains/tracker.ts';
import { AccessStream } from './access.ts';
import { AccessMeter, SoftwareMeter } from './meters.ts';
import { NO_DOMAIN_MEMORY, Refusals, requestText } from './refusal.ts';
import { lookForStale } from './stale-search.ts';

/** What a plain `map` line does not tell: a coherent device's buffer, as dma-iommu maps it. */
const DEFAULT_PROT = Prot.READ | Prot.WRITE | Prot.CACHE;

/** StreamIDs of domains whose device the capture does not name begin here where there are so many, above every PCI address of bus 0 to 0x7f. */
const FIRST_MADE_UP_STREAM = 0x8000;

/** One domain of the capture, on the machine. */
export interface ReplayDomain {
  readonly domain: IommuDomain;
  /** Streams of the devices that the capture names; one made up where it names none. */
  readonly streams: number[];
  /** All its devices were attached to other domains: its one stream is made up, and nothing uses its table. */
  abandoned: boolean;
  readonly flushQueue: FlushQueue | null;
  /** What waits in the flush queue. */
  readonly queued: LiveRanges;
  /** What the sanitizer knows of it. */
  readonly space: WatchedSpace;
}

/**
 * Drives the machine with the events of a capture: each map and unmap goes through the driver, the device accesses the mapping
 * while it lives, time goes by as the capture says, and meters and sanitizer watch. One event at a time, in constant memory.
 */
export class Replayer {
  readonly machine: Machine;
  readonly tracker = new DomainTracker();
  readonly accesses = new AccessMeter();
  readonly software: SoftwareMeter;
  /** Domains by the tracker's number. */
  readonly domains: (ReplayDomain | undefined)[] = [];
  /** Events taken, the maps and unmaps among them, and the times of the first and the last. */
  events = 0;
  maps = 0;
  unmaps = 0;
  firstTime = 0;
  lastTime = 0;
  readonly refusals = new Refusals();
  /** Maps of an IOVA whose invalidation was still queued. */
  reusedBeforeFlush = 0;

  readonly config: RunConfig;
  readonly #lazy: boolean;
  readonly #stream: AccessStream;
  readonly #request = new TranslationRequest();
  readonly #gather: IotlbGather = newGather();
  readonly #streamOfDevice: (device: number) => number;
  /** Cycles per second of the trace's clock. */
  readonly #rate: number;
  /** Event records that the queue holds when the driver handles them. */
  readonly #eventBatch: number;
  /** Faults since then, each with one record at most. */
  #unhandled = 0;
  readonly #log: Log;
  #operation = 0;
  #start = Number.NaN;

  /**
   * @param streamOfDevice StreamID of a device of the capture, or -1
   * @throws ConfigError for a machine that cannot work
   */
  constructor(config: RunConfig, streamOfDevice: (device: number) => number, log: Log = SILENT) {
    this.config = config;
    this.machine = new Machine(config, log);
    this.#log = log;
    this.#lazy = config.invalidation.mode === 'lazy';
    this.#stream = new AccessStream({ ...config.access, seed: config.access.seed + config.seed }, this.machine.granule);
    this.#streamOfDevice = streamOfDevice;
    this.software = new SoftwareMeter(config.editCosts);
    this.#rate = config.clockMHz * 1e6;
    this.#eventBatch = Math.max(1, this.machine.driver.faultCapacity / 2);
  }

  /** Operations so far. */
  get operations(): number {
    return this.#operation;
  }

  take(event: TraceEvent): void {
    const { kind } = event;
    if (kind !== EventKind.LOST) {
      if (this.events === 0) this.firstTime = event.time;
      this.events++;
      this.lastTime = event.time;
    }
    this.#passTime(event.time);
    if (kind === EventKind.MAP) this.#map(event);
    else if (kind === EventKind.UNMAP) this.#unmap(event);
    else {
      this.tracker.take(event);
      if (kind === EventKind.ATTACH) this.#attach(event.device);
    }
  }

  /** The capture is over: what still waits is flushed. Tables stay as they are. */
  end(): void {
    for (const one of this.domains) one?.flushQueue?.drain();
    this.#handleEvents();
    this.machine.sanitizer.windows.finish();
  }

  /** Takes every table down, so that what was lost on the way shows. */
  tearDown(): void {
    for (const [at, one] of this.domains.entries()) {
      if (one === undefined) continue;
      this.machine.sanitizer.domain = at;
      for (const stream of one.streams) this.machine.driver.detach(one.domain, stream);
      this.machine.freeDomain(one.domain);
    }
    this.machine.tables.close();
  }

  #passTime(seconds: number): void {
    if (Number.isNaN(this.#start)) this.#start = seconds;
    // Timers of the time in between fire at their time, not at that of the next event.
    if (this.#lazy) for (const one of this.domains) if (one !== undefined) this.#fireTimer(one, seconds);
    this.#setTime(seconds);
  }

  #fireTimer(one: ReplayDomain, until: number): void {
    const { flushQueue } = one;
    if (flushQueue === null) return;
    while (flushQueue.deadline <= until) {
      this.#setTime(flushQueue.deadline);
      flushQueue.advance(flushQueue.deadline);
    }
  }

  #setTime(seconds: number): void {
    const { clock } = this.machine;
    clock.seconds = seconds;
    clock.cycles = Math.max(clock.cycles, Math.round((seconds - this.#start) * this.#rate));
  }

  #map(event: TraceEvent): void {
    const { machine, tracker } = this;
    this.maps++;
    const at = tracker.take(event);
    const { iova, size } = event;
    this.#begin(at, iova);
    const one = this.#domainAt(at);
    if (one === null) {
      this.#refuse(event, NO_DOMAIN_MEMORY);
      return;
    }
    if (this.#lazy && one.queued.overlaps(iova, iova + size)) {
      this.reusedBeforeFlush++;
      one.queued.remove(iova, iova + size);
    }
    const { table } = one.domain;
    const reserved = machine.tables.reserver === null ? 0 : mapReservation(table.geometry, iova, size);
    const prot = event.prot === UNKNOWN ? DEFAULT_PROT : event.prot;
    let error: number = -Errno.ENOMEM;
    // What is set aside beforehand is part of the price of the map.
    this.software.begin(machine, one.domain.table.stats);
    if (this.#prepare(one, reserved)) {
      error = machine.driver.map(one.domain, iova, event.pa, size, prot);
      this.#endEdit(one, true);
    }
    machine.watch.invalidation.end(true);
    if (error !== 0) {
      this.#refuse(event, errnoName(error));
      return;
    }
    this.#stream.afterMap(iova, size);
    this.#access(one);
  }

  #unmap(event: TraceEvent): void {
    const { machine, tracker } = this;
    this.unmaps++;
    const before = tracker.bytesUnmapped;
    const at = tracker.take(event);
    if (at === NO_DOMAIN) return;
    const live = tracker.bytesUnmapped - before;
    const { iova, size } = event;
    this.#begin(at, iova);
    const one = this.#domainAt(at);
    if (one === null) {
      this.#refuse(event, NO_DOMAIN_MEMORY);
      return;
    }
    const { domain } = one;
    this.#stream.beforeUnmap(iova, size);
    this.#access(one);
    const gather = this.#gather;
    resetGather(gather);
    gather.queued = this.#lazy;
    const reserved =
      machine.tables.reserver === null
        ? 0
        : unmapReservation(domain.table.geometry, domain.table.config.pageSizes, iova, size, domain.table.config.split);
    let done = 0;
    this.software.begin(machine, one.domain.table.stats);
    if (this.#prepare(one, reserved)) {
      done = this.#unmapLive(domain, iova, size, live, gather);
      this.#endEdit(one, false);
    }
    if (done !== live) this.#refuse(event, `${done} of ${live} mapped bytes unmapped`);
    if (this.#lazy) {
      machine.watch.invalidation.end(false);
      if (done > 0) this.#queue(one, iova, size);
    } else {
      const before = this.#beginInvalidation();
      machine.driver.iotlbSync(domain, gather);
      this.#endInvalidation(before);
      machine.watch.invalidation.end(true);
    }
    if (done > 0) lookForStale(machine, domain, one.space, iova, size);
    this.#stream.afterUnmap(iova, size);
    this.#access(one);
  }

  #refuse(event: TraceEvent, result: string): void {
    this.#log.info({ line: event.line, iova: event.iova, size: event.size, result }, 'refused');
    this.refusals.add(
      event.line,
      () => requestText(event),
      () => this.#reason(event, result),
    );
  }

  #reason({ iova, pa, size, kind }: TraceEvent, result: string): string {
    const { granule } = this.machine;
    const { table } = this.config;
    const maps = kind === EventKind.MAP;
    if (size <= 0) return 'a size of 0';
    if (iova % granule !== 0 || size % granule !== 0 || (maps && pa % granule !== 0)) {
      return `${result}, not a multiple of the granule (${table.granule})`;
    }
    if (iova + size > 2 ** table.ias) return `${result}, beyond the ${table.ias} bits of ias`;
    return maps && pa + size > 2 ** table.oas ? `${result}, beyond the ${table.oas} bits of oas` : result;
  }

  /**
   * Unmaps a range of which `live` bytes are mapped. The kernel stops at the first hole; here what lies behind it goes too,
   * because an unmap with holes means that the capture lost events or that a domain was inferred wrongly.
   */
  #unmapLive(domain: IommuDomain, iova: number, size: number, live: number, gather: IotlbGather): number {
    const { driver } = this.machine;
    let done = 0;
    for (let at = iova; at < iova + size && done < live; ) {
      const bytes = driver.unmap(domain, at, iova + size - at, gather);
      done += bytes;
      at += bytes > 0 ? bytes : domain.cutter.smallest;
    }
    return done;
  }

  #begin(domain: number, iova: number): void {
    const { sanitizer, watch } = this.machine;
    this.#operation++;
    sanitizer.operation = this.#operation;
    sanitizer.domain = domain;
    sanitizer.iova = iova;
    watch.invalidation.begin();
  }

  /** Sets tables aside, unless a planted fault forgets that. @returns false when there are too few. */
  #prepare(one: ReplayDomain, tables: number): boolean {
    const { bugs, tables: stack } = this.machine;
    const forgets = bugs.allocatesInRun();
    const begun = stack.beginOperation(this.#operation, forgets ? 0 : tables, one.domain);
    stack.context.noAllocation = forgets && begun;
    return begun;
  }

  /** Lets the time of an edit pass. */
  #endEdit(one: ReplayDomain, maps: boolean): void {
    const { tables, clock } = this.machine;
    tables.endOperation();
    tables.context.noAllocation = false;
    clock.cycles = this.software.end(this.machine, one.domain.table.stats, maps);
  }

  #beginInvalidation(): number {
    const { driver, clock } = this.machine;
    driver.now = clock.cycles;
    return driver.cycles;
  }

  #endInvalidation(before: number): void {
    const { driver, clock } = this.machine;
    this.software.invalidation += driver.cycles - before;
    clock.cycles = driver.now;
  }

  #queue(one: ReplayDomain, iova: number, size: number): void {
    const { clock } = this.machine;
    if (!one.queued.overlaps(iova, iova + size)) one.queued.insert(iova, iova + size, 0);
    one.flushQueue?.add(iova, size, clock.seconds);
  }

  /** Makes the accesses that the stream holds. */
  #access(one: ReplayDomain): void {
    const { device, driver, clock, sanitizer, walks } = this.machine;
    const request = this.#request;
    const stream = this.#stream;
    const id = driver.activate(one.domain, one.streams[0] as number);
    const tbu = id % device.mmu.config.masters;
    walks.space = one.space;
    while (stream.next()) {
      sanitizer.accessIova = stream.iova;
      sanitizer.accesses++;
      request.ask(tbu, id, -1, stream.iova, AccessFlag.READ, clock.cycles, stream.size);
      const translated = device.translate(request);
      clock.cycles = request.completion;
      this.accesses.add(request, translated);
      if (request.staleMark !== 0) sanitizer.windows.hit(request.staleMark, stream.iova);
      // The event thread is slower than the device: it finds many records at once, but in time for none to be lost.
      if (!translated && ++this.#unhandled >= this.#eventBatch) this.#handleEvents();
    }
    driver.idle(one.domain);
  }

  #handleEvents(): void {
    this.#unhandled = 0;
    const { driver, clock } = this.machine;
    driver.now = clock.cycles;
    driver.handleEvents();
    clock.cycles = driver.now;
  }

  #domainAt(at: number): ReplayDomain | null {
    const known = this.domains[at];
    if (known !== undefined) return known;
    const { machine, tracker } = this;
    const domain = machine.createDomain();
    if (domain === null) return null;
    const streams: number[] = [];
    const queued = new LiveRanges();
    const flushQueue = this.#lazy
      ? new FlushQueue(this.config.invalidation.flushQueue, {
          flush: () => {
            const before = this.#beginInvalidation();
            machine.driver.flushDomain(domain);
            this.#endInvalidation(before);
          },
          release: (iova, size) => {
            queued.remove(iova, iova + size);
          },
        })
      : null;
    const space = machine.spaceOf(domain);
    space.domain = at;
    const one: ReplayDomain = { domain, streams, abandoned: false, flushQueue, queued, space };
    this.domains[at] = one;
    for (const device of tracker.domains[at]?.devices ?? []) this.#attach(device);
    this.#ensureStream(one, at);
    return one;
  }

  /** Lets a device use the newest domain that the capture attached it to. */
  #attach(device: number): void {
    const stream = this.#streamOfDevice(device);
    const at = this.tracker.domains.findLastIndex(({ devices }) => devices.includes(device));
    const one = this.domains[at];
    if (stream < 0 || one === undefined || one.streams.includes(stream)) return;
    const { driver } = this.machine;
    for (const [before, other] of this.domains.entries()) {
      const held = other?.streams.indexOf(stream) ?? -1;
      if (other === undefined || held < 0) continue;
      driver.detach(other.domain, stream);
      other.streams.splice(held, 1);
      other.abandoned = other.streams.length === 0;
      this.#ensureStream(other, before);
    }
    driver.attach(one.domain, stream);
    one.abandoned = false;
    // The device itself comes before the one that was made up for it.
    one.streams.unshift(stream);
  }

  #ensureStream(one: ReplayDomain, at: number): void {
    if (one.streams.length > 0) return;
    this.machine.driver.attach(one.domain, FIRST_MADE_UP_STREAM + at);
    one.streams.push(FIRST_MADE_UP_STREAM + at);
  }
}
