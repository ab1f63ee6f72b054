import type { Log } from '../../devices/index.ts';
import { ConfigError } from '../../formats/index.ts';
import type { ByteSource } from '../capture/index.ts';
import { CaptureFeed, type EventFeed, type FeedOptions, streamIdOf } from '../capture/index.ts';
import type { RunConfig } from '../config/index.ts';
import { Replayer } from '../replay/index.ts';
import type { Report } from '../report/index.ts';
import { buildReport } from '../report/index.ts';

export interface ReplayOptions extends FeedOptions {
  /** Names of the captures in the report, where a feed of events has none. */
  readonly captures?: readonly string[];
  /** Takes what happens on the way; default nobody. */
  readonly log?: Log;
  /** Shown the machine before the first event, to watch it. */
  readonly onStart?: (replayer: Replayer, deviceName: (device: number) => string) => void;
  /** Shown the machine at the end of the capture, before the report takes its tables down. */
  readonly beforeReport?: (replayer: Replayer) => void;
}

/** One replay of one or several captures on one machine. Of files it is a `ReplayRun`. */
export class Replay {
  /** Where the machine stands; null before {@link run} has opened the captures. */
  replayer: Replayer | null = null;
  readonly #feed: EventFeed;
  readonly #config: RunConfig;
  readonly #options: ReplayOptions;
  readonly #names: readonly string[];

  /** @param captures what is read, in this order; or a feed of events, for which the options that say how to read have no meaning */
  constructor(captures: readonly ByteSource[] | EventFeed, config: RunConfig, options: ReplayOptions = {}) {
    this.#feed = 'run' in captures ? captures : new CaptureFeed(captures, options);
    this.#config = config;
    this.#options = options;
    this.#names = 'run' in captures ? (options.captures ?? []) : captures.map(({ name }) => name);
  }

  /** Whether {@link stop} ended the replay. */
  get stopped(): boolean {
    return this.#feed.stopped;
  }

  /** Ends the replay after the block of input under way; the report tells of what was done until then. */
  stop(): void {
    this.#feed.stop();
  }

  /**
   * Replays everything.
   * @param onProgress told now and then which share of the input was read (0 to 1) and how many events there were
   * @throws InputError for captures that cannot be read, ConfigError for a machine that cannot work
   */
  async run(onProgress: (done: number, events: number) => void = () => {}): Promise<Report> {
    let nameOf = (device: number): string => `device ${device}`;
    const {
      sink,
      stats,
      complete,
      ambiguous = 0,
    } = await this.#feed.run(({ devices, accesses }) => {
      nameOf = (device) => devices.name(device);
      const streamOf = (device: number): number => streamIdOf(devices.name(device));
      this.replayer = new Replayer(this.#config, streamOf, this.#options.log);
      if (accesses !== undefined) this.replayer.recordAccesses(accesses);
      this.#options.onStart?.(this.replayer, nameOf);
      return this.replayer;
    }, onProgress);
    if (this.#config.invalidation.mode === 'lazy' && stats.clock !== 'seconds' && sink.operations > 0) {
      throw new ConfigError(
        'invalidation.mode',
        'lazy',
        `strict: a flush queue's timer runs in seconds, and ${stats.clock === 'ticks' ? 'this capture’s clock counts ticks' : 'this capture’s events carry no time'}`,
      );
    }
    sink.tracker.decidedElsewhere(ambiguous);
    sink.end();
    this.#options.beforeReport?.(sink);
    return buildReport(stats, sink, complete, nameOf, this.#names, this.#options.until);
  }
}
