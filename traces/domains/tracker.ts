import { Coverage, LiveRanges } from '../../emulator/index.ts';
import { Context, EventKind, type TraceEvent, UNKNOWN } from '../capture/index.ts';
import { DomainBuffers } from './buffers.ts';
import { DomainHabits } from './habits.ts';
import { Fit } from './iova-allocator.ts';

/** How a domain came to be known. */
export type DomainOrigin =
  /** The capture names it (`dom_map`, `dom_unmap`). */
  | 'named'
  /** The events name its device (`dma:*` events beside them). */
  | 'device'
  /** Nothing names it: found because its mappings collide with those of the others. */
  | 'inferred';

/** One address space of the capture. */
export interface DomainInfo {
  readonly origin: DomainOrigin;
  /** Devices known to be in it, as numbers of the reader's `devices`. */
  readonly devices: readonly number[];
  /** IOMMU group, or -1. */
  readonly group: number;
  /** Which capture of the run. */
  readonly capture: number;
  /** Maps it was given. */
  readonly maps: number;
  readonly live: LiveRanges;
}

class Domain implements DomainInfo {
  origin: DomainOrigin;
  readonly devices: number[] = [];
  group: number;
  readonly capture: number;
  maps = 0;
  readonly live = new LiveRanges();
  readonly habits = new DomainHabits();
  readonly buffers = new DomainBuffers();

  constructor(origin: DomainOrigin, group: number, capture: number) {
    this.origin = origin;
    this.group = group;
    this.capture = capture;
  }
}

/** What the last map or unmap turned out to be. */
export const Match = {
  /** A map where nothing was live; an unmap of one or several whole mappings. */
  WHOLE: 0,
  /** An unmap of a part of one or more mappings. */
  PARTIAL: 1,
  /** An unmap that reaches beyond what is mapped: what was live in it is gone. */
  BEYOND: 2,
  /** An unmap of something that no domain holds, or that the kernel said removed nothing. */
  NONE: 3,
  /** A map over live mappings of a domain that the capture names, or of the only one: they are forgotten (events were lost, or a new domain took the pointer). */
  REPLACED: 4,
} as const;
export type Match = (typeof Match)[keyof typeof Match];

/** An unmap that belongs to no domain. */
export const NO_DOMAIN = -1;

/** Slots for what a thread or an interrupt did last; a clash only costs a hint. */
const SLOTS = 1024;
/** A choice is clear when its likelihood has this share of all; only clear choices teach a habit in full. */
const CLEAR = 0.9;
const UNSURE_WEIGHT = 0.1;

/**
 * Gives every map and unmap its domain, and keeps what is live in each.
 *
 * Plain `map` and `unmap` lines name none, and every domain hands out IOVAs from the same range, so one IOVA is live in several domains
 * at once. What decides, in this order:
 *
 * 1. the domain or the device that the event carries;
 * 2. what cannot be otherwise: a map never overlaps a live mapping of its domain, an unmap goes to a domain that holds exactly its range as
 *    one or several whole mappings; a map that collides everywhere makes a new domain;
 * 3. what is nearly certain: a map that continues where the same thread's last one ended is the next chunk of one scattered buffer;
 *    the first map of a thread that has just attached a device is for that device;
 * 4. among those still possible, whose IOVA allocator would hand out this address next and whose buffers go in this order (see
 *    {@link DomainBuffers}), whose habits fit best (see {@link DomainHabits}), and whether it is the one this thread used last.
 *
 * Steps 3 and 4 are guesses. They keep every table consistent (no overlap, whole unmaps), and `ambiguousMaps` and `ambiguousUnmaps` count them.
 */
export class DomainTracker {
  /** Maps and unmaps whose domain had to be chosen among several that were possible. */
  ambiguousMaps = 0;
  ambiguousUnmaps = 0;
  /** Unmaps that matched nothing. */
  unmatchedUnmaps = 0;
  /** Unmaps of a part of a mapping, and such that reached beyond what was mapped. */
  partialUnmaps = 0;
  /** Maps over live mappings of a domain that the capture names, or of the only one. */
  replacedMaps = 0;
  bytesMapped = 0;
  /** Bytes of live mappings that maps came over. */
  bytesReplaced = 0;
  /** Bytes that unmaps took away. */
  bytesUnmapped = 0;
  /** How the last event fitted. */
  match: Match = Match.WHOLE;

