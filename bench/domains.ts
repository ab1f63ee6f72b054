/**
 * How well the domains of plain map and unmap lines are found: captures that name every call's domain or device are read with the names hidden, and
 * what the tracker makes of them is held against the truth. Baselines: one domain for all; a simple greedy choice; and the streaming tracker that came
 * before, whose scores are fixed figures, since its code is gone.
 */
import {
  Context,
  copyEvent,
  DomainTracker,
  EventKind,
  NO_DOMAIN,
  openCaptures,
  TraceEvent,
  UNKNOWN,
} from '../traces/index.ts';
import { GreedyDomains } from './greedy-domains.ts';

/** A capture with truth, and what the tracker before scored on it. */
interface Known {
  readonly name: string;
  readonly path: string;
  readonly before: Score;
}

export interface Score {
  readonly domains: number;
  /** Share of the maps and unmaps that came into their true domain. */
  readonly calls: number;
  /** Share of the pages that are live at the end which are live in their true domain, with their physical address. */
  readonly leaves: number;
  /** Unmaps that the chosen domain did not hold wholly, or that none held at all, and maps over live mappings. */
  readonly contradictions: number;
}

const CAPTURES: readonly Known[] = [
  {
    name: 'dma-dump',
    path: 'traces/samples/dma-dump.ftrace.txt.gz',
    before: { domains: 6, calls: 0.872, leaves: 0.888, contradictions: 0 },
  },
  {
    name: 'vfio-dump',
    path: 'traces/samples/vfio-dump.ftrace.txt.gz',
    before: { domains: 8, calls: 0.881, leaves: 0.505, contradictions: 0 },
  },
  {
    name: 'medium-dma-events',
    path: 'test/vectors/domains/medium-dma-events.txt.gz',
    before: { domains: 6, calls: 0.933, leaves: 0.878, contradictions: 0 },
  },
];

const PAGE = 4096;

/** Live pages of every domain: by IOVA, the physical address. */
class Pages {
  readonly #domains: Map<number, number>[] = [];

  take(event: TraceEvent, at: number): void {
    if (at === NO_DOMAIN) return;
    this.#domains[at] ??= new Map();
    const pages = this.#domains[at];
    const size = event.kind === EventKind.UNMAP && event.unmappedSize !== UNKNOWN ? event.unmappedSize : event.size;
    // Pages of one 2 MiB block or larger say the same: every 512th will do.
    const step = event.size >= 512 * PAGE ? 512 * PAGE : PAGE;
    for (let offset = 0; offset < size; offset += step) {
      if (event.kind === EventKind.MAP) pages.set(event.iova + offset, event.pa + offset);
      else pages.delete(event.iova + offset);
    }
  }

  of(at: number): ReadonlyMap<number, number> {
    return this.#domains[at] ?? NO_PAGES;
  }

  get domains(): number {
    return this.#domains.length;
  }
}

const NO_PAGES: ReadonlyMap<number, number> = new Map();

