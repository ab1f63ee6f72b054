/** Every mapping that a capture tells of, with who made it and when it went. */
import { LiveRanges } from '../../../emulator/index.ts';
import { EventKind, type TraceEvent, UNKNOWN } from '../../capture/index.ts';
import { DomainTracker, Match, NO_DOMAIN } from '../../domains/index.ts';

/** Where in the capture something happened. */
export interface Moment {
  /** Seconds of the trace clock, or its ticks. */
  readonly time: number;
  /** Line or record of the capture. */
  readonly line: number;
  /** UNKNOWN (-1) where the capture does not say. */
  readonly pid: number;
  readonly cpu: number;
}

/** One mapping, or the part of one that an unmap took or left. */
export interface Mapping {
  readonly start: number;
  readonly end: number;
  /** Physical address of `start`. */
  readonly pa: number;
  /** Linux's IOMMU_* bits, or UNKNOWN. */
  readonly prot: number;
  readonly domain: number;
  readonly device: string;
  readonly made: Moment;
  /** Null while it lives. */
  gone: Moment | null;
}

/** A fault that the capture itself tells of. */
export interface CaptureFault {
  readonly iova: number;
  readonly prot: number;
  readonly device: string;
  readonly at: Moment;
}

/** Where the events of one capture come from: a reader, or whoever keeps them. */
export interface HistorySource {
  /** Brings more in; false when there is no more. */
  fill(): Promise<boolean>;
  /** Moves to the next event; false when `fill` has to bring more. */
  next(): boolean;
  readonly event: TraceEvent;
  readonly devices: { name(device: number): string };
}

const PAGE = 4096;

/**
 * Keeps all mappings of one capture in memory, a hundred bytes or two for each.
 *
 * Does not: join several captures; tell which task a pid is; know when the TLB forgot what an unmap took away.
 */
export class MappingHistory {
  readonly mappings: Mapping[] = [];
  readonly faults: CaptureFault[] = [];
  /** Devices of each domain, by name. */
  readonly devices: string[][] = [];
  /** Domains that the capture does not name were inferred. */
  inferred = 0;
  lastTime = Number.NEGATIVE_INFINITY;
  readonly #live: LiveRanges[] = [];

  static async read(reader: HistorySource): Promise<MappingHistory> {
    const history = new MappingHistory();
    const tracker = new DomainTracker((event, domain) => history.#take(event, domain, tracker, reader));
    while (await reader.fill()) {
      while (reader.next()) tracker.take(reader.event);
    }
    tracker.end();
    history.inferred = tracker.inferred;
    for (const [at, { devices }] of tracker.domains.entries()) {
      const names = new Set(devices.map((device) => reader.devices.name(device)));
      for (const { domain, device } of history.mappings) if (domain === at && device !== '') names.add(device);
      history.devices[at] = [...names];
    }
    return history;
  }

  #take(event: TraceEvent, domain: number, tracker: DomainTracker, reader: HistorySource): void {
    if (event.time > this.lastTime) this.lastTime = event.time;
    const device = event.device === UNKNOWN ? '' : reader.devices.name(event.device);
    if (event.kind === EventKind.FAULT && event.iova !== UNKNOWN) {
      this.faults.push({ iova: event.iova, prot: event.prot, device, at: momentOf(event) });
      return;
    }
    if (domain === NO_DOMAIN) return;
    if (event.kind === EventKind.MAP) {
      const end = event.iova + event.size;
      if (tracker.match === Match.REPLACED) {
        for (const part of tracker.parts) this.#end(domain, part.start, part.end, event);
      }
      this.#add({
        start: event.iova,
        end,
        pa: event.pa,
        prot: event.prot,
        domain,
        device,
        made: momentOf(event),
        gone: null,
      });
    } else if (event.kind === EventKind.UNMAP) {
      const size = event.unmappedSize === UNKNOWN ? event.size : event.unmappedSize;
      this.#end(domain, event.iova, event.iova + size, event);
    }
  }

  #add(mapping: Mapping): void {
    this.#liveOf(mapping.domain).insert(mapping.start, mapping.end, this.mappings.length);
    this.mappings.push(mapping);
  }

  #end(domain: number, start: number, end: number, event: TraceEvent): void {
    const live = this.#liveOf(domain);
    let at = start;
    while (at < end && live.overlaps(at, end)) {
      const index = live.tagAt(at);
      const mapping = index < 0 ? undefined : this.mappings[index];
      if (mapping === undefined) {
        at = Math.floor(at / PAGE) * PAGE + PAGE;
        continue;
      }
      live.remove(mapping.start, mapping.end);
      const from = Math.max(start, mapping.start);
      const to = Math.min(end, mapping.end);
      this.mappings[index] = { ...part(mapping, from, to), gone: momentOf(event) };
      if (mapping.start < from) this.#add(part(mapping, mapping.start, from));
      if (to < mapping.end) this.#add(part(mapping, to, mapping.end));
      at = to;
    }
  }

  #liveOf(domain: number): LiveRanges {
    let live = this.#live[domain];
    if (live === undefined) {
      live = new LiveRanges();
      this.#live[domain] = live;
    }
    return live;
  }
}

function part(of: Mapping, start: number, end: number): Mapping {
  return { ...of, start, end, pa: of.pa === UNKNOWN ? UNKNOWN : of.pa + (start - of.start) };
}

function momentOf({ time, line, pid, cpu }: TraceEvent): Moment {
  return { time, line, pid, cpu };
}