  readonly #domains: Domain[] = [];
  /** First domain of the capture being read: earlier ones are over. */
  #first = 0;
  #capture = -1;
  /** Largest page that every size so far is a multiple of. */
  #granule = LARGEST_GRANULE;
  /** Maps and unmaps so far. */
  #time = 0;
  /** How much the last choice may teach. */
  #weight = 1;
  readonly #byName: number[] = [];
  readonly #byGroup = new Map<number, number>();
  readonly #groupOfDevice = new Map<number, number>();
  readonly #attached = new Set<number>();
  readonly #slotKey = new Int32Array(SLOTS).fill(UNKNOWN);
  readonly #slotMap = new Int32Array(SLOTS);
  readonly #slotEnd = new Float64Array(SLOTS);
  /** Where the buffer ends that the thread's last map belongs to. */
  readonly #slotRunEnd = new Float64Array(SLOTS);
  /** What the thread did last: its domain, kind and time. */
  readonly #slotLast = new Int32Array(SLOTS);
  readonly #slotKind = new Uint8Array(SLOTS);
  readonly #slotTime = new Float64Array(SLOTS);
  readonly #slotGroup = new Int32Array(SLOTS);
  /** How often a thread's next event stayed in, and left, the domain of its last one: by kind of both and by the time between them. */
  readonly #stayed = new Float64Array(STAY_CLASSES);
  readonly #left = new Float64Array(STAY_CLASSES).fill(1);

  readonly #single: boolean;

  /** @param single whether the user knows that whatever names no domain is in one and the same */
  constructor(single = false) {
    this.#single = single;
  }

  /** Unmaps that their domain did not hold wholly, and maps over live mappings: events were lost, or a domain was inferred wrongly. */
  get contradictions(): number {
    return this.partialUnmaps + this.replacedMaps;
  }

  /** Every domain found, by number. Some may never have been given a map. */
  get domains(): readonly DomainInfo[] {
    return this.#domains;
  }

  /** Domains that hold or held mappings. */
  get used(): number {
    return this.#domains.filter((domain) => domain.maps > 0).length;
  }

  /** Of those, how many the capture does not name. */
  get inferred(): number {
    return this.#domains.filter((domain) => domain.maps > 0 && domain.origin === 'inferred').length;
  }

  get liveRanges(): number {
    return this.#domains.reduce((sum, domain) => sum + domain.live.count, 0);
  }

  get liveBytes(): number {
    return this.#domains.reduce((sum, domain) => sum + domain.live.bytes, 0);
  }

