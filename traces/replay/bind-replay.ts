import type { MemoryUse } from '../../devices/index.ts';
import { addBindTotals, type BindTotals, type Deadlock, newBindTotals } from '../../devices/index.ts';
import { type AllocatorReport, ConfigError } from '../../formats/index.ts';
import { CaptureFeed } from '../capture/capture-feed.ts';
import type { CaptureStats } from '../capture/stats.ts';
import type { RunConfig } from '../config/run-config.ts';
import { fileSources } from '../files/index.ts';
import { BindReplayer } from './bind-replayer.ts';
import type { Refusal } from './refusal.ts';
import type { ReplayOptions } from './run.ts';

export const BIND_SCHEMA = 'tablewalk.bind/1';

/** What came of a capture whose maps and unmaps went through VM_BIND. Plain JSON. */
export interface BindReplayReport {
  readonly schema: typeof BIND_SCHEMA;
  /** False when the replay was interrupted or limited before the end of the capture. */
  readonly complete: boolean;
  readonly captures: readonly string[];
  readonly events: number;
  readonly maps: number;
  readonly unmaps: number;
  /** Records that could not be read, each skipped with its position. */
  readonly damaged: number;
  readonly domains: number;
  /** Over all domains: sums, and the largest of what is a peak or a worst. */
  readonly totals: BindTotals;
  /** Jobs that were refused, failed or cancelled, and those for which there was no domain. */
  readonly refused: number;
  /** The first jobs that were refused, failed or cancelled: which line of the capture asked for what, and why not. */
  readonly refusals: readonly Refusal[];
  readonly deadlocks: readonly Deadlock[];
  /** Tables in trees and ranges mapped at the end, before everything is taken down. */
  readonly liveTables: number;
  readonly liveRanges: number;
  readonly descriptorsWritten: number;
  readonly blockSplits: number;
  /** Where the tables came from and went to, with everything taken down at the end. */
  readonly allocation: AllocatorReport;
  readonly memory: MemoryUse;
  /** Findings of the sanitizer by kind. */
  readonly findings: Readonly<Record<string, number>>;
  readonly config: RunConfig;
}

/**
 * Replays a capture through VM_BIND: `bind.mode` of the configuration is `async`. The tables at the end are those of a direct replay.
 */
export class BindReplay {
  readonly #captures: readonly string[];
  readonly #config: RunConfig;
  readonly #options: ReplayOptions;
  readonly #feed: CaptureFeed;

  /** @throws ConfigError for a configuration that `ReplayRun` is for */
  constructor(captures: readonly string[], config: RunConfig, options: ReplayOptions = {}) {
    if (config.bind.mode !== 'async') throw new ConfigError('bind.mode', config.bind.mode, 'async, for BindReplay');
    this.#captures = captures;
    this.#config = config;
    this.#options = options;
    this.#feed = new CaptureFeed(fileSources(captures, options.stdin), options);
  }

  get stopped(): boolean {
    return this.#feed.stopped;
  }

  /** Ends the replay at the next block of input; jobs queued by then still run. */
  stop(): void {
    this.#feed.stop();
  }

  /** @throws InputError for captures that cannot be read, ConfigError for a machine that cannot work */
  async run(onProgress: (done: number, events: number) => void = () => {}): Promise<BindReplayReport> {
    const { sink, stats, complete } = await this.#feed.run(
      () => new BindReplayer(this.#config, this.#options.log),
      onProgress,
    );
    sink.end();
    return this.#report(sink, stats, complete);
  }

  #report(replayer: BindReplayer, stats: CaptureStats, complete: boolean): BindReplayReport {
    const used = replayer.domains.filter((one) => one !== undefined);
    const { machine } = replayer;
    const totals = newBindTotals();
    for (const { vm } of used) addBindTotals(totals, vm.totals());
    const report = {
      schema: BIND_SCHEMA,
      complete,
      captures: this.#captures,
      events: replayer.events,
      maps: replayer.maps,
      unmaps: replayer.unmaps,
      damaged: stats.damaged,
      domains: used.length,
      totals,
      refused: replayer.refusals.count,
      refusals: replayer.refusals.kept,
      deadlocks: replayer.clock.deadlocks,
      liveTables: used.reduce((sum, { domain }) => sum + domain.table.liveTables, 0),
      liveRanges: used.reduce((sum, { vm }) => sum + vm.ranges.count, 0),
      descriptorsWritten: used.reduce((sum, { domain }) => sum + domain.table.stats.descriptorsWritten, 0),
      blockSplits: used.reduce((sum, { domain }) => sum + domain.table.stats.blockSplits, 0),
    } as const;
    replayer.tearDown();
    return {
      ...report,
      allocation: machine.tables.report(),
      memory: machine.memoryMeter.report(),
      findings: Object.fromEntries(machine.sanitizer.countsByKind()),
      config: this.#config,
    };
  }
}
