import { Decision, EventKind, type TraceEvent, UNKNOWN } from '../capture/index.ts';
import { CallTally } from './call-tally.ts';
import { type CallCounts, type Confidence, confidenceOf, type Missing, missingOf } from './confidence.ts';
import { DomainDecider } from './decider.ts';
import { Domain, type DomainInfo, type DomainOrigin, NO_DOMAIN } from './domain.ts';
import { FaultedMappings } from './faulted-mappings.ts';
import type { Hole } from './holes.ts';
import { Attachments, NO_SLOT } from './inference/index.ts';
import { Match, matchOf } from './match.ts';
import { type HeldPart, heldParts, heldRanges, holderOf } from './repair.ts';

/**
 * The DMA API takes back a buffer as a whole, and hands out addresses downwards from 4 GiB. User space (VFIO), which chooses addresses as it likes,
 * may take a part of what it mapped.
 */
const DMA_API_START = 2 ** 31;
const DMA_API_END = 2 ** 32;

/** Given every event in the order of the capture, with the index of the domain of a map or unmap, else {@link NO_DOMAIN}. */
export type DomainSink = (event: TraceEvent, domain: number) => void;

/**
 * Gives every map and unmap its domain, and keeps what is live in each: the one the event names, or whose device it names, or the one that a
 * {@link DomainDecider} finds. Since that may take later events into account, an event comes out later than it goes in where its domain is open.
 */
export class DomainTracker {
  /** Unmaps of a part of a mapping, and such that reached beyond what was mapped in a domain that is known. */
  partialUnmaps = 0;
  /** Maps over live mappings of a domain that is known. */
  replacedMaps = 0;
  bytesMapped = 0;
  /** Bytes that unmaps took away. */
  bytesUnmapped = 0;
  /** How the last event fitted, and how many bytes of live mappings its map came over or its unmap took. */
  match: Match = Match.WHOLE;
  bytesReplaced = 0;
  bytesRemoved = 0;
  /** The live ranges that the last event took where it was {@link Match.BEYOND} or {@link Match.REPLACED}; else what was left of an earlier one. */
  parts: readonly HeldPart[] = [];

  readonly #sink: DomainSink;
  readonly #single: boolean;
  readonly #domains: Domain[] = [];
  readonly #decider = new DomainDecider((event, decision) => this.takeDecided(event, decision));
  /** What attach lines tell, up to the event that came out last. */
  #attachments = new Attachments();
  #capture = -1;
  /** Domain of each slot of the inference; -1 for none yet. */
  #domainOfSlot: number[] = [];
  readonly #byName: number[] = [];
  #ambiguousElsewhere = 0;
  readonly #tally = new CallTally();
  readonly #faulted = new FaultedMappings();

