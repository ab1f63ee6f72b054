/** Which stream each map and unmap of a capture is of, as an IOMMU's own log of the same run shows. */
import { EventKind, type TraceEvent, UNKNOWN } from '../events/index.ts';
import { streamIdOf } from '../pci-stream.ts';
import type { ByteSource } from '../sources/index.ts';
import { LIFE_TOLERANCE, MergedEvents } from './merge.ts';

/** Mappings are found by their pages of this size, up to so large; larger ones are searched one by one. */
const PAGE = 4096;
const LARGE = 2 ** 21;
/** Of one page so many maps are remembered: one for each domain that may have it at a time. */
const KEPT = 12;

/** A map that an access may be of. */
interface Candidate {
  readonly call: number;
  readonly from: number;
  readonly iova: number;
  readonly end: number;
  /** PA - IOVA. */
  readonly distance: number;
}

/** An unmap whose invalidation has not been seen yet. */
interface Pending {
  readonly call: number;
  readonly time: number;
  readonly size: number;
}

/**
 * Streams by the number of a map or unmap in its capture, from 0. Plain lines of maps and unmaps name no domain; but each access in the log
 * names its stream, with the two addresses of a mapping, and each invalidation the ASID of an unmap. What an ASID's streams are, the
 * accesses to what it unmaps tell.
 */
class Owners {
  /** Calls whose stream is known, and all. */
  known = 0;
  calls = 0;
  #streams = new Int32Array(4096).fill(UNKNOWN);
  #asids = new Int32Array(4096).fill(UNKNOWN);
  readonly #pages = new Map<number, Candidate[]>();
  readonly #large: Candidate[] = [];
  /** When a page was last unmapped, in whatever domain. */
  readonly #unmapped = new Map<number, number>();
  readonly #pending = new Map<number, Pending[]>();
  /** Of each group the device that joined first, and for each device of a group that one. */
  readonly #firstOfGroup = new Map<number, number>();
  readonly #standsFor = new Map<number, number>();
  /** Votes of accesses: ASID to streams to how often. */
  readonly #votes = new Map<number, Map<number, number>>();

  /** Stream of a map or unmap, or unknown. */
  streamOf(call: number): number {
    return this.#streams[call] ?? UNKNOWN;
  }

