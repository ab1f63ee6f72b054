import {
  copyEvent,
  type DomainInfo,
  DomainTracker,
  EventKind,
  Match,
  NO_DOMAIN,
  openCaptures,
  TraceEvent,
  UNKNOWN,
} from '../../traces/index.ts';
import { AS_RECORDED, type Form } from './forms.ts';

const PAGE = 4096;
const BLOCK = 512 * PAGE;

/** A capture that names every call's domain or device. */
export interface KnownCapture {
  readonly events: readonly TraceEvent[];
  /** Domain of every event, or {@link NO_DOMAIN}. */
  readonly truth: readonly number[];
  /** Domains that have mappings. */
  readonly domains: number;
  /** Whether the capture tells whose the event is: elsewhere there is nothing to hold against. */
  readonly tells: (index: number) => boolean;
}

/** What was made of a capture with its names hidden. */
export interface Found {
  /** Numbers of the events that were shown, in order. */
  readonly shown: readonly number[];
  /** The domain that each of them was given, or {@link NO_DOMAIN}. */
  readonly domains: readonly number[];
  /** What a map came over, or an unmap took of what it named, by place in {@link shown}. */
  readonly parts: ReadonlyMap<number, DomainTracker['parts']>;
}

export interface Score {
  readonly domains: number;
  /** Share of the maps and unmaps that came into their true domain. */
  readonly calls: number;
  /** Share of the pages that are live at the end which are live in their true domain, with their physical address. */
  readonly leaves: number;
  /** What is played and cannot be: unmaps that the chosen domain did not hold wholly, maps over live mappings. */
  readonly contradictions: number;
}

/** Reads a capture with its names. */
export async function readKnown(path: string): Promise<KnownCapture> {
  const reader = await openCaptures([path]);
  const events: TraceEvent[] = [];
  const truth: number[] = [];
  const known = new DomainTracker((_, domain) => truth.push(domain));
  while (await reader.fill()) {
    while (reader.next()) {
      const event = new TraceEvent();
      copyEvent(reader.event, event);
      events.push(event);
      known.take(event);
    }
  }
  known.end();
  const told = (domain: DomainInfo | undefined): boolean => domain === undefined || domain.origin !== 'inferred';
  return {
    events,
    truth,
    domains: known.used - known.inferred,
    tells: (index) => {
      const kind = events[index]?.kind ?? EventKind.OTHER;
      return kind <= EventKind.UNMAP && told(known.domains[truth[index] ?? NO_DOMAIN]);
    },
  };
}

/** Shows a tracker the capture in a poorer form, names hidden. */
export function findDomains(known: KnownCapture, form: Form = AS_RECORDED): { tracker: DomainTracker; found: Found } {
  const shown: number[] = [];
  const domains: number[] = [];
  const parts = new Map<number, DomainTracker['parts']>();
  const tracker = new DomainTracker((_, domain) => {
    if (tracker.match === Match.REPLACED || tracker.match === Match.BEYOND) parts.set(domains.length, tracker.parts);
    domains.push(domain);
  });
  for (const [index, event] of known.events.entries()) {
    if (!form.shows(index, known.events.length)) continue;
    const plain = new TraceEvent();
    copyEvent(event, plain);
    plain.domain = UNKNOWN;
    if (plain.kind <= EventKind.UNMAP) plain.device = UNKNOWN;
    form.hide(plain);
    shown.push(index);
    tracker.take(plain);
  }
  tracker.end();
  return { tracker, found: { shown, domains, parts } };
}

/** Live pages of every domain: by IOVA, the physical address. */
class Pages {
  readonly #domains: Map<number, number>[] = [];

  take(event: TraceEvent, at: number): void {
    const pages = this.#own(at);
    forEachPage(event, (offset) => {
      if (event.kind === EventKind.MAP) pages.set(event.iova + offset, event.pa + offset);
      else pages.delete(event.iova + offset);
    });
  }

  takeAway(start: number, end: number, at: number): void {
    const pages = this.#own(at);
    for (let iova = start; iova < end; iova += PAGE) pages.delete(iova);
  }

  of(at: number): ReadonlyMap<number, number> {
    return this.#domains[at] ?? NO_PAGES;
  }

  get domains(): number {
    return this.#domains.length;
  }

  #own(at: number): Map<number, number> {
    this.#domains[at] ??= new Map();
    return this.#domains[at];
  }
}

const NO_PAGES: ReadonlyMap<number, number> = new Map();

/** Pages of one 2 MiB block or larger say the same: every 512th will do. */
function forEachPage(event: TraceEvent, visit: (offset: number) => void): void {
  const step = event.size >= BLOCK ? BLOCK : PAGE;
  for (let offset = 0; offset < sizeOf(event); offset += step) visit(offset);
}

function sizeOf(event: TraceEvent): number {
  return event.kind === EventKind.UNMAP && event.unmappedSize !== UNKNOWN ? event.unmappedSize : event.size;
}

/** Holds what was found for each call against the truth. */
export function scoreOf(known: KnownCapture, found: Found): Score {
  const pairs = new Map<string, number>();
  const [truePages, foundPages] = [new Pages(), new Pages()];
  const mapped = new Set<number>();
  let contradictions = 0;
  let calls = 0;
  for (const [place, index] of found.shown.entries()) {
    if (!known.tells(index)) continue;
    calls++;
    const event = known.events[index] as TraceEvent;
    const [mine, his] = [found.domains[place] ?? NO_DOMAIN, known.truth[index] ?? NO_DOMAIN];
    if (his !== NO_DOMAIN) truePages.take(event, his);
    const parts = found.parts.get(place);
    if (parts !== undefined) for (const { start, end } of parts) foundPages.takeAway(start, end, mine);
    if (mine === NO_DOMAIN) continue;
    if (event.kind === EventKind.MAP || parts === undefined)
      contradictions += contradicts(event, foundPages.of(mine)) ? 1 : 0;
    const key = `${mine} ${his}`;
    pairs.set(key, (pairs.get(key) ?? 0) + 1);
    if (event.kind === EventKind.MAP) mapped.add(mine);
    foundPages.take(event, mine);
  }
  const matched = new Map<number, number>();
  const taken = new Set<number>();
  let right = 0;
  // The pairs that share most calls first: with few domains and clear majorities that is the best matching.
  for (const [key, count] of [...pairs].sort((a, b) => b[1] - a[1])) {
    const [mine = NO_DOMAIN, his = NO_DOMAIN] = key.split(' ').map(Number);
    if (matched.has(mine) || taken.has(his)) continue;
    matched.set(mine, his);
    taken.add(his);
    right += count;
  }
  let [live, liveRight] = [0, 0];
  for (let at = 0; at < truePages.domains; at++) live += truePages.of(at).size;
  for (const [mine, his] of matched) {
    const theirs = truePages.of(his);
    for (const [iova, pa] of foundPages.of(mine)) if (theirs.get(iova) === pa) liveRight++;
  }
  return { domains: mapped.size, calls: right / calls, leaves: live === 0 ? 1 : liveRight / live, contradictions };
}

function contradicts(event: TraceEvent, pages: ReadonlyMap<number, number>): boolean {
  let found = false;
  forEachPage(event, (offset) => {
    if (pages.has(event.iova + offset) === (event.kind === EventKind.MAP)) found = true;
  });
  return found;
}
