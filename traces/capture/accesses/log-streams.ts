import { EventKind } from '../events/index.ts';
import { readLog } from './read-log.ts';

/** What an IOMMU's own log tells of one stream. */
export interface StreamSums {
  readonly stream: number;
  readonly translations: number;
  /** Pages of 4 KiB that they touched. */
  readonly pages: number;
  /** Lookups in the IOMMU's TLB that ended in a translation or a fault of the stream, as far as the log holds them. */
  readonly hits: number;
  readonly misses: number;
  readonly faults: number;
  /** Address spaces that its lookups were in; those of stage 2 have no ASID. */
  readonly asids: readonly number[];
  /** Invalidations of addresses in them; several streams of one address space have the same ones. */
  readonly ranges: number;
  /** Invalidations of one of them as a whole. */
  readonly addressSpaces: number;
}

export interface LogSums {
  /** By StreamID. */
  readonly streams: readonly StreamSums[];
  /** Invalidations of everything, or of all of one security state or VMID. */
  readonly everything: number;
  /** Invalidations in address spaces of which no lookup tells whose they are, and of addresses under no one ASID (stage 2, or of all ASIDs). */
  readonly ofNobody: number;
  readonly damaged: number;
}

interface Counts {
  translations: number;
  hits: number;
  misses: number;
  faults: number;
  readonly pages: Set<number>;
  readonly asids: Set<number>;
}

const PAGE = 4096;

/** Sums of a log by stream: what it can say when it is read alone. */
export function logStreams(file: string, bytes: Uint8Array): LogSums {
  const counts = new Map<number, Counts>();
  const told = new Map<number, { ranges: number; wholes: number }>();
  let everything = 0;
  let withoutAsid = 0;
  const stats = readLog(file, bytes, (event, lookup) => {
    const { kind, stream, asid } = event;
    if (kind === EventKind.INVALIDATE) {
      if (asid < 0) {
        if (event.iova < 0) everything++;
        else withoutAsid++;
        return;
      }
      const one = told.get(asid) ?? { ranges: 0, wholes: 0 };
      told.set(asid, one);
      if (event.iova < 0) one.wholes++;
      else one.ranges++;
      return;
    }
    if (kind !== EventKind.ACCESS && kind !== EventKind.FAULT) return;
    const one = counts.get(stream) ?? newCounts();
    counts.set(stream, one);
    if (kind === EventKind.FAULT) one.faults++;
    else {
      one.translations++;
      one.pages.add(Math.floor(event.iova / PAGE));
    }
    if (lookup === null) return;
    if (lookup.hit) one.hits++;
    else one.misses++;
    if (lookup.asid >= 0) one.asids.add(lookup.asid);
  });
  const owned = new Set([...counts.values()].flatMap(({ asids }) => [...asids]));
  const ofNobody = [...told].filter(([asid]) => !owned.has(asid));
  return {
    streams: [...counts]
      .sort(([one], [other]) => one - other)
      .map(([stream, { translations, hits, misses, faults, pages, asids }]) => {
        const mine = [...asids].flatMap((asid) => told.get(asid) ?? []);
        return {
          stream,
          translations,
          pages: pages.size,
          hits,
          misses,
          faults,
          asids: [...asids].sort((one, other) => one - other),
          ranges: mine.reduce((sum, { ranges }) => sum + ranges, 0),
          addressSpaces: mine.reduce((sum, { wholes }) => sum + wholes, 0),
        };
      }),
    everything,
    ofNobody: ofNobody.reduce((sum, [, { ranges, wholes }]) => sum + ranges + wholes, withoutAsid),
    damaged: stats.damaged,
  };
}

function newCounts(): Counts {
  return { translations: 0, hits: 0, misses: 0, faults: 0, pages: new Set(), asids: new Set() };
}
