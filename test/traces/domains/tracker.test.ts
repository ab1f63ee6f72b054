import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Context, DomainTracker, EventKind, Match, NO_DOMAIN, TraceEvent, UNKNOWN } from '../../../traces/index.ts';
import { readCaptures } from '../capture/read-events.ts';

const PAGE = 4096;

function event(kind: EventKind, fields: Partial<TraceEvent>): TraceEvent {
  const made = Object.assign(new TraceEvent(), { kind, pid: 1, cpu: 0, context: Context.TASK }, fields);
  if (kind === EventKind.MAP && made.runEnd === UNKNOWN) made.runEnd = made.iova + made.size;
  return made;
}
const map = (iova: number, size = PAGE, fields: Partial<TraceEvent> = {}): TraceEvent =>
  event(EventKind.MAP, { iova, size, pa: 0x80000000 + iova, ...fields });
const unmap = (iova: number, size = PAGE, fields: Partial<TraceEvent> = {}): TraceEvent =>
  event(EventKind.UNMAP, { iova, size, unmappedSize: size, ...fields });

describe('the domain of a map and unmap that names none', () => {
  it('is another one when the map collides with a live mapping', () => {
    const tracker = new DomainTracker();
    expect(tracker.take(map(0x1000))).toBe(0);
    expect(tracker.take(map(0x1000))).toBe(1);
    expect(tracker.take(map(0x0, 4 * PAGE))).toBe(2);
    expect(tracker).toMatchObject({ used: 3, inferred: 3, liveRanges: 3, liveBytes: 6 * PAGE, bytesMapped: 6 * PAGE });
  });

  it('is the one that holds exactly the range that is unmapped', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x1000, 2 * PAGE));
    const second = tracker.take(map(0x1000));
    expect(tracker.take(unmap(0x1000))).toBe(second);
    expect(tracker.match).toBe(Match.WHOLE);
    expect(tracker.take(unmap(0x1000, 2 * PAGE))).toBe(0);
    expect(tracker).toMatchObject({ liveRanges: 0, bytesUnmapped: 3 * PAGE, unmatchedUnmaps: 0, ambiguousUnmaps: 0 });
  });

  it('is the one where several whole mappings make up the range, even from the middle of a buffer', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x3000, 8 * PAGE));
    tracker.take(map(0x3000));
    tracker.take(unmap(0x3000));
    const chunks = [0x1000, 0x2000, 0x3000, 0x4000].map((iova) =>
      tracker.take(map(iova, PAGE, { pid: 7, runEnd: 0x5000 })),
    );
    expect(new Set(chunks)).toEqual(new Set([1]));
    expect(tracker.take(unmap(0x2000, 3 * PAGE))).toBe(1);
    expect(tracker.match).toBe(Match.WHOLE);
    expect(tracker.liveRanges).toBe(2);
  });

  it('is chosen with the whole scattered buffer in view', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x2000));
    // The first chunk would fit into domain 0, its continuation would not.
    const first = tracker.take(map(0x1000, PAGE, { runEnd: 0x3000, pid: 2 }));
    tracker.take(map(0x2000, PAGE, { pid: 2 }));
    expect([first, tracker.used]).toEqual([0, 2]);
    const other = new DomainTracker();
    other.take(map(0x2000));
    other.take(map(0x2000));
    other.take(unmap(0x2000));
    const free = other.domains.findIndex((domain) => domain.live.count === 0);
    expect(other.take(map(0x1000, PAGE, { runEnd: 0x3000, pid: 2 }))).toBe(free);
    expect(other.take(map(0x2000, PAGE, { pid: 2 }))).toBe(free);
  });

  it('is none when nothing holds the range, or when the kernel removed nothing', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x1000));
    expect(tracker.take(unmap(0x9000))).toBe(NO_DOMAIN);
    expect(tracker.match).toBe(Match.NONE);
    expect(tracker.take(unmap(0x1000, PAGE, { unmappedSize: 0 }))).toBe(NO_DOMAIN);
    expect(tracker).toMatchObject({ unmatchedUnmaps: 2, liveRanges: 1 });
  });

  it('an unmap of a part leaves the rest live', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x1000, 4 * PAGE));
    expect(tracker.take(unmap(0x2000))).toBe(0);
    expect(tracker.match).toBe(Match.PARTIAL);
    expect(tracker).toMatchObject({ partialUnmaps: 1, liveRanges: 2, liveBytes: 3 * PAGE });
  });

  it('an unmap larger than its map takes what was live in it', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x1000));
    expect(tracker.take(unmap(0x1000, 4 * PAGE))).toBe(0);
    expect(tracker.match).toBe(Match.BEYOND);
    expect(tracker).toMatchObject({ partialUnmaps: 1, liveRanges: 0, bytesUnmapped: PAGE });
  });

  it('an unmap that the kernel cut short counts with what it removed', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x1000));
    expect(tracker.take(unmap(0x1000, 4 * PAGE, { unmappedSize: PAGE }))).toBe(0);
    expect(tracker.match).toBe(Match.WHOLE);
  });

  it('never overlaps, and every unmap of something live finds it, whatever the events', () => {
    const step = fc.record({
      isMap: fc.boolean(),
      page: fc.integer({ min: 1, max: 40 }),
      pages: fc.integer({ min: 1, max: 6 }),
      pid: fc.integer({ min: 1, max: 4 }),
      context: fc.constantFrom(Context.TASK, Context.SOFTIRQ, Context.HARDIRQ),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const tracker = new DomainTracker();
        const live: Map<number, true>[] = [];
        for (const { isMap, page, pages, pid, context } of steps) {
          const make = isMap ? map : unmap;
          const at = tracker.take(make(page * PAGE, pages * PAGE, { pid, context }));
          const range = Array.from({ length: pages }, (_, index) => page + index);
          if (isMap) {
            live[at] ??= new Map();
            expect(range.some((number) => live[at]?.has(number))).toBe(false);
            for (const number of range) live[at]?.set(number, true);
          } else if (at === NO_DOMAIN) {
            expect(live.some((domain) => range.some((number) => domain.has(number)))).toBe(false);
          } else {
            const whole = live.some((domain) => range.every((number) => domain.has(number)));
            expect(tracker.match === Match.BEYOND).toBe(!whole);
            for (const number of range) live[at]?.delete(number);
          }
        }
        expect(tracker.liveBytes).toBe(live.reduce((sum, domain) => sum + domain.size, 0) * PAGE);
      }),
    );
  });
});

