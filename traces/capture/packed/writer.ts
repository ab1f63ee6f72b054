import type { EventOrigin } from '../capture-feed.ts';
import type { CaptureStats, Decision, TraceEvent } from '../events/index.ts';
import { BLOCK_EVENTS, EventBlock, MAGIC } from './layout.ts';

/** What stands behind the events. Plain JSON. */
export interface PackedTrailer {
  /** Events of all kinds, losses included. */
  readonly count: number;
  /** Whether the captures were read to their end. */
  readonly complete: boolean;
  /** Maps and unmaps whose inferred domain had to be chosen among several that were likely. */
  readonly ambiguous: number;
  readonly devices: readonly string[];
  readonly stats: Readonly<Record<string, unknown>>;
}

/** Packs events whose domains are known. */
export class PackedWriter {
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

  put(event: TraceEvent, decision: Decision): void {
    if (event.device > this.#device) this.#device = event.device;
    this.#block.put(this.#inBlock++, event, decision);
    this.#count++;
    if (this.#inBlock === BLOCK_EVENTS) this.#flush();
  }

  /** Writes what is left, and the trailer. */
  end(stats: CaptureStats, complete: boolean, ambiguous: number): void {
    if (this.#inBlock > 0) this.#flush();
    const devices = Array.from({ length: this.#device + 1 }, (_, at) => this.#origin.devices.name(at));
    const trailer: PackedTrailer = {
      count: this.#count,
      complete,
      ambiguous,
      devices,
      stats: plainStats(stats),
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

/** Counters as plain data, which JSON and messages between threads carry. */
export function plainStats({ byKind, ...others }: CaptureStats): Readonly<Record<string, unknown>> {
  return { ...others, byKind: [...byKind] };
}