  /**
   * Takes the next event of the capture.
   * @returns the domain of a map or unmap, as an index into {@link domains}; {@link NO_DOMAIN} for an unmap that belongs nowhere, and for
   * every other event. {@link match} tells how a map or unmap fitted.
   */
  take(event: TraceEvent): number {
    if (event.capture !== this.#capture) this.#newCapture(event.capture);
    switch (event.kind) {
      case EventKind.MAP:
        return this.#map(event);
      case EventKind.UNMAP:
        return this.#unmap(event);
      case EventKind.ADD_DEVICE:
        if (event.group !== UNKNOWN) this.#groupOfDevice.set(event.device, event.group);
        return NO_DOMAIN;
      case EventKind.ATTACH:
        this.#attach(event);
        return NO_DOMAIN;
      case EventKind.DETACH:
      case EventKind.REMOVE_DEVICE:
        this.#endOfAttachment(event.device);
        return NO_DOMAIN;
      default:
        return NO_DOMAIN;
    }
  }

  #map(event: TraceEvent): number {
    this.#time++;
    while (this.#granule > SMALLEST_GRANULE && event.size % this.#granule !== 0) this.#granule /= 4;
    this.#weight = 1;
    const start = event.iova;
    const end = start + event.size;
    this.match = Match.WHOLE;
    this.bytesMapped += event.size;
    let at = NO_DOMAIN;
    if (event.domain !== UNKNOWN || this.#single) {
      at = event.domain === UNKNOWN ? this.#one() : this.#named(event.domain);
      const { live } = this.#at(at);
      if (live.overlaps(start, end)) {
        this.bytesReplaced += live.remove(start, end);
        this.replacedMaps++;
        this.match = Match.REPLACED;
      }
    } else {
      at = this.#domainForMap(event, start, end);
    }
    const domain = this.#at(at);
    const slot = this.#slot(event);
    const size = event.runEnd > end ? event.runEnd - start : event.size;
    const continues =
      this.#slotMap[slot] === at && this.#slotEnd[slot] === start && (this.#slotRunEnd[slot] as number) >= end;
    domain.live.insert(start, end, this.#time);
    domain.maps++;
    domain.habits.learn(event, this.#weight);
    if (!continues) {
      const bytes = domain.buffers.map(start, event.size, size, this.#granule, event.cpu);
      this.#slotRunEnd[slot] = start + bytes;
    }
    this.#slotMap[slot] = at;
    this.#slotEnd[slot] = end;
    this.#remember(slot, event, at);
    return at;
  }

  #domainForMap(event: TraceEvent, start: number, end: number): number {
    const slot = this.#slot(event);
    const group = event.device === UNKNOWN ? this.#slotGroup[slot] : this.#groupKey(event.device);
    this.#slotGroup[slot] = UNKNOWN;
    if (group !== undefined && group !== UNKNOWN) {
      const at = this.#ofGroup(group, event.device === UNKNOWN ? 'inferred' : 'device');
      if (!this.#at(at).live.overlaps(start, end)) return at;
    }
    const last = this.#slotMap[slot] as number;
    const continues = this.#slotEnd[slot] === start && (this.#slotRunEnd[slot] as number) >= end;
    if (last >= this.#first && continues && !this.#at(last).live.overlaps(start, end)) return last;
    let best = NO_DOMAIN;
    let bestFit = -1;
    let bestRun = false;
    let possible = 0;
    let fits = 0;
    const runEnd = Math.max(end, event.runEnd);
    const stay = this.#stayClass(slot, event);
    const before = this.#slotLast[slot] as number;
    const stays = this.#stayChance(stay);
    for (let at = this.#first; at < this.#domains.length; at++) {
      const domain = this.#at(at);
      if (domain.origin === 'named' || domain.live.overlaps(start, end)) continue;
      possible++;
      // Where the whole scattered buffer finds room it belongs rather than where only its first chunk does.
      const run = runEnd === end || !domain.live.overlaps(start, runEnd);
      if (bestRun && !run) continue;
      const address = domain.buffers.likelihood(start, event.size, runEnd - start, this.#granule, event.cpu);
      const fit = domain.habits.fit(event) * (at === before ? stays : 1 - stays) * address;
      fits = run === bestRun ? fits + fit : fit;
      if (fit > bestFit || run !== bestRun) {
        bestFit = fit;
        best = at;
        bestRun = run;
      }
    }
    if (best === NO_DOMAIN) return this.#add('inferred', UNKNOWN);
    if (
      this.#at(best).buffers.surprise(start, event.size, runEnd - start, this.#granule, event.cpu) &&
      this.#mayBeNew()
    ) {
      FRESH.reset();
      if (FRESH.fit(start, event.size, runEnd - start, this.#granule, event.cpu) === Fit.NEXT)
        return this.#add('inferred', UNKNOWN);
    }
    if (possible > 1) {
      this.ambiguousMaps++;
      this.#weight = bestFit > CLEAR * fits ? 1 : UNSURE_WEIGHT;
      if (before >= this.#first) this.#learnStay(stay, best === before);
    }
    return best;
  }

  #unmap(event: TraceEvent): number {
    this.#time++;
    this.#weight = 1;
    const start = event.iova;
    // What the kernel says it removed counts, where it says so.
    const end = start + (event.unmappedSize === UNKNOWN ? event.size : event.unmappedSize);
    const at = end > start ? this.#domainForUnmap(event, start, end) : NO_DOMAIN;
    if (at === NO_DOMAIN) {
      this.unmatchedUnmaps++;
      this.match = Match.NONE;
      return NO_DOMAIN;
    }
    const domain = this.#at(at);
    if (this.match !== Match.WHOLE) this.partialUnmaps++;
    this.bytesUnmapped += domain.live.remove(start, end);
    domain.buffers.unmap(start, end - start, this.#granule, event.cpu);
    domain.habits.learn(event, this.#weight);
    this.#remember(this.#slot(event), event, at);
    return at;
  }

  #domainForUnmap(event: TraceEvent, start: number, end: number): number {
    if (event.domain !== UNKNOWN) {
      const at = this.#named(event.domain);
      return this.#matchIn(at, start, end) === Match.NONE ? NO_DOMAIN : at;
    }
    if (event.device !== UNKNOWN) {
      const at = this.#byGroup.get(this.#groupKey(event.device));
      if (at !== undefined && this.#matchIn(at, start, end) === Match.WHOLE) return at;
    }
    const slot = this.#slot(event);
    const before = this.#slotLast[slot] as number;
    const stay = this.#stayClass(slot, event);
    const stays = this.#stayChance(stay);
    let best = NO_DOMAIN;
    let bestMatch: Match = Match.NONE;
    let bestFit = -1;
    let possible = 0;
    let fits = 0;
    for (let at = this.#first; at < this.#domains.length; at++) {
      const domain = this.#at(at);
      if (domain.origin === 'named') continue;
      const match = this.#matchIn(at, start, end);
      if (match === Match.NONE || match > bestMatch) continue;
      const freed = domain.buffers.unmapLikelihood(start, end - start, domain.live.count);
      const fit = domain.habits.fit(event) * (at === before ? stays : 1 - stays) * freed;
      if (match < bestMatch) {
        possible = 0;
        fits = 0;
      }
      possible++;
      fits += fit;
      if (match < bestMatch || fit > bestFit) {
        best = at;
        bestMatch = match;
        bestFit = fit;
      }
    }
    if (possible > 1) {
      this.ambiguousUnmaps++;
      this.#weight = bestFit > CLEAR * fits ? 1 : UNSURE_WEIGHT;
      if (before >= this.#first) this.#learnStay(stay, best === before);
    }
    this.match = bestMatch;
    return best;
  }

  /** How an unmap of the range fits one domain; also left in {@link match}. */
  #matchIn(at: number, start: number, end: number): Match {
    switch (this.#at(at).live.coverage(start, end)) {
      case Coverage.WHOLE:
        this.match = Match.WHOLE;
        break;
      case Coverage.INSIDE:
        this.match = Match.PARTIAL;
        break;
      case Coverage.SOME:
        this.match = Match.BEYOND;
        break;
      default:
        this.match = Match.NONE;
    }
    return this.match;
  }

  #attach(event: TraceEvent): void {
    const { device } = event;
    if (event.domain !== UNKNOWN) {
      const domain = this.#at(this.#named(event.domain));
      if (device !== UNKNOWN && !domain.devices.includes(device)) domain.devices.push(device);
      domain.group = this.#groupOfDevice.get(device) ?? domain.group;
      return;
    }
    // A device that is attached again gets another domain (its type was switched, or it went to a virtual machine).
    if (this.#attached.has(device)) this.#endOfAttachment(device);
    this.#attached.add(device);
    const group = this.#groupKey(device);
    const at = this.#byGroup.get(group);
    if (at !== undefined && !this.#at(at).devices.includes(device)) this.#at(at).devices.push(device);
    this.#slotGroup[this.#slot(event)] = group;
  }

  #endOfAttachment(device: number): void {
    this.#attached.delete(device);
    this.#byGroup.delete(this.#groupKey(device));
  }

  /** Devices of one group share a domain; a device whose group the capture does not tell is a group of its own. */
  #groupKey(device: number): number {
    return this.#groupOfDevice.get(device) ?? LONE_DEVICES + device;
  }

  #ofGroup(group: number, origin: DomainOrigin): number {
    let at = this.#byGroup.get(group);
    if (at === undefined) {
      at = this.#add(origin, group);
      this.#byGroup.set(group, at);
      for (const device of this.#attached) if (this.#groupKey(device) === group) this.#at(at).devices.push(device);
    } else if (origin === 'device') this.#at(at).origin = 'device';
    return at;
  }

  /** Whether the capture attached more groups of devices than domains are known, or does not tell. */
  #mayBeNew(): boolean {
    const groups = new Set([...this.#attached].map((device) => this.#groupKey(device)));
    return groups.size === 0 || this.#domains.length - this.#first < groups.size;
  }

  /** The only domain of the capture. */
  #one(): number {
    for (let at = this.#first; at < this.#domains.length; at++) if (this.#at(at).origin !== 'named') return at;
    return this.#add('inferred', UNKNOWN);
  }

  #named(name: number): number {
    const known = this.#byName[name];
    if (known !== undefined) return known;
    const at = this.#add('named', UNKNOWN);
    this.#byName[name] = at;
    return at;
  }

  #add(origin: DomainOrigin, group: number): number {
    this.#domains.push(new Domain(origin, group < LONE_DEVICES ? group : UNKNOWN, this.#capture));
    return this.#domains.length - 1;
  }

  #at(index: number): Domain {
    return this.#domains[index] as Domain;
  }

  #remember(slot: number, event: TraceEvent, at: number): void {
    this.#slotLast[slot] = at;
    this.#slotKind[slot] = event.kind;
    this.#slotTime[slot] = event.time;
  }

  /** Kinds of this and the thread's last event, and the time between them by powers of four from a microsecond on. */
  #stayClass(slot: number, event: TraceEvent): number {
    const microseconds = Math.max(1, (event.time - (this.#slotTime[slot] as number)) * 1e6);
    const gap = Math.min(GAPS - 1, (31 - Math.clz32(Math.min(microseconds, 2 ** 30))) >> 1);
    return ((this.#slotKind[slot] as number) * 2 + event.kind) * GAPS + gap;
  }

  #stayChance(kind: number): number {
    const gap = kind % GAPS;
    // Until it is known: what comes at once is mostly for the same device.
    const stayed = (this.#stayed[kind] as number) + (gap < 4 ? 4 : 1);
    return stayed / (stayed + (this.#left[kind] as number));
  }

  #learnStay(kind: number, stayed: boolean): void {
    const counts = stayed ? this.#stayed : this.#left;
    counts[kind] = (counts[kind] as number) + 1;
  }

  /** Slot of the thread, or of the CPU's interrupt level, that recorded the event. */
  #slot(event: TraceEvent): number {
    const key = event.context > Context.TASK ? -2 - (event.cpu * CONTEXT_LEVELS + event.context) : event.pid;
    const slot = (Math.imul(key, 0x9e3779b1) >>> 16) & (SLOTS - 1);
    if (this.#slotKey[slot] !== key) {
      this.#slotKey[slot] = key;
      this.#slotMap[slot] = UNKNOWN;
      this.#slotEnd[slot] = UNKNOWN;
      this.#slotRunEnd[slot] = UNKNOWN;
      this.#slotLast[slot] = UNKNOWN;
      this.#slotGroup[slot] = UNKNOWN;
    }
    return slot;
  }

  #newCapture(capture: number): void {
    this.#capture = capture;
    this.#first = this.#domains.length;
    this.#byGroup.clear();
    this.#groupOfDevice.clear();
    this.#attached.clear();
    this.#slotKey.fill(UNKNOWN);
    this.#slotMap.fill(UNKNOWN);
    this.#slotEnd.fill(UNKNOWN);
    this.#slotRunEnd.fill(UNKNOWN);
    this.#granule = LARGEST_GRANULE;
    this.#slotLast.fill(UNKNOWN);
    this.#slotGroup.fill(UNKNOWN);
  }
}

const CONTEXT_LEVELS = 4;
/** Classes of the time between two events of a thread. */
const GAPS = 8;
const STAY_CLASSES = 4 * GAPS;
const SMALLEST_GRANULE = 4096;
const LARGEST_GRANULE = 65536;
/** What a new domain would do. */
const FRESH = new DomainBuffers();
/** Group numbers from here on stand for devices without a group. */
const LONE_DEVICES = 2 ** 30;