describe('what the capture tells about domains is used', () => {
  it('a named domain takes its own events only', () => {
    const tracker = new DomainTracker();
    const a = tracker.take(map(0x1000, PAGE, { domain: 5 }));
    const b = tracker.take(map(0x1000, PAGE, { domain: 3 }));
    expect(a).not.toBe(b);
    expect(tracker.take(unmap(0x1000, PAGE, { domain: 5 }))).toBe(a);
    expect(tracker.take(unmap(0x1000, PAGE, { domain: 5 }))).toBe(NO_DOMAIN);
    expect(tracker).toMatchObject({ used: 2, inferred: 0, unmatchedUnmaps: 1, liveRanges: 1 });
  });

  it('a named domain that maps over itself has lost events: the old mapping is forgotten and counted', () => {
    const tracker = new DomainTracker();
    tracker.take(map(0x1000, 2 * PAGE, { domain: 0 }));
    expect(tracker.take(map(0x2000, PAGE, { domain: 0 }))).toBe(0);
    expect(tracker.match).toBe(Match.REPLACED);
    expect(tracker).toMatchObject({ replacedMaps: 1, liveBytes: 2 * PAGE });
  });

  it('devices of one group share a domain', () => {
    const tracker = new DomainTracker();
    tracker.take(event(EventKind.ADD_DEVICE, { device: 0, group: 4 }));
    tracker.take(event(EventKind.ADD_DEVICE, { device: 1, group: 4 }));
    tracker.take(event(EventKind.ADD_DEVICE, { device: 2, group: 5 }));
    for (const device of [0, 1, 2]) tracker.take(event(EventKind.ATTACH, { device }));
    const [first, same, other] = [0, 1, 2].map((device) => tracker.take(map(0x1000 + device * PAGE, PAGE, { device })));
    expect(same).toBe(first);
    expect(other).not.toBe(first);
    expect(tracker.domains[first ?? 0]).toMatchObject({ origin: 'device', devices: [0, 1], group: 4 });
  });

  it('a device that is attached again has a new domain', () => {
    const tracker = new DomainTracker();
    tracker.take(event(EventKind.ATTACH, { device: 0 }));
    const before = tracker.take(map(0x1000, PAGE, { device: 0 }));
    tracker.take(event(EventKind.ATTACH, { device: 0 }));
    expect(tracker.take(map(0x9000, PAGE, { device: 0 }))).not.toBe(before);
  });

  it('the first map of a thread that attached a device is for that device', () => {
    const tracker = new DomainTracker();
    const first = tracker.take(map(0x1000));
    tracker.take(event(EventKind.ATTACH, { device: 0, pid: 9 }));
    expect(tracker.take(map(0x8000, PAGE, { pid: 9 }))).not.toBe(first);
  });

  it('a user who knows that there is one domain is believed: a map over a live mapping replaces it', () => {
    const tracker = new DomainTracker(true);
    expect([map(0x1000), map(0x1000), map(0x2000)].map((one) => tracker.take(one))).toEqual([0, 0, 0]);
    expect(tracker).toMatchObject({
      used: 1,
      replacedMaps: 1,
      contradictions: 1,
      bytesReplaced: PAGE,
      liveBytes: 2 * PAGE,
    });
    expect(tracker.take(unmap(0x1000))).toBe(0);
  });

  it('captures of one run share no domain', () => {
    const tracker = new DomainTracker();
    const one = tracker.take(map(0x1000, PAGE, { capture: 0 }));
    const two = tracker.take(map(0x9000, PAGE, { capture: 1 }));
    expect(two).not.toBe(one);
    expect(tracker.take(unmap(0x1000, PAGE, { capture: 1 }))).toBe(NO_DOMAIN);
  });
});