/** Holds what was found for each call against the truth. */
function score(events: readonly TraceEvent[], truth: readonly number[], found: readonly number[]): Score {
  const pairs = new Map<string, number>();
  const [truePages, foundPages] = [new Pages(), new Pages()];
  let contradictions = 0;
  for (const [index, event] of events.entries()) {
    const [mine, his] = [found[index] ?? NO_DOMAIN, truth[index] ?? NO_DOMAIN];
    const key = `${mine} ${his}`;
    if (mine !== NO_DOMAIN) pairs.set(key, (pairs.get(key) ?? 0) + 1);
    contradictions += contradicts(event, mine === NO_DOMAIN ? NO_PAGES : foundPages.of(mine)) ? 1 : 0;
    truePages.take(event, his);
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
  const domains = new Set(found.filter((at, index) => at !== NO_DOMAIN && events[index]?.kind === EventKind.MAP)).size;
  return { domains, calls: right / events.length, leaves: live === 0 ? 1 : liveRight / live, contradictions };
}

function contradicts(event: TraceEvent, pages: ReadonlyMap<number, number>): boolean {
  const isMap = event.kind === EventKind.MAP;
  const step = event.size >= 512 * PAGE ? 512 * PAGE : PAGE;
  const size = isMap || event.unmappedSize === UNKNOWN ? event.size : event.unmappedSize;
  for (let offset = 0; offset < size; offset += step) if (pages.has(event.iova + offset) === isMap) return true;
  return false;
}

/** What of an event is hidden beside its domain and device. */
type Hiding = (event: TraceEvent) => void;

const AS_RECORDED: Hiding = () => {};

/** Poorer captures made of the same ones. The inference was never tuned on these. */
const HELD_OUT: readonly (readonly [string, Hiding])[] = [
  [
    'no attach lines',
    (event) => {
      if (event.kind > EventKind.UNMAP) event.kind = EventKind.OTHER;
    },
  ],
  [
    'one task for all',
    (event) => {
      event.pid = 1;
      event.context = Context.TASK;
    },
  ],
  [
    'no times',
    (event) => {
      event.time = 0;
    },
  ],
];

/** Reads a capture with truth and scores what is found with the names hidden. */
async function scoreCapture(
  path: string,
  hide: Hiding = AS_RECORDED,
): Promise<{ truth: number; calls: number; confidence: string; single: Score; greedy: Score; tracker: Score }> {
  const reader = await openCaptures([path]);
  const truth: number[] = [];
  const found: number[] = [];
  const events: TraceEvent[] = [];
  const known = new DomainTracker((_, domain) => truth.push(domain));
  const hidden = new DomainTracker((_, domain) => found.push(domain));
  const greedy = new GreedyDomains();
  const greedily: number[] = [];
  while (await reader.fill()) {
    while (reader.next()) {
      known.take(reader.event);
      const plain = new TraceEvent();
      copyEvent(reader.event, plain);
      plain.domain = UNKNOWN;
      if (plain.kind <= EventKind.UNMAP) plain.device = UNKNOWN;
      hide(plain);
      events.push(plain);
      hidden.take(plain);
      greedily.push(greedy.take(plain));
    }
  }
  known.end();
  hidden.end();
  // Where the capture itself leaves the domain open there is no truth to hold against.
  const calls = events
    .map((_, index) => index)
    .filter((index) => {
      const his = truth[index] ?? NO_DOMAIN;
      const isCall = (events[index]?.kind ?? EventKind.OTHER) <= EventKind.UNMAP;
      return isCall && (his === NO_DOMAIN || known.domains[his]?.origin !== 'inferred');
    });
  const pick = <T>(all: readonly T[]): T[] => calls.map((index) => all[index] as T);
  const scored = (all: readonly number[]): Score => score(pick(events), pick(truth), pick(all));
  return {
    truth: known.used - known.inferred,
    calls: calls.length,
    confidence: `${hidden.confidence}, ${hidden.contradictions} repaired`,
    single: scored(events.map(() => 0)),
    greedy: scored(greedily),
    tracker: scored(found),
  };
}

/** Prints the scores of every capture with truth. */
export async function printDomainScores(): Promise<void> {
  console.log('\nDomains of plain map and unmap lines (captures with truth, names hidden)');
  console.log(row(['', 'domains', 'true', 'calls right', 'leaves right', 'contradictions', 'confidence']));
  for (const { name, path, before } of CAPTURES) {
    const { truth, calls, confidence, single, greedy, tracker } = await scoreCapture(path);
    console.log(`${name}, ${calls} calls`);
    for (const [what, one] of [
      ['one domain for all', single],
      ['greedy', greedy],
      ['tracker before', before],
      ['tracker', tracker],
    ] as const) {
      console.log(
        row([
          `  ${what}`,
          String(one.domains),
          String(truth),
          percent(one.calls),
          percent(one.leaves),
          String(one.contradictions),
          one === tracker ? confidence : '',
        ]),
      );
    }
    for (const [what, hide] of HELD_OUT) {
      const { tracker: held, confidence: heldConfidence } = await scoreCapture(path, hide);
      console.log(
        row([
          `  held out: ${what}`,
          String(held.domains),
          String(truth),
          percent(held.calls),
          percent(held.leaves),
          String(held.contradictions),
          heldConfidence,
        ]),
      );
    }
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(28) : ` ${cell}`.padStart(15))).join('');
}
