import { InputError } from '../input-error.ts';
import type { ByteSource } from './byte-source.ts';
import { type CaptureReader, openSources } from './capture-reader.ts';
import type { TraceEvent } from './event.ts';
import { whatInstead } from './remarks.ts';
import type { CaptureStats } from './stats.ts';

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
}

/** Reads captures to their end, or until somebody stops it. */
export class CaptureFeed {
  readonly #captures: readonly ByteSource[];
  readonly #options: FeedOptions;
  #stopped = false;
  /** Wakes a reader that waits for input. */
  #wake: () => void = () => {};

  constructor(captures: readonly ByteSource[], options: FeedOptions) {
    this.#captures = captures;
    this.#options = options;
  }

  /** Whether {@link stop} ended it. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Ends the reading after the block of input under way. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /**
   * Feeds every event to what `open` makes.
   * @param onProgress told now and then which share of the input was read (0 to 1) and how many events there were
   * @returns what `open` made, what the reader counted, and whether it came to the end
   * @throws InputError for captures that cannot be read
   */
  async run<S extends EventSink>(
    open: (reader: CaptureReader) => S,
    onProgress: (done: number, events: number) => void,
  ): Promise<{ readonly sink: S; readonly stats: CaptureStats; readonly complete: boolean }> {
    const { strict = false, limit = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY } = this.#options;
    const reader = await openSources(this.#captures, { strict });
    const sink = open(reader);
    const stopped = new Promise<false>((resolve) => {
      this.#wake = () => resolve(false);
    });
    let complete = true;
    reading: while (!this.#stopped && (await Promise.race([reader.fill(), stopped]))) {
      while (reader.next()) {
        const { event } = reader;
        if (event.time > until || sink.events >= limit) {
          complete = false;
          break reading;
        }
        sink.take(event);
      }
      const { read, total } = reader.progress;
      onProgress(total > 0 ? read / total : 0, sink.events);
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
