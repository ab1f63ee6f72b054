import { InputError } from '../../input-error.ts';
import type { EventFeed, EventOrigin, EventSink, FeedEnd } from '../capture-feed.ts';
import { CaptureStats, Decision, TraceEvent } from '../events/index.ts';
import type { RandomAccess } from '../sources/index.ts';
import { BLOCK_BYTES, BLOCK_EVENTS, EventBlock, MAGIC } from './layout.ts';
import type { PackedTrailer } from './writer.ts';

const TAIL = 4 + MAGIC.length;

/** Feeds packed events: to whom they come, they are those of the captures they were read from. */
export class PackedFeed implements EventFeed {
  readonly #file: string;
  readonly #open: () => Promise<RandomAccess>;
  #stopped = false;

  /** @param open opens the packed events; they are closed when the feed ends */
  constructor(file: string, open: () => Promise<RandomAccess>) {
    this.#file = file;
    this.#open = open;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** @throws InputError for a file that is not whole */
  async run<S extends EventSink>(
    open: (origin: EventOrigin) => S,
    onProgress: (done: number, events: number) => void,
  ): Promise<FeedEnd<S>> {
    const access = await this.#open();
    try {
      const { count, complete, ambiguous, devices, stats } = await readTrailer(this.#file, access);
      const sink = open({ devices: { name: (device) => devices[device] ?? '' } });
      const block = new EventBlock();
      const event = new TraceEvent();
      const decision = new Decision();
      for (let done = 0; done < count && !this.#stopped; done += BLOCK_EVENTS) {
        block.bytes.set(await access.read((done / BLOCK_EVENTS) * BLOCK_BYTES, BLOCK_BYTES));
        const events = Math.min(BLOCK_EVENTS, count - done);
        for (let at = 0; at < events; at++) {
          block.get(at, event, decision);
          if (sink.takeDecided === undefined) sink.take(event);
          else sink.takeDecided(event, decision);
        }
        onProgress((done + events) / count, sink.events);
      }
      return { sink, stats: statsFrom(stats), complete: complete && !this.#stopped, ambiguous };
    } finally {
      await access.close();
    }
  }
}

async function readTrailer(file: string, access: RandomAccess): Promise<PackedTrailer> {
  const broken = new InputError(file, '', 'events that are not all there', 'a file that this command wrote to its end');
  const tail = (await access.read(access.size - TAIL, TAIL)).slice();
  if (access.size < TAIL || new TextDecoder('latin1').decode(tail.subarray(4)) !== MAGIC) throw broken;
  const length = new Uint32Array(tail.buffer, 0, 1)[0] ?? 0;
  const text = new TextDecoder().decode(await access.read(access.size - TAIL - length, length));
  let trailer: PackedTrailer;
  try {
    trailer = JSON.parse(text) as PackedTrailer;
  } catch {
    throw broken;
  }
  if (Math.ceil(trailer.count / BLOCK_EVENTS) * BLOCK_BYTES !== access.size - TAIL - length) throw broken;
  return trailer;
}

/** Counters again, from {@link plainStats}. */
export function statsFrom(plain: Readonly<Record<string, unknown>>): CaptureStats {
  const { byKind, damage, ...others } = plain as unknown as CaptureStats;
  const stats = Object.assign(new CaptureStats(), others);
  stats.byKind.set(byKind);
  stats.damage.push(...damage);
  return stats;
}
