import type { EventOrigin, EventSink } from '../capture-feed.ts';
import type { CaptureStats } from '../events/index.ts';
import { EventKind, type TraceEvent } from '../events/index.ts';
import { BLOCK_EVENTS, EventBlock, MAGIC } from './layout.ts';

/** What stands behind the events. Plain JSON. */
export interface PackedTrailer {
  /** Events of all kinds, losses included. */
  readonly count: number;
  /** Whether the captures were read to their end. */
  readonly complete: boolean;
  readonly devices: readonly string[];
  readonly stats: Readonly<Record<string, unknown>>;
}

/** Packs the events of a feed. */
export class PackedWriter implements EventSink {
  events = 0;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #origin: EventOrigin;
  readonly #block = new EventBlock();
  #inBlock = 0;
  #count = 0;
  #device = -1;

  /** @param write takes the bytes one after the other; they are valid during the call */
  constructor(origin: EventOrigin, write: (bytes: Uint8Array) => void) {
    this.#origin = origin;
    this.#write = write;
  }

  take(event: TraceEvent): void {
    if (event.kind !== EventKind.LOST) this.events++;
    if (event.device > this.#device) this.#device = event.device;
    this.#block.put(this.#inBlock++, event);
    this.#count++;
    if (this.#inBlock === BLOCK_EVENTS) this.#flush();
  }

  /** Writes what is left, and the trailer. */
  end(stats: CaptureStats, complete: boolean): void {
    if (this.#inBlock > 0) this.#flush();
    const devices = Array.from({ length: this.#device + 1 }, (_, at) => this.#origin.devices.name(at));
    const { byKind, ...others } = stats;
    const trailer: PackedTrailer = {
      count: this.#count,
      complete,
      devices,
      stats: { ...others, byKind: [...byKind] },
    };
    const text = new TextEncoder().encode(JSON.stringify(trailer));
    this.#write(text);
    this.#write(new Uint8Array(new Uint32Array([text.length]).buffer));
    this.#write(new TextEncoder().encode(MAGIC));
  }

  #flush(): void {
    this.#write(this.#block.bytes);
    this.#inBlock = 0;
  }
}
