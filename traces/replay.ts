import { openCaptures } from './capture/capture-reader.ts';
import type { RunConfig } from './config/run-config.ts';
import type { Log } from './log.ts';
import { Replayer } from './replayer.ts';
import { buildReport } from './report/build.ts';
import type { Report } from './report/report.ts';

export interface ReplayOptions {
  /** Refuse the first damaged record instead of counting it. */
  readonly strict?: boolean;
  /** Stop after this many events. */
  readonly limit?: number;
  /** Stop before the first event after this time of the trace clock. */
  readonly until?: number;
  /** What the path `-` reads; default the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Takes what happens on the way; default nobody. */
  readonly log?: Log;
  /** Shown the machine at the end of the capture, before the report takes its tables down. */
  readonly beforeReport?: (replayer: Replayer) => void;
}

/** One replay of one or several captures on one machine. */
export class ReplayRun {
  /** Where the machine stands; null before {@link run} has opened the captures. */
  replayer: Replayer | null = null;
  readonly #captures: readonly string[];
  readonly #config: RunConfig;
  readonly #options: ReplayOptions;
  #stopped = false;
  /** Wakes a replay that waits for input. */
  #wake: () => void = () => {};

  constructor(captures: readonly string[], config: RunConfig, options: ReplayOptions = {}) {
    this.#captures = captures;
    this.#config = config;
    this.#options = options;
  }

  /** Whether {@link stop} ended the replay. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Ends the replay after the block of input under way; the report tells of what was done until then. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /**
   * Replays everything.
   * @param onProgress told now and then which share of the input was read (0 to 1) and how many events there were
   * @throws InputError for captures that cannot be read, ConfigError for a machine that cannot work
   */
  async run(onProgress: (done: number, events: number) => void = () => {}): Promise<Report> {
    const { strict = false, limit = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY, stdin } = this.#options;
    const reader = await openCaptures(this.#captures, { strict, ...(stdin === undefined ? {} : { stdin }) });
    const replayer = new Replayer(this.#config, (device) => streamIdOf(reader.devices.name(device)), this.#options.log);
    this.replayer = replayer;
    const stopped = new Promise<false>((resolve) => {
      this.#wake = () => resolve(false);
    });
    let complete = true;
    reading: while (!this.#stopped && (await Promise.race([reader.fill(), stopped]))) {
      while (reader.next()) {
        const { event } = reader;
        if (event.time > until || replayer.events >= limit) {
          complete = false;
          break reading;
        }
        replayer.take(event);
      }
      const { read, total } = reader.progress;
      onProgress(total > 0 ? read / total : 0, replayer.events);
    }
    if (this.#stopped) {
      // What is being waited for may never come: nobody waits for the reader to close either.
      void reader.close();
      complete = false;
    } else {
      await reader.close();
    }
    replayer.end();
    this.#options.beforeReport?.(replayer);
    return buildReport(reader.stats, replayer, complete);
  }
}

/** StreamID of a PCI device named `domain:bus:device.function`, as Arm systems commonly wire it (bus, device, function); -1 for other names. */
export function streamIdOf(device: string): number {
  const match = /^(?:[0-9a-f]+:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(device);
  if (match === null) return -1;
  const [, bus = '', slot = '', fn = ''] = match;
  return Number.parseInt(bus, 16) * 256 + Number.parseInt(slot, 16) * 8 + Number(fn);
}