  /** A map or unmap of the capture: up to {@link LIFE_TOLERANCE} before what the log says of that time. */
  call({ kind, time, iova, pa, size }: TraceEvent): void {
    const call = this.calls++;
    if (call === this.#streams.length) this.#grow();
    if (kind === EventKind.UNMAP) {
      const waiting = this.#pending.get(iova) ?? [];
      waiting.push({ call, time, size });
      this.#pending.set(iova, waiting);
      const pages = Math.min(size, LARGE) / PAGE;
      for (let page = 0; page < pages; page++) this.#unmapped.set(Math.floor(iova / PAGE) + page, time);
      return;
    }
    const candidate = { call, from: time, iova, end: iova + size, distance: pa - iova };
    if (size > LARGE) this.#large.push(candidate);
    else {
      for (let page = Math.floor(iova / PAGE); page * PAGE < iova + size; page++) {
        const maps = this.#pages.get(page) ?? [];
        if (maps.length === KEPT) maps.shift();
        maps.push(candidate);
        this.#pages.set(page, maps);
      }
    }
  }

  /** A device joins a group, whose devices share a domain. */
  join(stream: number, group: number): void {
    const first = this.#firstOfGroup.get(group) ?? stream;
    this.#firstOfGroup.set(group, first);
    this.#standsFor.set(stream, first);
  }

  /**
   * The newest map that it can be of and that nobody is known to own is this stream's, unless the stream has one that was never unmapped:
   * some pages, such as the doorbell of interrupts, are mapped alike in every domain.
   */
  access({ time, stream, iova, pa }: TraceEvent): void {
    const owner = this.#standsFor.get(stream) ?? stream;
    const page = Math.floor(iova / PAGE);
    const unmapped = this.#unmapped.get(page) ?? Number.NEGATIVE_INFINITY;
    let newest: Candidate | null = null;
    for (const maps of [this.#large, this.#pages.get(page) ?? []]) {
      for (const map of maps) {
        if (map.from > time + LIFE_TOLERANCE || map.distance !== pa - iova) continue;
        if (iova < map.iova || iova >= map.end) continue;
        const known = this.#streams[map.call];
        if (known === owner && map.from > unmapped) return;
        // One of its own that is newer than all that nobody owns is what it uses.
        if (known === owner) newest = null;
        else if (known === UNKNOWN) newest = map;
      }
    }
    if (newest === null) return;
    this.#streams[newest.call] = owner;
    this.known++;
  }

  /** An invalidation of leaves of one ASID; one that names none tells nothing. */
  invalidation({ time, iova, size, asid }: TraceEvent): void {
    if (asid === UNKNOWN) return;
    const waiting = this.#pending.get(iova);
    while (waiting?.[0] !== undefined && waiting[0].time < time - LIFE_TOLERANCE) waiting.shift();
    const [first] = waiting ?? [];
    // A large range takes several commands: the first begins where it does.
    if (first === undefined || first.size < size || first.time > time + LIFE_TOLERANCE) return;
    waiting?.shift();
    this.#asids[first.call] = asid;
    const stream = this.#streamLastAt(iova, first.time);
    if (stream === UNKNOWN) return;
    const votes = this.#votes.get(asid) ?? new Map<number, number>();
    votes.set(stream, (votes.get(stream) ?? 0) + 1);
    this.#votes.set(asid, votes);
  }

  /** Everything is told: unmaps get the stream that their ASID is of. */
  settle(): void {
    const streams = new Map<number, number>();
    for (const [asid, votes] of this.#votes) {
      const [best] = [...votes].sort((a, b) => b[1] - a[1]);
      if (best !== undefined) streams.set(asid, best[0]);
    }
    for (let call = 0; call < this.calls; call++) {
      const stream = streams.get(this.#asids[call] as number);
      if (stream === undefined) continue;
      this.#streams[call] = stream;
      this.known++;
    }
    this.#pages.clear();
    this.#pending.clear();
    this.#unmapped.clear();
    this.#large.length = 0;
  }

  /** Stream of the last map that began at an address, as far as it is known. */
  #streamLastAt(iova: number, time: number): number {
    const maps = this.#pages.get(Math.floor(iova / PAGE)) ?? [];
    for (let at = maps.length - 1; at >= 0; at--) {
      const map = maps[at] as Candidate;
      if (map.iova === iova && map.from <= time) return this.streamOf(map.call);
    }
    return UNKNOWN;
  }

  #grow(): void {
    const grown = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(2 * old.length).fill(UNKNOWN);
      larger.set(old);
      return larger;
    };
    this.#streams = grown(this.#streams);
    this.#asids = grown(this.#asids);
  }
}

/**
 * Reads both once more and finds the owners.
 * @param offset seconds that the log's clock is ahead
 * @throws InputError
 */
export async function findOwners(capture: ByteSource, log: ByteSource, offset: number): Promise<Owners> {
  const owners = new Owners();
  const merged = await MergedEvents.open(capture, log, offset, LIFE_TOLERANCE);
  const { event } = merged;
  while (await merged.next()) {
    const { kind } = event;
    if (!merged.fromLog) {
      if (kind === EventKind.MAP || kind === EventKind.UNMAP) owners.call(event);
      else if (kind === EventKind.ADD_DEVICE && event.group !== UNKNOWN) {
        const stream = streamIdOf(merged.capture.devices.name(event.device));
        if (stream >= 0) owners.join(stream, event.group);
      }
    } else if (kind === EventKind.ACCESS) owners.access(event);
    else if (kind === EventKind.INVALIDATE && event.iova >= 0 && event.prot !== 0) owners.invalidation(event);
  }
  await merged.close();
  owners.settle();
  return owners;
}
