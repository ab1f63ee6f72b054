import { CaptureFeed, type FeedOptions, PackedFeed, PackedWriter } from '../../capture/index.ts';
import { InputError } from '../../input-error.ts';
import { fileSources } from '../file-source.ts';
import { WholeFile } from '../whole-file.ts';

/** Reads captures once, and keeps their events in a file for many replays. */
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
      const { sink, stats, complete } = await this.#feed.run(
        (origin) => new PackedWriter(origin, (bytes) => file.write(bytes)),
        onProgress,
      );
      if (this.#feed.stopped) return false;
      sink.end(stats, complete);
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