  /** @param single whether the user knows that whatever names no domain is in one and the same */
  constructor(sink: DomainSink, single = false) {
    this.#sink = sink;
    this.#single = single;
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

  /** Maps and unmaps whose domain had to be chosen among several that were likely. */
  get ambiguous(): number {
    return this.#ambiguousElsewhere + this.#decider.ambiguous;
  }

  /** Unmaps that matched nothing. */
  get unmatchedUnmaps(): number {
    return this.#tally.unmatched;
  }

  /**
   * Unmaps that their inferred domain did not hold wholly, and maps over live mappings of it: the inference is wrong there, or the capture lost
   * events. The kernel did nothing of the kind, so none is played as it stands: an unmap goes to the domain that does hold the range, or takes only
   * what is held; a map first ends what it would come over.
   */
  get contradictions(): number {
    return this.#tally.contradictions;
  }

  /** Lines of the first hundred. */
  get contradictionLines(): readonly number[] {
    return this.#tally.contradictionLines;
  }

  /** How far the domains can be believed. */
  get confidence(): Confidence {
    return confidenceOf(this.#counts());
  }

  /** What calls the capture lacks, as far as it shows. */
  get missing(): Missing {
    return missingOf(this.#counts());
  }

  /** Places where lines are missing though the capture does not say so. */
  get holes(): readonly Hole[] {
    return this.#tally.holes.find();
  }

  get liveRanges(): number {
    return this.#domains.reduce((sum, domain) => sum + domain.live.count, 0);
  }

  get liveBytes(): number {
    return this.#domains.reduce((sum, domain) => sum + domain.live.bytes, 0);
  }

  /** Takes the next event of the capture. The sink has it when its domain is known, at the latest at the {@link end}. */
  take(event: TraceEvent): void {
    if (this.#single) this.takeDecided(event, NOTHING_DECIDED);
    else this.#decider.take(event);
  }

  /** Takes the next event, whose domain was found elsewhere. The sink has it at once. */
  takeDecided(event: TraceEvent, decision: Decision): void {
    if (event.capture !== this.#capture) {
      this.#capture = event.capture;
      this.#domainOfSlot = [];
      this.#attachments = new Attachments();
    }
    this.#decided(event, this.#single ? NOTHING_DECIDED : decision);
  }

  /** Calls that had a choice where domains were found elsewhere. */
  decidedElsewhere(ambiguous: number): void {
    if (!this.#single) this.#ambiguousElsewhere += ambiguous;
  }

  /** The capture is over: what still waits comes out. */
  end(): void {
    this.#decider.end();
  }

  /** The domain that a capture names so, made if need be. @param name number of the name, as in an event's `domain` */
  named(name: number): number {
    const known = this.#byName[name];
    if (known !== undefined) return known;
    const at = this.#add('named');
    this.#byName[name] = at;
    return at;
  }

  #decided(event: TraceEvent, decision: Decision): void {
    const { kind } = event;
    let at = NO_DOMAIN;
    if (kind >= EventKind.ATTACH && kind <= EventKind.REMOVE_DEVICE && event.domain === UNKNOWN) {
      this.#attachments.take(event);
    }
    if (kind === EventKind.MAP || kind === EventKind.UNMAP) this.#tally.called(event);
    if (kind === EventKind.MAP) at = this.#map(event, decision);
    else if (kind === EventKind.UNMAP) at = this.#unmap(event, decision);
    else if (kind === EventKind.ATTACH) this.#attach(event, decision.slot);
    else if (kind === EventKind.FAULT) this.#fault(event);
    else if (kind === EventKind.LOST) this.#tally.lost = true;
    this.#sink(event, at);
  }

  #map(event: TraceEvent, decision: Decision): number {
    const { iova, size } = event;
    const at = this.#domainOf(event, decision);
    const domain = this.#domains[at] as Domain;
    this.bytesMapped += size;
    this.match = Match.WHOLE;
    this.bytesReplaced = 0;
    if (domain.live.overlaps(iova, iova + size)) {
      const inferred = domain.origin === 'inferred';
      const since = domain.live.tagsIn(iova, iova + size, TAG) > 0 ? (TAG[0] as number) : UNKNOWN;
      // No driver of the kernel leaves half a mapping behind: what is in the way of an inferred domain's map goes as it came.
      this.parts = (inferred ? heldRanges : heldParts)(domain.live, iova, iova + size);
      for (const part of this.parts) this.bytesReplaced += domain.live.remove(part.start, part.end);
      this.match = Match.REPLACED;
      if (inferred) this.#tally.contradicted(event, since);
      else {
        this.replacedMaps++;
        this.#tally.holes.doubted(event, since);
      }
    }
    domain.live.insert(iova, iova + size, event.line);
    domain.maps++;
    return at;
  }

  #unmap(event: TraceEvent, decision: Decision): number {
    const { iova } = event;
    // What the kernel says it removed counts, where it says so.
    const end = iova + (event.unmappedSize === UNKNOWN ? event.size : event.unmappedSize);
    this.bytesRemoved = 0;
    const known = event.domain !== UNKNOWN || this.#single || decision.slot !== NO_SLOT;
    const chosen = known && end > iova ? this.#domainOf(event, decision) : NO_DOMAIN;
    let at = chosen;
    let domain = this.#domains[at];
    this.match = domain === undefined ? Match.NONE : matchOf(domain.live.coverage(iova, end));
    const inferred = domain === undefined ? event.domain === UNKNOWN && !this.#single : domain.origin === 'inferred';
    if (inferred && this.match !== Match.WHOLE && end > iova && !this.#mayBePart(domain, iova, end)) {
      const holder = holderOf(this.#domains, this.#capture, iova, end);
      if (holder !== NO_DOMAIN) {
        at = holder;
        this.match = Match.WHOLE;
      } else if (this.match !== Match.BEYOND) {
        at = NO_DOMAIN;
        this.match = Match.NONE;
      }
      domain = this.#domains[at];
      if (chosen !== NO_DOMAIN || domain !== undefined) {
        this.#tally.contradicted(event, UNKNOWN);
        if (domain === undefined) return NO_DOMAIN;
      }
    }
    if (domain === undefined || this.match === Match.NONE) {
      this.#tally.matchedNothing(event);
      return NO_DOMAIN;
    }
    if (this.match === Match.PARTIAL || (this.match === Match.BEYOND && !inferred)) this.partialUnmaps++;
    if (this.match === Match.BEYOND) this.parts = heldParts(domain.live, iova, end);
    this.bytesRemoved = domain.live.remove(iova, end);
    this.#faulted.ended(at, iova, end);
    this.bytesUnmapped += this.bytesRemoved;
    return at;
  }

  /** Whether an unmap of a part of a mapping may be what the kernel did. Where there are several domains it is more likely another one's. */
  #mayBePart(domain: Domain | undefined, start: number, end: number): boolean {
    if (this.match !== Match.PARTIAL || domain === undefined) return false;
    if (this.#inferredOf(this.#capture) < 2) return true;
    return end <= DMA_API_START || start >= DMA_API_END;
  }

  #counts(): CallCounts {
    const { calls, contradictions, unmatched: unmatchedUnmaps, firstUnmatched, firstContradiction } = this.#tally;
    const { oneTask, lost } = this.#tally;
    const { ambiguous, replacedMaps } = this;
    const inferred = this.inferred > 0;
    const all = { calls, inferred, ambiguous, contradictions, unmatchedUnmaps, replacedMaps };
    return { ...all, firstUnmatched, firstContradiction, oneTask, lost, holes: this.holes.length };
  }

  #inferredOf(which: number): number {
    let count = 0;
    for (const { capture, origin, maps } of this.#domains) {
      if (capture === which && origin === 'inferred' && maps > 0) count++;
    }
    return count;
  }

  /** @param slot of the inferred domain that the device's group has */
  #attach(event: TraceEvent, slot: number): void {
    const { device } = event;
    if (device === UNKNOWN) return;
    const group = this.#attachments.groupOf(device);
    if (event.domain !== UNKNOWN) {
      const domain = this.#domains[this.named(event.domain)] as Domain;
      if (!domain.devices.includes(device)) domain.devices.push(device);
      const number = Attachments.groupNumber(group);
      if (number !== UNKNOWN) domain.group = number;
      return;
    }
    const domain = this.#domains[this.#domainOfSlot[slot] ?? NO_DOMAIN];
    if (domain !== undefined && !domain.devices.includes(device)) domain.devices.push(device);
  }

