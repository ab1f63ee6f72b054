import { InputError } from '../input-error.ts';
import { openSources } from './capture-reader.ts';
import type { CaptureStats, Decision, TraceEvent } from './events/index.ts';
import { whatInstead } from './remarks.ts';
import type { ByteSource } from './sources/index.ts';

/** Bytes mapped and unmapped until whoever wants to stop gets a chance: 2^18 pages of 4 KiB, less than a second of work. */
const BYTES_PER_TURN = 2 ** 30;

/** Milliseconds that what has been read may take to be unpacked and told apart, after somebody wants to stop. */
const LAST_TURN = 300;

/** How captures are read. */
export interface FeedOptions {
  /** Refuse the first damaged record instead of counting it. */
  readonly strict?: boolean;
  /** Stop after this many events. */
  readonly limit?: number;
  /** Stop before the first event after this time of the trace clock. */
  readonly until?: number;
}

/** Whoever takes the events of a capture, one by one. */
export interface EventSink {
  /** Events taken, losses that the recorder tells of not counted. */
  readonly events: number;
  take(event: TraceEvent): void;
  /** Takes an event whose domain was found when it was read; one that has no use for this is given it by {@link take}. */
  takeDecided?(event: TraceEvent, decision: Decision): void;
}

/** How the clock of an IOMMU's own log was joined with a capture's. */
export interface ClockOffset {
  /** Seconds that the log's clock is ahead. */
  readonly offset: number;
  /** By what they were matched: unmaps and their invalidations (exact), or maps and the first accesses to them (which come a little later). */
  readonly by: 'invalidations' | 'accesses';
  /** Unmaps whose invalidation was found at this distance, and all unmaps; or maps whose first access was, and all maps that could be told apart. */
  readonly matched: number;
  readonly of: number;
  /** Seconds within which nine tenths of the matched ones lie around the offset. */
  readonly spread: number;
}

/** What a feed knows of its captures besides their events. */
export interface EventOrigin {
  /** Device names by number. */
  readonly devices: { name(device: number): string };
  /** Where accesses of an IOMMU's own log are among the events: how the clocks were joined. */
  readonly accesses?: ClockOffset;
}

/** How a feed ended. */
export interface FeedEnd<S> {
  readonly sink: S;
  /** What the reader counted. */
  readonly stats: CaptureStats;
  /** Whether it came to the end of the captures. */
  readonly complete: boolean;
  /** Where the domains were found while reading: maps and unmaps that had a choice. */
  readonly ambiguous?: number;
}

/** Where the events of one replay come from. */
export interface EventFeed {
  /** Whether {@link stop} ended it. */
  readonly stopped: boolean;
  /** Ends the reading after the block of input under way, or after a large operation. */
  stop(): void;
  /**
   * Feeds every event to what `open` makes.
   * @param onProgress told now and then which share of the input was read (0 to 1) and how many events there were
   * @throws InputError for captures that cannot be read
   */
  run<S extends EventSink>(
    open: (origin: EventOrigin) => S,
    onProgress: (done: number, events: number) => void,
  ): Promise<FeedEnd<S>>;
}

/** Reads captures to their end, or until somebody stops it. */
export class CaptureFeed implements EventFeed {
  readonly #captures: readonly ByteSource[];
  readonly #options: FeedOptions;
  #stopped = false;
  /** Wakes a reader that waits for input. */
  #wake: () => void = () => {};

  constructor(captures: readonly ByteSource[], options: FeedOptions) {
    this.#captures = captures;
    this.#options = options;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async run<S extends EventSink>(
    open: (origin: EventOrigin) => S,
    onProgress: (done: number, events: number) => void,
  ): Promise<FeedEnd<S>> {
    const { strict = false, limit = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY } = this.#options;
    const reader = await openSources(this.#captures, { strict });
    let complete = true;
    let sink: S;
    try {
      sink = open(reader);
      const stopped = new Promise<true>((resolve) => {
        this.#wake = () => {
          setTimeout(() => resolve(true), reader.stop() ? LAST_TURN : 0);
        };
      });
      if (this.#stopped) this.#wake();
      // The few bytes that came before a stop need not be a capture yet.
      const fill = (): Promise<boolean> =>
        reader.fill().catch((error: unknown) => {
          if (this.#stopped) return false;
          throw error;
        });
      reading: while (await Promise.race([fill(), stopped])) {
        let bytes = 0;
        while (reader.next()) {
          const { event } = reader;
          if (event.time > until || sink.events >= limit) {
            complete = false;
            break reading;
          }
          sink.take(event);
          bytes += event.size;
          if (bytes < BYTES_PER_TURN) continue;
          bytes = 0;
          await new Promise((resolve) => setTimeout(resolve));
          if (this.#stopped) break reading;
        }
        if (this.#stopped) break;
        const { read, total } = reader.progress;
        onProgress(total > 0 ? read / total : 0, sink.events);
      }
    } catch (error) {
      await reader.close();
      throw error;
    }
    if (this.#stopped) {
      // What is being waited for may never come: nobody waits for the reader to close either.
      void reader.close();
      complete = false;
    } else {
      await reader.close();
    }
    if (complete && reader.stats.maps + reader.stats.unmaps === 0) {
      const files = this.#captures.map(({ name }) => name).join(', ');
      throw new InputError(
        files,
        '',
        whatInstead(reader.stats),
        'a capture with maps or unmaps (events iommu:map and iommu:unmap)',
      );
    }
    return { sink, stats: reader.stats, complete };
  }
}
