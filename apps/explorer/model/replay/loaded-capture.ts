import {
  BLOCK_EVENTS,
  type ByteSource,
  CaptureFeed,
  Decision,
  EventBlock,
  EventKind,
  type EventOrigin,
  type EventSink,
  type HistorySource,
  InputError,
  MappingHistory,
  TraceEvent,
  whatInstead,
} from '../../../../traces/browser.ts';

/** Events of a capture that the page keeps: 120 bytes each. */
const MOST_EVENTS = 2_000_000;

/** A capture read once and kept, so that any event can be gone back to. */
export class LoadedCapture implements EventSink {
  readonly name: string;
  /** Events of all kinds, losses included. */
  count = 0;
  /** Those that a replay counts. */
  events = 0;
  /** Whether it was read to its end. */
  complete = true;
  readonly #blocks: EventBlock[] = [];
  readonly #origin: EventOrigin;
  /** A replay that stops early decides by what it has seen: each finds the domains itself. */
  readonly #undecided = new Decision();
  #history: Promise<MappingHistory> | null = null;

  private constructor(name: string, origin: EventOrigin) {
    this.name = name;
    this.#origin = origin;
  }

  /** @throws InputError for what is no capture, or holds no map and no unmap */
  static async read(sources: readonly ByteSource[], onProgress: (done: number) => void): Promise<LoadedCapture> {
    const name = sources.map((source) => source.name).join(', ');
    const feed = new CaptureFeed(sources, { limit: MOST_EVENTS });
    const { sink, stats, complete } = await feed.run((origin) => new LoadedCapture(name, origin), onProgress);
    if (stats.maps + stats.unmaps === 0) {
      throw new InputError(
        name,
        '',
        whatInstead(stats),
        'a capture with maps or unmaps (events iommu:map and iommu:unmap)',
      );
    }
    sink.complete = complete;
    return sink;
  }

  take(event: TraceEvent): void {
    if (event.kind !== EventKind.LOST) this.events++;
    const at = this.count % BLOCK_EVENTS;
    if (at === 0) this.#blocks.push(new EventBlock());
    this.#blocks.at(-1)?.put(at, event, this.#undecided);
    this.count++;
  }

  /** Overwrites `event` with the one at a place, from 0. */
  get(at: number, event: TraceEvent): void {
    this.#blocks[Math.floor(at / BLOCK_EVENTS)]?.get(at % BLOCK_EVENTS, event, this.#undecided);
  }

  /** Every mapping of it, put together when somebody first asks. */
  history(): Promise<MappingHistory> {
    this.#history ??= MappingHistory.read(this.#reader());
    return this.#history;
  }

  /** How many events have happened by a time of the trace's clock. */
  eventAt(time: number): number {
    const event = new TraceEvent();
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      this.get(middle, event);
      if (event.time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #reader(): HistorySource {
    const event = new TraceEvent();
    let at = 0;
    return {
      event,
      devices: this.#origin.devices,
      fill: async () => at < this.count,
      next: () => {
        if (at >= this.count) return false;
        this.get(at++, event);
        return true;
      },
    };
  }

  deviceName(device: number): string {
    return this.#origin.devices.name(device);
  }
}