  /** A fault names its device: where one inferred domain alone can be meant, it is of that device. */
  #fault({ device, iova }: TraceEvent): void {
    if (device === UNKNOWN || iova === UNKNOWN) return;
    const capture = this.#capture;
    if (this.#domains.some((one) => one.capture === capture && one.devices.includes(device))) return;
    const domain = this.#domains[this.#faulted.holderOf(this.#domains, capture, iova)];
    if (domain === undefined || domain.origin !== 'inferred' || domain.devices.length > 0) return;
    const attachments = this.#attachments;
    const group = attachments.groupOf(device);
    domain.group = Attachments.groupNumber(group);
    const together = attachments.devicesOf(group);
    domain.devices.push(...(together.includes(device) ? together : [device]));
  }

  #domainOf(event: TraceEvent, decision: Decision): number {
    if (event.domain !== UNKNOWN) return this.named(event.domain);
    if (decision.slot !== NO_SLOT) return this.#ofSlot(decision);
    const known = this.#domains.findIndex(({ capture, origin }) => capture === this.#capture && origin === 'single');
    return known >= 0 ? known : this.#add('single');
  }

  #ofSlot({ slot, group, named }: Decision): number {
    const known = this.#domainOfSlot[slot];
    const at = known ?? this.#add('inferred');
    this.#domainOfSlot[slot] = at;
    const domain = this.#domains[at] as Domain;
    if (named) domain.origin = 'device';
    if (known !== undefined) return at;
    if (group !== UNKNOWN) {
      domain.group = Attachments.groupNumber(group);
      domain.devices.push(...this.#attachments.devicesOf(group));
    }
    return at;
  }

  #add(origin: DomainOrigin): number {
    this.#domains.push(new Domain(origin, this.#capture));
    return this.#domains.length - 1;
  }
}

/** Reused: line of the first map that is in the way of another. */
const TAG = new Float64Array(1);
/** What names no domain is in one and the same, or is no call. */
const NOTHING_DECIDED = new Decision();
