import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Context, DomainTracker, EventKind, Match, NO_DOMAIN, TraceEvent, UNKNOWN } from '../../../traces/index.ts';

const PAGE = 4096;

function event(kind: EventKind, fields: Partial<TraceEvent>): TraceEvent {
  const made = Object.assign(new TraceEvent(), { kind, pid: 1, cpu: 0, context: Context.TASK, capture: 0 }, fields);
  if (kind === EventKind.MAP && made.runEnd === UNKNOWN) made.runEnd = made.iova + made.size;
  return made;
}
const map = (iova: number, size = PAGE, fields: Partial<TraceEvent> = {}): TraceEvent =>
  event(EventKind.MAP, { iova, size, pa: 0x80000000 + iova, ...fields });
const unmap = (iova: number, size = PAGE, fields: Partial<TraceEvent> = {}): TraceEvent =>
  event(EventKind.UNMAP, { iova, size, unmappedSize: size, ...fields });

interface Followed {
  readonly tracker: DomainTracker;
  /** Of every event in order. */
  readonly domains: number[];
  readonly matches: Match[];
  /** What a map came over. */
  readonly parts: DomainTracker['parts'][];
}

/** What becomes of the events of a whole capture. */
function follow(events: readonly TraceEvent[], single = false): Followed {
  const domains: number[] = [];
  const matches: Match[] = [];
  const parts: DomainTracker['parts'][] = [];
  const lines: number[] = [];
  const tracker = new DomainTracker((one, domain) => {
    domains.push(domain);
    matches.push(tracker.match);
    parts.push(tracker.match === Match.REPLACED ? tracker.parts : []);
    lines.push(one.line);
  }, single);
  for (const [line, one] of events.entries()) tracker.take(Object.assign(one, { line }));
  tracker.end();
  expect(lines).toEqual(events.map((_, line) => line));
  return { tracker, domains, matches, parts };
}

