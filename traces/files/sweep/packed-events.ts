import { CaptureFeed, type FeedOptions, PackedFeed, PackedWriter } from '../../capture/index.ts';
import { DomainDecider } from '../../domains/index.ts';
import { InputError } from '../../input-error.ts';
import { fileSources } from '../file-source.ts';
import { WholeFile } from '../whole-file.ts';

/** Reads captures and finds their domains once, and keeps the events in a file for many replays. */
export class EventPacking {
  readonly #captures: readonly string[];
  readonly #feed: CaptureFeed;
  readonly #file: string;

  /** @param file where the events go; it appears whole or not at all */
  constructor(captures: readonly string[], options: FeedOptions, file: string) {
    this.#captures = captures;
    this.#feed = new CaptureFeed(fileSources(captures), options);
    this.#file = file;
  }

  stop(): void {
    this.#feed.stop();
  }

  /** @returns whether it came to the end, and there is a file @throws InputError for captures that cannot be read */
  async run(onProgress: (done: number, events: number) => void): Promise<boolean> {
    const file = new WholeFile('--out', this.#file, this.#captures);
    try {
      let writer: PackedWriter | null = null;
      const { sink, stats, complete } = await this.#feed.run((origin) => {
        const packed = new PackedWriter(origin, (bytes) => file.write(bytes));
        writer = packed;
        return new DomainDecider((event, decision) => packed.put(event, decision));
      }, onProgress);
      if (this.#feed.stopped || writer === null) return false;
      sink.end();
      (writer as PackedWriter).end(stats, complete, sink.ambiguous);
      file.commit();
      return true;
    } finally {
      file.abandon();
    }
  }
}

/** The events that an {@link EventPacking} kept. */
export function packedEvents(file: string): PackedFeed {
  return new PackedFeed(file, async () => {
    const access = await fileSources([file])[0]?.random();
    if (access === null || access === undefined) throw new InputError(file, '', 'an empty file', 'packed events');
    return access;
  });
}
