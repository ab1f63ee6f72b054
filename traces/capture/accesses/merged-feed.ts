import { InputError } from '../../input-error.ts';
import type { EventFeed, EventOrigin, EventSink, FeedEnd, FeedOptions } from '../capture-feed.ts';
import { EventKind, type NameTable, UNKNOWN } from '../events/index.ts';
import { pciNameOf, streamIdOf } from '../pci-stream.ts';
import type { ByteSource } from '../sources/index.ts';
import { findClockOffset, LIFE_TOLERANCE, MergedEvents } from './merge.ts';
import { findOwners } from './owners.ts';

/**
 * A capture with what an IOMMU's own log of the same run says its devices accessed: three passes: how far the clocks are apart, whose each
 * map and unmap is where the capture does not say, and the events. Accesses and faults of the log come {@link LIFE_TOLERANCE} before they are due, in the capture's clock, so that whoever takes
 * them can see which of them belong before an unmap that is about to come; everything else in the log is left out.
 */
export class MergedFeed implements EventFeed {
  readonly #capture: ByteSource;
  readonly #log: ByteSource;
  readonly #options: FeedOptions;
  #stopped = false;

  constructor(capture: ByteSource, log: ByteSource, options: FeedOptions = {}) {
    this.#capture = capture;
    this.#log = log;
    this.#options = options;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run<S extends EventSink>(
    open: (origin: EventOrigin) => S,
    onProgress: (done: number, events: number) => void,
  ): Promise<FeedEnd<S>> {
    const { strict = false, limit = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY } = this.#options;
    const accesses = await findClockOffset(this.#capture, this.#log);
    const owners = await findOwners(this.#capture, this.#log, accesses.offset);
    const merged = await MergedEvents.open(this.#capture, this.#log, accesses.offset, -LIFE_TOLERANCE, { strict });
    const { event, capture } = merged;
    const sink = open({ devices: capture.devices, accesses });
    const names = new Map<number, number>();
    let calls = 0;
    let complete = true;
    for (let turns = 1; !this.#stopped && (await merged.next()); turns++) {
      if (merged.fromLog) {
        if (event.kind === EventKind.ACCESS || event.kind === EventKind.FAULT) sink.take(event);
      } else if (event.time > until || sink.events >= limit) {
        complete = false;
        break;
      } else {
        if (event.kind === EventKind.MAP || event.kind === EventKind.UNMAP) {
          const stream = owners.streamOf(calls++);
          if (stream !== UNKNOWN && event.domain === UNKNOWN && event.device === UNKNOWN) {
            event.device = deviceOf(stream, capture.devices, names);
          }
        }
        sink.take(event);
      }
      if (turns % PROGRESS_TURNS === 0) {
        const { read, total } = capture.progress;
        onProgress(total > 0 ? read / total : 0, sink.events);
        // Whoever wants to stop this gets a chance.
        await new Promise((resolve) => setTimeout(resolve));
      }
    }
    await merged.close();
    if (complete && sink.events === 0) {
      throw new InputError(this.#capture.name, '', 'no event', 'the capture of the run that the log is of');
    }
    return { sink, stats: capture.stats, complete: complete && !this.#stopped };
  }
}

/** Events between two words on the progress. */
const PROGRESS_TURNS = 65_536;

/** The device of a stream: the one that the capture names, else one called as PCI would. @param known what was found before */
function deviceOf(stream: number, devices: NameTable, known: Map<number, number>): number {
  let device = known.get(stream);
  if (device !== undefined) return device;
  for (let at = 0; at < devices.size; at++) if (streamIdOf(devices.name(at)) === stream) device = at;
  if (device === undefined) {
    const name = new TextEncoder().encode(pciNameOf(stream));
    device = devices.intern(name, 0, name.length);
  }
  known.set(stream, device);
  return device;
}
