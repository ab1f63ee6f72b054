import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import type { Command } from 'commander';
import { ConfigError } from '../../../formats/index.ts';
import {
  checkOutputs,
  csvFiles,
  DatabaseOutput,
  DatabaseRecorder,
  htmlReport,
  makeFolder,
  PerfettoTrace,
  type Replayer,
  type Report,
  RunSeries,
  type RunWatcher,
  statsText,
  WholeFile,
  watchRun,
  writeWholeFile,
} from '../../../traces/index.ts';
import { HTML_ASSETS } from '../html/index.ts';
import { wholeNumber } from './machine-options.ts';

/** Packets are packed quickly rather than well: a run shall not wait for it. */
const DEFLATE = { level: 1 } as const;

/** What commander hands to an action for {@link addOutputOptions}. */
export interface OutputFlags {
  readonly json?: string;
  readonly csv?: string;
  readonly stats?: string;
  readonly html?: string;
  readonly perfetto?: string;
  readonly db?: string;
  readonly dbSample: number;
}

/** Adds the options that write a report in other forms. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--csv <folder>', 'write metrics, operations, accesses, costs and findings as CSV files into a folder')
    .option('--stats <file>', 'write every figure by its stable name, in the layout of gem5’s stats.txt')
    .option('--html <file>', 'write one page with plots and tables, which opens from disk')
    .option('--perfetto <file>', 'write a timeline of CPUs, streams, table memory and findings, for ui.perfetto.dev')
    .option(
      '--db <path>',
      'write operations, accesses, invalidations, windows, findings, tables and faults as a database: a folder of Parquet files, or one file that ends in .duckdb',
    )
    .option('--db-sample <n>', 'with --db: keep one device access in so many', wholeNumber(1), 1);
}

/** The other forms of one run's report: checked before it, fed while it runs, written after it. */
export class ReportOutputs {
  readonly #flags: OutputFlags;
  readonly #captures: readonly string[];
  #series: RunSeries | null = null;
  #trace: PerfettoTrace | null = null;
  #traceFile: WholeFile | null = null;
  readonly #database: DatabaseOutput | null;
  #recorder: DatabaseRecorder | null = null;

  /** @throws ConfigError naming the option whose file cannot be written */
  constructor(flags: OutputFlags, captures: readonly string[]) {
    this.#flags = flags;
    this.#captures = captures;
    checkOutputs(
      [
        ['--stats', flags.stats],
        ['--html', flags.html],
        ['--perfetto', flags.perfetto],
      ],
      captures,
    );
    if (flags.perfetto === '-') throw new ConfigError('--perfetto', '-', 'a file: standard output has the report');
    if (flags.csv !== undefined) makeFolder('--csv', flags.csv);
    this.#database = flags.db === undefined ? null : new DatabaseOutput('--db', flags.db, captures);
  }

  /** Watches a run that begins, if an output needs it. */
  watch(replayer: Replayer, deviceName: (device: number) => string): void {
    const { html, perfetto } = this.#flags;
    const watchers: RunWatcher[] = [];
    if (html !== undefined) {
      this.#series = new RunSeries(replayer, deviceName);
      watchers.push(this.#series);
    }
    if (perfetto !== undefined) {
      const file = new WholeFile('--perfetto', perfetto, this.#captures);
      this.#traceFile = file;
      const sink = {
        write: (bytes: Uint8Array) => file.write(bytes),
        deflate: (bytes: Uint8Array) => deflateSync(bytes, DEFLATE),
      };
      this.#trace = new PerfettoTrace(replayer, sink, deviceName);
      watchers.push(this.#trace);
    }
    const database = this.#database;
    if (database !== null) {
      const options = { accessSample: this.#flags.dbSample, deviceName };
      this.#recorder = new DatabaseRecorder(replayer, (table) => database.sink(table), options);
      watchers.push(this.#recorder);
    }
    watchRun(replayer, watchers);
  }

  /** Nothing more of the capture comes; the machine still stands. */
  captureEnded(): void {
    this.#recorder?.captureEnded();
  }

  /**
   * Writes every form that was asked for.
   * @param title what was replayed
   * @throws ConfigError naming the option when a file cannot be written
   */
  async write(report: Report, title: string): Promise<void> {
    const { csv, stats, html } = this.#flags;
    if (csv !== undefined) {
      for (const { name, text } of csvFiles(report)) writeWholeFile('--csv', join(csv, name), text, this.#captures);
    }
    if (stats !== undefined) this.#put('--stats', stats, statsText(report));
    this.#trace?.end();
    this.#traceFile?.commit();
    this.#recorder?.end(report, title);
    await this.#database?.commit();
    const points = this.#series?.points(report.config.clockMHz);
    if (html !== undefined && points !== undefined) {
      this.#put('--html', html, htmlReport(report, points, title, HTML_ASSETS));
    }
  }

  #put(option: string, path: string, text: string): void {
    if (path === '-') process.stdout.write(text);
    else writeWholeFile(option, path, text, this.#captures);
  }
}
