import { csvText, METRICS, type Metric } from '../../report/index.ts';
import { unfinishedWork } from '../compare.ts';
import { type ParetoAxes, paretoFront } from './pareto.ts';
import type { SweepPlan, SweepRun } from './plan.ts';

const SWEEP_SUMMARY_SCHEMA = 'tablewalk.sweep-summary/1';

/** Where a run stands. `refused`: its values make no machine. `failed`: it began and came to no report. `missing`: not run yet, or broken. */
export type RunStatus = 'finished' | 'refused' | 'failed' | 'missing';

/** What there is of a run. */
export interface RunResult {
  readonly status: RunStatus;
  /** Why there is no report; empty where there is one. */
  readonly reason: string;
  /** Key of each metric to its value; null where it does not apply; empty without a report. */
  readonly metrics: Readonly<Record<string, number | null>>;
}

/** A row of the summary. */
export interface SweepRow extends RunResult {
  readonly id: string;
  /** Name of each thing varied to the value it had. */
  readonly settings: Readonly<Record<string, string>>;
  /** On the Pareto front. */
  readonly front: boolean;
}

/** All runs of a sweep side by side. Plain JSON. */
export interface SweepSummary {
  readonly schema: typeof SWEEP_SUMMARY_SCHEMA;
  readonly captures: readonly string[];
  readonly varied: readonly { readonly name: string; readonly field: string }[];
  /** Runs by where they stand. */
  readonly counts: Readonly<Record<RunStatus, number>>;
  /** Keys of the two metrics that the front weighs. */
  readonly pareto: readonly [string, string];
  readonly rows: readonly SweepRow[];
}

/** Puts what there is of every run side by side. */
export function summarize(
  { captures, table: { varied } }: SweepPlan,
  runs: readonly SweepRun[],
  results: readonly RunResult[],
  pareto: ParetoAxes,
): SweepSummary {
  const [first, second] = pareto;
  // A run that refused more than another did less work: it would get onto the front by its failures.
  const finished = results.filter(({ status }) => status === 'finished');
  const least = finished.reduce((sofar, result) => Math.min(sofar, unfinishedWork(result)), Number.POSITIVE_INFINITY);
  const front = new Set(
    paretoFront(
      pareto,
      results.map((result) =>
        unfinishedWork(result) > least
          ? [null, null]
          : [result.metrics[first.key] ?? null, result.metrics[second.key] ?? null],
      ),
    ),
  );
  const counts = { finished: 0, refused: 0, failed: 0, missing: 0 };
  for (const { status } of results) counts[status]++;
  return {
    schema: SWEEP_SUMMARY_SCHEMA,
    captures,
    varied,
    counts,
    pareto: [first.key, second.key],
    rows: runs.map(({ id, settings }, at) => ({
      id,
      settings: Object.fromEntries(varied.map(({ name }, which) => [name, settings[which] ?? ''])),
      ...(results[at] as RunResult),
      front: front.has(at),
    })),
  };
}

/** How many runs stand where: `12 of 16 runs finished, 4 refused`. */
export function countsText({ counts, rows }: SweepSummary): string {
  const others = (['refused', 'failed', 'missing'] as const).filter((status) => counts[status] > 0);
  const parts = others.map((status) => `, ${counts[status]} ${status}`);
  return `${counts.finished} of ${rows.length} runs finished${parts.join('')}`;
}

/** Which runs there are and where each stands, as CSV. */
export function manifestCsv({ varied, rows }: SweepSummary): string {
  return csvText(
    ['id', ...varied.map(({ name }) => name), 'status', 'reason'],
    rows.map(({ id, settings, status, reason }) => [
      id,
      ...varied.map(({ name }) => settings[name] ?? ''),
      status,
      reason,
    ]),
  );
}

/** Every metric of every finished run, as CSV. */
export function summaryCsv({ varied, rows }: SweepSummary): string {
  return csvText(
    ['id', ...varied.map(({ name }) => name), 'front', ...METRICS.map(({ key }) => key)],
    rows
      .filter(({ status }) => status === 'finished')
      .map(({ id, settings, front, metrics }) => [
        id,
        ...varied.map(({ name }) => settings[name] ?? ''),
        front ? 1 : 0,
        ...METRICS.map(({ key }) => metrics[key] ?? null),
      ]),
  );
}

/** The metrics that a summary shows unless others are asked for: of these, the ones in which runs differ. */
const SHOWN = [
  'softwareCycles',
  'invalidationCycles',
  'allocationCycles',
  'commands',
  'walks',
  'meanLatency',
  'peakFootprintBytes',
  'refused',
  'staleTlbHits',
  'findings',
];

/** The columns of a summary: those that differ among its usual ones, and both of the front. */
export function shownMetrics({ rows, pareto }: SweepSummary): Metric[] {
  const finished = rows.filter(({ status }) => status === 'finished');
  return METRICS.filter(({ key }) => {
    if (pareto.includes(key)) return true;
    const [first, ...others] = finished.map(({ metrics }) => metrics[key] ?? null);
    return SHOWN.includes(key) && others.some((value) => value !== first);
  });
}