describe('the domain of a map and unmap that names none', () => {
  it('is another one when the map collides with a live mapping', () => {
    const { tracker, domains } = follow([map(0xfffff000), map(0xfffff000), map(0xffffc000, 4 * PAGE)]);
    expect(domains.slice(0, 2)).toEqual([0, 1]);
    expect(new Set(domains).size).toBe(3);
    expect(tracker).toMatchObject({ used: 3, inferred: 3, liveRanges: 3, bytesMapped: 6 * PAGE, contradictions: 0 });
  });

  it('is another one still where devices were attached before the capture began', () => {
    const attach = event(EventKind.ATTACH, { device: 5, pid: 9 });
    const { tracker } = follow([map(0xfffff000), attach, map(0xfffff000), map(0xfffff000), map(0xffffe000, 2 * PAGE)]);
    expect(tracker).toMatchObject({ used: 4, inferred: 4, contradictions: 0 });
    // Attach lines before all calls are all that there are.
    const first = follow([attach, map(0xfffff000), map(0xfffff000)]);
    expect(first.tracker).toMatchObject({ used: 1, contradictions: 1 });
  });

  it('is the one that holds exactly the range that is unmapped', () => {
    const events = [map(0xffffe000, 2 * PAGE), map(0xfffff000), unmap(0xfffff000), unmap(0xffffe000, 2 * PAGE)];
    const { tracker, domains, matches } = follow(events);
    expect(domains).toEqual([0, 1, 1, 0]);
    expect(new Set(matches)).toEqual(new Set([Match.WHOLE]));
    expect(tracker).toMatchObject({ liveRanges: 0, bytesUnmapped: 3 * PAGE, unmatchedUnmaps: 0, ambiguous: 0 });
  });

  it('is the one where several whole mappings make up the range, even from the middle of a buffer', () => {
    const chunks = [0xfffec000, 0xfffed000, 0xfffee000, 0xfffef000].map((iova) =>
      map(iova, PAGE, { pid: 7, runEnd: 0xffff0000 }),
    );
    const { tracker, domains, matches } = follow([map(0xffff0000, 16 * PAGE), ...chunks, unmap(0xfffed000, 3 * PAGE)]);
    expect(new Set(domains)).toEqual(new Set([0]));
    expect(matches.at(-1)).toBe(Match.WHOLE);
    expect(tracker.liveRanges).toBe(2);
  });

  it('is none when nothing holds the range, or when the kernel removed nothing', () => {
    const { tracker, domains, matches } = follow([
      map(0xfffff000),
      unmap(0xffff0000),
      unmap(0xfffff000, PAGE, { unmappedSize: 0 }),
    ]);
    expect(domains).toEqual([0, NO_DOMAIN, NO_DOMAIN]);
    expect(matches.slice(1)).toEqual([Match.NONE, Match.NONE]);
    expect(tracker).toMatchObject({ unmatchedUnmaps: 2, liveRanges: 1 });
  });

  it('an unmap of a part leaves the rest live', () => {
    const { tracker, domains, matches } = follow([map(0xffffc000, 4 * PAGE), unmap(0xffffd000)]);
    expect([domains, matches[1]]).toEqual([[0, 0], Match.PARTIAL]);
    expect(tracker).toMatchObject({ partialUnmaps: 1, contradictions: 0, liveRanges: 2, liveBytes: 3 * PAGE });
  });

  it('an unmap larger than its map takes what was live in it, and is a contradiction that the kernel did not cause', () => {
    const { tracker, domains, matches } = follow([map(0xffffc000), unmap(0xffffc000, 4 * PAGE)]);
    expect([domains, matches[1]]).toEqual([[0, 0], Match.BEYOND]);
    expect(tracker).toMatchObject({ partialUnmaps: 0, contradictions: 1, liveRanges: 0, bytesUnmapped: PAGE });
    expect(tracker.contradictionLines).toEqual([1]);
  });

  it('an unmap of a part of a small mapping is not played where there are several domains', () => {
    const big = map(0xffffc000, 4 * PAGE, { pid: 1 });
    const { tracker, domains } = follow([big, map(0xffffc000, 4 * PAGE, { pid: 2 }), unmap(0xffffd000)]);
    expect(domains).toEqual([0, 1, NO_DOMAIN]);
    expect(tracker).toMatchObject({ partialUnmaps: 0, unmatchedUnmaps: 0, contradictions: 1, liveRanges: 2 });
  });

  it('an unmap that the kernel cut short counts with what it removed', () => {
    const { matches } = follow([map(0xffffc000), unmap(0xffffc000, 4 * PAGE, { unmappedSize: PAGE })]);
    expect(matches[1]).toBe(Match.WHOLE);
  });

  it('is revised when a later event shows who gave the address back', () => {
    // Both hold 0xffffe000. Whoever gives it back, the NIC's interrupt is at work; but then the disk's thread takes it again, and only what it
    // had given back is next in its turn.
    const disk = { pid: 10 };
    const nic = { pid: 20, context: Context.SOFTIRQ };
    const warm: TraceEvent[] = [map(0xfffff000, PAGE, disk), map(0xfffff000, PAGE, nic)];
    for (let turn = 0; turn < 40; turn++) {
      warm.push(map(0xffffe000, PAGE, { ...disk, pa: 0x1000000 }), map(0xffffe000, PAGE, { ...nic, pa: 0x2000000 }));
      warm.push(unmap(0xffffe000, PAGE, disk), unmap(0xffffe000, PAGE, nic));
    }
    const last = [
      map(0xffffe000, PAGE, { ...disk, pa: 0x1000000 }),
      map(0xffffe000, PAGE, { ...nic, pa: 0x2000000 }),
      unmap(0xffffe000, PAGE, nic),
      map(0xffffe000, PAGE, { ...disk, pa: 0x1000000 }),
    ];
    const { domains, tracker } = follow([...warm, ...last]);
    expect(domains.slice(-2)).toEqual([domains[0], domains[0]]);
    expect(tracker).toMatchObject({ used: 2, contradictions: 0 });
  });

  it('never overlaps, and every event comes out in its order, whatever the events', () => {
    const step = fc.record({
      isMap: fc.boolean(),
      page: fc.integer({ min: 1, max: 40 }),
      pages: fc.integer({ min: 1, max: 6 }),
      pid: fc.integer({ min: 1, max: 4 }),
      context: fc.constantFrom(Context.TASK, Context.SOFTIRQ, Context.HARDIRQ),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const events = steps.map(({ isMap, page, pages, pid, context }) =>
          (isMap ? map : unmap)(0xfff00000 + page * PAGE, pages * PAGE, { pid, context }),
        );
        const { tracker, domains, matches, parts } = follow(events);
        const live: Map<number, true>[] = [];
        for (const [index, { isMap, page, pages }] of steps.entries()) {
          const at = domains[index] ?? NO_DOMAIN;
          const range = Array.from({ length: pages }, (_, number) => page + number);
          if (isMap) {
            live[at] ??= new Map();
            expect(matches[index] === Match.REPLACED).toBe(range.some((number) => live[at]?.has(number)));
            // What is in the way goes with the whole mapping that it is of.
            for (const { start, end } of parts[index] ?? []) {
              for (let iova = start; iova < end; iova += PAGE) live[at]?.delete((iova - 0xfff00000) / PAGE);
            }
            expect(range.some((number) => live[at]?.has(number))).toBe(false);
            for (const number of range) live[at]?.set(number, true);
          } else if (at !== NO_DOMAIN) {
            const whole = range.every((number) => live[at]?.has(number));
            expect(matches[index] === Match.BEYOND).toBe(!whole);
            for (const number of range) live[at]?.delete(number);
          }
        }
        expect(tracker.liveBytes).toBe(live.reduce((sum, domain) => sum + domain.size, 0) * PAGE);
      }),
      { numRuns: 60 },
    );
  });
});