/** Share of the calls for which inference and truth agree, when each inferred domain is paired with the true one it mostly is. */
function agreement(pairs: readonly (readonly [number, number])[]): number {
  const counts = new Map<string, number>();
  for (const [found, truth] of pairs) counts.set(`${found} ${truth}`, (counts.get(`${found} ${truth}`) ?? 0) + 1);
  const usedFound = new Set<string>();
  const usedTruth = new Set<string>();
  let agreed = 0;
  for (const [key, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    const [found = '', truth = ''] = key.split(' ');
    if (usedFound.has(found) || usedTruth.has(truth)) continue;
    usedFound.add(found);
    usedTruth.add(truth);
    agreed += count;
  }
  return agreed / pairs.length;
}

describe('inference on real captures whose domains are known, with the domain hidden', () => {
  // The number of domains in use is found to one; the share of calls that get their true domain is what evidence of context, size and thread allows.
  it.each([
    ['dma-dump', 6, 694, 0.8],
    ['vfio-dump', 8, 639, 0.75],
  ])(
    '%s: the domains are found, the live pages at the end are right, most calls get their true domain',
    async (name, domains, livePages, share) => {
      const { events } = await readCaptures([`traces/samples/${name}.ftrace.txt.gz`]);
      const known = new DomainTracker();
      const hidden = new DomainTracker();
      const pairs: [number, number][] = [];
      for (const one of events) {
        const truth = known.take(one);
        if (one.kind <= EventKind.ATTACH) one.domain = UNKNOWN;
        const found = hidden.take(one);
        if (one.kind <= EventKind.UNMAP) pairs.push([found, truth]);
      }
      expect(known).toMatchObject({ used: domains, inferred: 0, unmatchedUnmaps: 0, replacedMaps: 0 });
      expect(known.liveBytes / PAGE).toBe(livePages);
      expect(Math.abs(hidden.used - domains)).toBeLessThanOrEqual(1);
      expect(hidden.unmatchedUnmaps).toBe(0);
      expect(hidden.partialUnmaps).toBeLessThan(events.length / 500);
      expect(hidden.liveBytes / PAGE).toBe(livePages);
      expect(agreement(pairs)).toBeGreaterThan(share);
    },
  );

  it('a capture without any hint replays with few partial unmaps and nothing unmatched', async () => {
    const { events } = await readCaptures(['traces/samples/medium-strict.ftrace.txt.gz']);
    const tracker = new DomainTracker();
    for (const one of events) tracker.take(one);
    expect(tracker.used).toBe(6);
    expect(tracker).toMatchObject({ unmatchedUnmaps: 0 });
    expect(tracker.partialUnmaps).toBeLessThan(30);
    expect(tracker.liveBytes / PAGE).toBe(725);
    expect(tracker.ambiguousMaps).toBeGreaterThan(0);
  });
});
