/** A sweep on the terminal. */
import ansis from 'ansis';
import {
  countsText,
  type Metric,
  metricLabel,
  metricText,
  plainText,
  type SweepRow,
  type SweepSummary,
} from '../../../../traces/index.ts';
import { fittingTables, tableWidth } from '../../terminal/index.ts';

/** Rows of the table on the terminal; summary.csv has all. */
const ROWS_SHOWN = 40;

/** The table of the runs, those of the front first where not all are shown, and what is missing. */
export function summaryText(summary: SweepSummary, columns: readonly Metric[], folder: string): string {
  const { varied, rows, pareto, counts, captures } = summary;
  const finished = rows.filter(({ status }) => status === 'finished');
  const isLong = finished.length > ROWS_SHOWN;
  const shown = isLong
    ? [...finished.filter(({ front }) => front), ...finished.filter(({ front }) => !front)].slice(0, ROWS_SHOWN)
    : finished;
  const lines = [ansis.bold(plainText(captures.join(', ')))];
  if (shown.length > 0) {
    const head = ['run', ...varied.map(({ name }) => name), ...columns.map(headOf)];
    const cells = shown.map((row) => [
      row.front ? ansis.green(`${row.id} *`) : row.id,
      ...varied.map(({ name }) => row.settings[name] ?? ''),
      ...columns.map((metric) => figure(metric, row.metrics[metric.key] ?? null)),
    ]);
    lines.push(...fittingTables(head, cells, tableWidth(), 1 + varied.length));
    lines.push(
      `* is on the front of ${pareto.join(' and ')}: no other run that refused as little is as good in both and better in one.`,
    );
    if (isLong) lines.push(`${finished.length - shown.length} more runs are in ${folder}/summary.csv.`);
  }
  lines.push(`${countsText(summary)}: ${folder}/summary.csv, index.html, runs/ID/report.json`);
  if (counts.refused > 0) lines.push(...reasons(rows, 'refused', 'Combinations that make no machine'));
  if (counts.failed > 0) lines.push(...reasons(rows, 'failed', 'Failed'));
  if (counts.missing > 0) {
    lines.push(ansis.yellow(`${counts.missing} runs are missing: tablewalk sweep --out ${folder} runs them.`));
  }
  return lines.join('\n');
}

/** The first few of the runs that have no report, and why. */
function reasons(rows: readonly SweepRow[], which: SweepRow['status'], title: string): string[] {
  const some = rows.filter(({ status }) => status === which);
  const lines = some.slice(0, 5).map(({ id, settings, reason }) => {
    const values = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    return `  ${id}  ${values.join(' ')}: ${reason.split('\n')[0] ?? ''}`;
  });
  if (some.length > lines.length) lines.push(`  and ${some.length - lines.length} more, see manifest.csv`);
  return [ansis.yellow(`${title}:`), ...lines];
}

function headOf(metric: Metric): string {
  const full = metricLabel(metric);
  // Long heads are broken in two, or few columns fit.
  const middle = full.indexOf(' ', full.length / 2 - 2);
  return middle < 0 || full.length < 14 ? full : `${full.slice(0, middle)}\n${full.slice(middle + 1)}`;
}

function figure(metric: Metric, value: number | null): string {
  return value === null ? '-' : metricText(metric, value);
}
