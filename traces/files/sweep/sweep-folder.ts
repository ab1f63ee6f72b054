import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../../formats/index.ts';
import { InputError } from '../../input-error.ts';
import { metricsOf, REPORT_SCHEMA, type Report, statsText } from '../../report/index.ts';
import {
  manifestCsv,
  type RunResult,
  SWEEP_SCHEMA,
  type SweepPlan,
  type SweepRun,
  type SweepSummary,
  summaryCsv,
} from '../../studies/index.ts';
import { reasonOf, writeWholeFile } from '../whole-file.ts';

const PLAN = 'sweep.json';
const REPORT = 'report.json';
const FAILURE = 'failure.txt';

/**
 * The folder of a sweep:
 *
 *     sweep.json  manifest.csv  summary.csv  summary.json  index.html
 *     runs/ID/config.json  runs/ID/stats.txt  runs/ID/report.json     of a finished run, the report written last
 *     runs/ID/config.json  runs/ID/failure.txt                        of one that came to no report
 *     slurm/N/                                                        each job array that was submitted
 *     events.bin                                                      while runs are missing: the captures as they were read
 *
 * Every file appears whole or not at all, so that any end leaves what was finished.
 */
export class SweepFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Where the events of the captures are kept. */
  get events(): string {
    return join(this.path, 'events.bin');
  }

  get hasEvents(): boolean {
    return existsSync(this.events);
  }

  /**
   * Makes the folder, or goes on in one of the same sweep, whose variations may have changed.
   * @throws ConfigError for another sweep's folder, or one that cannot be made
   */
  begin(plan: SweepPlan): void {
    try {
      mkdirSync(join(this.path, 'runs'), { recursive: true });
    } catch (error) {
      throw new ConfigError('--out', this.path, `a folder that can be made (${reasonOf(error)})`);
    }
    // A sweep whose captures could not be read has left nothing but its plan.
    const isBegun = this.hasEvents || readdirSync(join(this.path, 'runs')).length > 0;
    const before = isBegun && existsSync(join(this.path, PLAN)) ? this.plan() : null;
    if (before !== null) {
      for (const field of ['captures', 'sizes', 'reading', 'version'] as const) {
        const [was, is] = [JSON.stringify(before[field]), JSON.stringify(plan[field])];
        if (was === is) continue;
        throw new ConfigError(
          '--out',
          this.path,
          `a new folder, or that of the same sweep: its ${field} ${field === 'version' ? 'is' : 'are'} ${was}, not ${is}`,
        );
      }
    }
    this.#write(PLAN, `${JSON.stringify(plan)}\n`);
  }

  /** The plan that {@link begin} left. @throws InputError where there is none */
  plan(): SweepPlan {
    const file = join(this.path, PLAN);
    let plan: SweepPlan;
    try {
      plan = JSON.parse(readFileSync(file, 'utf8')) as SweepPlan;
    } catch (error) {
      throw new InputError(file, '', reasonOf(error), 'the plan of a sweep that was begun here');
    }
    if (plan.schema === SWEEP_SCHEMA) return plan;
    throw new InputError(file, '', 'no plan of a sweep', `JSON with the schema ${SWEEP_SCHEMA}`);
  }

  /** What there is of a run. A report that is cut off, or another run's, is none. */
  result(run: SweepRun): RunResult {
    if (run.config === null) return { status: 'refused', reason: run.refusal, metrics: {} };
    const report = this.report(run);
    if (report !== null) return { status: 'finished', reason: '', metrics: metricsOf(report) };
    const failure = readOrNull(join(this.#folder(run), FAILURE));
    if (failure !== null) return { status: 'failed', reason: failure.trim(), metrics: {} };
    return { status: 'missing', reason: '', metrics: {} };
  }

  /** Whether a report stands in the folder of a run, whole or not: what a bar needs to know. */
  hasReport(run: SweepRun): boolean {
    return existsSync(join(this.#folder(run), REPORT));
  }

  /** The report of a finished run, else null. */
  report({ id, config }: SweepRun): Report | null {
    const text = readOrNull(join(this.path, 'runs', id, REPORT));
    if (text === null) return null;
    try {
      const report = JSON.parse(text) as Report;
      const same = report.schema === REPORT_SCHEMA && JSON.stringify(report.config) === JSON.stringify(config);
      // A report of the same schema that another version wrote may lack a part.
      return same && METRIC_PARTS.every((part) => part in report) ? report : null;
    } catch {
      return null;
    }
  }

  /** Keeps a run that came to its end. */
  finish(run: SweepRun, report: Report): void {
    const folder = this.#prepare(run);
    writeWholeFile('--out', join(folder, 'stats.txt'), statsText(report));
    writeWholeFile('--out', join(folder, REPORT), `${JSON.stringify(report, null, 2)}\n`);
  }

  /** Keeps why a run came to no report. */
  fail(run: SweepRun, reason: string): void {
    writeWholeFile('--out', join(this.#prepare(run), FAILURE), `${reason}\n`);
  }

  /** Writes the tables of all runs, and the page. @param page its HTML; null where nobody makes one */
  summarize(summary: SweepSummary, page: string | null): void {
    this.#write('manifest.csv', manifestCsv(summary));
    this.#write('summary.csv', summaryCsv(summary));
    this.#write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
    if (page !== null) this.#write('index.html', page);
  }

  /** Drops the events of the captures. */
  dropEvents(): void {
    rmSync(this.events, { force: true });
  }

  #folder({ id }: SweepRun): string {
    return join(this.path, 'runs', id);
  }

  /** Makes the folder of a run that begins anew: what an earlier attempt left goes. */
  #prepare(run: SweepRun): string {
    const folder = this.#folder(run);
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) {
      if (name === FAILURE || name.endsWith('.part')) rmSync(join(folder, name), { force: true });
    }
    writeWholeFile('--out', join(folder, 'config.json'), `${JSON.stringify(run.config, null, 2)}\n`);
    return folder;
  }

  #write(name: string, text: string): void {
    writeWholeFile('--out', join(this.path, name), text);
  }
}

/** Parts of a report that metrics read. */
const METRIC_PARTS = [
  'capture',
  'allocation',
  'memory',
  'invalidation',
  'translation',
  'software',
  'sanitizer',
  'costs',
];

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** Bytes of each capture, by which a changed one is noticed; 0 for standard input. @throws InputError for a missing one */
export function captureSizes(captures: readonly string[]): number[] {
  return captures.map((capture) => {
    if (capture === '-') return 0;
    const info = statSync(capture, { throwIfNoEntry: false });
    if (info === undefined || info.isDirectory()) {
      throw new InputError(capture, '', info === undefined ? 'no such file' : 'a directory', 'a capture');
    }
    return info.size;
  });
}