describe('what the capture tells about domains is used', () => {
  it('a named domain takes its own events only', () => {
    const { tracker, domains } = follow([
      map(0x1000, PAGE, { domain: 5 }),
      map(0x1000, PAGE, { domain: 3 }),
      unmap(0x1000, PAGE, { domain: 5 }),
      unmap(0x1000, PAGE, { domain: 5 }),
    ]);
    expect(domains).toEqual([0, 1, 0, NO_DOMAIN]);
    expect(tracker).toMatchObject({ used: 2, inferred: 0, unmatchedUnmaps: 1, liveRanges: 1 });
  });

  it('a named domain that maps over itself has lost events: the old mapping is forgotten and counted', () => {
    const { tracker, matches } = follow([map(0x1000, 2 * PAGE, { domain: 0 }), map(0x2000, PAGE, { domain: 0 })]);
    expect(matches[1]).toBe(Match.REPLACED);
    expect(tracker).toMatchObject({ replacedMaps: 1, contradictions: 0, liveBytes: 2 * PAGE });
  });

  it('devices of one group share a domain', () => {
    const { tracker, domains } = follow([
      event(EventKind.ADD_DEVICE, { device: 0, group: 4 }),
      event(EventKind.ADD_DEVICE, { device: 1, group: 4 }),
      event(EventKind.ADD_DEVICE, { device: 2, group: 5 }),
      ...[0, 1, 2].map((device) => event(EventKind.ATTACH, { device })),
      ...[0, 1, 2].map((device) => map(0x1000 + device * PAGE, PAGE, { device })),
    ]);
    const [first, same, other] = domains.slice(-3);
    expect(same).toBe(first);
    expect(other).not.toBe(first);
    expect(tracker.domains[first ?? 0]).toMatchObject({ origin: 'device', devices: [0, 1], group: 4 });
  });

  it('a device that is attached again has a new domain', () => {
    const attach = (): TraceEvent => event(EventKind.ATTACH, { device: 0 });
    const { domains } = follow([
      attach(),
      map(0x1000, PAGE, { device: 0 }),
      attach(),
      map(0x9000, PAGE, { device: 0 }),
    ]);
    expect(domains[3]).not.toBe(domains[1]);
  });

  it('the first map of a thread that attached a device is for that device', () => {
    const { tracker, domains } = follow([
      map(0xfffff000),
      event(EventKind.ATTACH, { device: 3, pid: 9 }),
      map(0xfffff000, PAGE, { pid: 9 }),
    ]);
    expect(domains).toEqual([0, NO_DOMAIN, 1]);
    expect(tracker.domains[1]).toMatchObject({ origin: 'inferred', devices: [3] });
  });

  it('a fault names the device of the one domain that holds the address or gave it back lately', () => {
    const fault = (device: number, iova: number): TraceEvent => event(EventKind.FAULT, { device, iova });
    const both = [map(0xfffff000), map(0xfffff000, PAGE, { pid: 2 }), map(0xffffe000)];
    const { tracker, domains } = follow([...both, unmap(0xffffe000), fault(7, 0xfffff010), fault(8, 0xffffe020)]);
    const at = domains[2] ?? NO_DOMAIN;
    expect(tracker.domains[at]).toMatchObject({ origin: 'inferred', devices: [8] });
    expect(tracker.domains[1 - at]).toMatchObject({ devices: [] });
  });

  it('an attach line and the attached domain of the same call name device and domain together', () => {
    const { tracker } = follow([
      event(EventKind.ADD_DEVICE, { device: 0, group: 7 }),
      event(EventKind.ATTACH, { device: 0, domain: 2 }),
      event(EventKind.ATTACH, { device: 0 }),
      map(0x1000, PAGE, { domain: 2 }),
    ]);
    expect(tracker.domains).toMatchObject([{ origin: 'named', devices: [0], group: 7, maps: 1 }]);
  });

  it('a user who knows that there is one domain is believed: a map over a live mapping replaces it', () => {
    const { tracker, domains } = follow([map(0x1000), map(0x1000), map(0x2000), unmap(0x1000)], true);
    expect(domains).toEqual([0, 0, 0, 0]);
    expect(tracker).toMatchObject({ used: 1, inferred: 0, replacedMaps: 1, contradictions: 0, liveBytes: PAGE });
  });

  it('captures of one run share no domain', () => {
    const { domains } = follow([
      map(0x1000, PAGE, { capture: 0 }),
      map(0x9000, PAGE, { capture: 1 }),
      unmap(0x1000, PAGE, { capture: 1 }),
    ]);
    expect(domains[1]).not.toBe(domains[0]);
    expect(domains[2]).toBe(NO_DOMAIN);
  });
});
