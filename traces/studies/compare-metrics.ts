import { BIND_SCHEMA, type BindReplayReport } from '../replay/bind-replay.ts';
import type { Report } from '../report/report.ts';

/** What came of one run, directly or through VM_BIND. */
type Outcome = Report | BindReplayReport;

/** One row of a comparison. */
export interface CompareMetric {
  readonly key: string;
  readonly label: string;
  readonly unit: 'count' | 'bytes' | 'cycles' | 'share';
  /** Whether less is better; null: it is neither good nor bad. */
  readonly better: 'less' | 'more' | null;
  /** The value, or null where the run has none. */
  readonly pick: (outcome: Outcome) => number | null;
}

/** The rows of a comparison. */
export const COMPARE_METRICS: readonly CompareMetric[] = [
  metric('allocations', 'tables allocated', 'count', null, ({ allocation }) => allocation.total.allocations),
  metric('systemCalls', 'calls to the system allocator', 'count', 'less', (run) => run.allocation.total.systemCalls),
  metric('bulkCalls', 'bulk calls among these', 'count', null, ({ allocation }) => allocation.total.bulkCalls),
  metric('callsInRun', 'calls while an operation ran', 'count', 'less', (run) => run.allocation.total.callsInRun),
  metric('hits', 'served from stock', 'count', 'more', ({ allocation }) => allocation.total.hits),
  metric('failures', 'allocations refused', 'count', 'less', ({ allocation }) => allocation.total.failures),
  metric('peakTables', 'peak tables in trees', 'count', null, ({ allocation }) => allocation.total.peakTables),
  metric('peakBytes', 'peak bytes in trees', 'bytes', null, ({ allocation }) => allocation.total.peakBytes),
  metric(
    'peakFootprintBytes',
    'peak bytes taken from the system',
    'bytes',
    'less',
    (run) => run.allocation.total.peakFootprintBytes,
  ),
  metric(
    'peakWastedBytes',
    'peak bytes wasted by sizing',
    'bytes',
    'less',
    (run) => run.allocation.total.peakWastedBytes,
  ),
  metric('reserved', 'tables reserved', 'count', null, ({ allocation }) => allocation.total.reserved),
  metric('overReserved', 'reserved and not used', 'count', 'less', ({ allocation }) => allocation.total.overReserved),
  metric('unusedShare', 'unused share', 'share', 'less', ({ allocation }) => allocation.total.unusedShare),
  metric('zeroedBytes', 'bytes zeroed', 'bytes', 'less', ({ allocation }) => allocation.total.zeroedBytes),
  metric('wakeups', 'allocations under memory pressure', 'count', 'less', ({ memory }) => memory.wakeups),
  metric('reclaims', 'direct reclaims', 'count', 'less', ({ memory }) => memory.reclaims),
  metric('shrunkPages', 'pages given back under pressure', 'count', null, ({ memory }) => memory.shrunkPages),
  metric('assignedPages', 'pages given to the protected owner', 'count', 'less', ({ memory }) => memory.assignedPages),
  metric(
    'allocationCycles',
    'time in allocation',
    'cycles',
    'less',
    direct(({ software }) => software.cycles.allocation),
  ),
  metric(
    'allocatorCycles',
    'allocator time, teardown included',
    'cycles',
    'less',
    (run) => run.allocation.total.cycles,
  ),
  metric(
    'worstOperationCycles',
    'worst single operation',
    'cycles',
    'less',
    (run) => run.allocation.total.worstOperationCycles,
  ),
  metric(
    'prepareCycles',
    'time in prepare',
    'cycles',
    'less',
    bound(({ totals }) => totals.prepareCycles),
  ),
  metric(
    'runCycles',
    'time in run',
    'cycles',
    'less',
    bound(({ totals }) => totals.runCycles),
  ),
  metric(
    'worstRunCycles',
    'longest run',
    'cycles',
    'less',
    bound(({ totals }) => totals.worstRunCycles),
  ),
  metric(
    'peakReserved',
    'tables reserved at once, most',
    'count',
    null,
    bound(({ totals }) => totals.peakReserved),
  ),
  metric(
    'throttled',
    'submissions that waited',
    'count',
    'less',
    bound(({ totals }) => totals.throttled),
  ),
  metric(
    'throttledCycles',
    'time that they waited',
    'cycles',
    'less',
    bound(({ totals }) => totals.throttledCycles),
  ),
  metric('descriptorsWritten', 'descriptors written', 'count', 'less', (run) =>
    isBound(run) ? run.descriptorsWritten : run.table.descriptorsWritten,
  ),
  metric('blockSplits', 'block splits', 'count', 'less', (run) =>
    isBound(run) ? run.blockSplits : run.table.blockSplits,
  ),
  metric('refused', 'maps and unmaps refused', 'count', 'less', (run) =>
    isBound(run) ? run.refused : run.capture.refused,
  ),
  metric(
    'failedInRun',
    'jobs that failed while they ran',
    'count',
    'less',
    bound(({ totals }) => totals.failed),
  ),
  metric(
    'editCycles',
    'time editing tables',
    'cycles',
    'less',
    direct(({ software }) => software.cycles.edit),
  ),
  metric(
    'syncCycles',
    'time in cache maintenance',
    'cycles',
    'less',
    direct(({ software }) => software.cycles.sync),
  ),
  metric(
    'invalidationCycles',
    'time invalidating',
    'cycles',
    'less',
    direct(({ software }) => software.cycles.invalidation),
  ),
  metric(
    'softwareCycles',
    'CPU time in all',
    'cycles',
    'less',
    direct(({ software }) => software.cycles.total),
  ),
  metric(
    'walks',
    'table walks',
    'count',
    'less',
    direct(({ translation }) => translation.walks),
  ),
  metric(
    'meanLatency',
    'mean access latency',
    'cycles',
    'less',
    direct(({ translation }) => translation.cycles.mean),
  ),
  metric(
    'faults',
    'faults',
    'count',
    'less',
    direct(({ translation }) => translation.faults),
  ),
  metric(
    'staleTlbHits',
    'stale TLB hits',
    'count',
    'less',
    direct(({ sanitizer }) => sanitizer.staleTlbHits),
  ),
  metric(
    'staleWalks',
    'stale walks',
    'count',
    'less',
    direct(({ sanitizer }) => sanitizer.staleWalks),
  ),
  metric('findings', 'findings of the sanitizer', 'count', 'less', (run) =>
    Object.values(isBound(run) ? run.findings : run.sanitizer.byKind).reduce((sum, times) => sum + times, 0),
  ),
];

/** Key of each row to its value in one run. */
export function metricsOf(outcome: Outcome): Record<string, number | null> {
  return Object.fromEntries(COMPARE_METRICS.map(({ key, pick }) => [key, pick(outcome)]));
}

/** Which of the values of one row are best; none where all are equal, where nothing is better, or where fewer than two have a value. */
export function bestOf({ better }: CompareMetric, values: readonly (number | null)[]): number[] {
  const known = values.filter((value) => value !== null);
  const best = better === 'less' ? Math.min(...known) : Math.max(...known);
  // Sums of the same parts in another order differ in their last bits.
  const isBest = (value: number): boolean => Math.abs(value - best) <= Math.abs(best) * 1e-9;
  if (better === null || known.every(isBest)) return [];
  return values.flatMap((value, at) => (value !== null && isBest(value) ? [at] : []));
}

function isBound(outcome: Outcome): outcome is BindReplayReport {
  return outcome.schema === BIND_SCHEMA;
}

/** A value that only a direct replay has. */
function direct(pick: (report: Report) => number): CompareMetric['pick'] {
  return (outcome) => (isBound(outcome) ? null : pick(outcome));
}

/** A value that only a replay through VM_BIND has. */
function bound(pick: (report: BindReplayReport) => number): CompareMetric['pick'] {
  return (outcome) => (isBound(outcome) ? pick(outcome) : null);
}

function metric(
  key: string,
  label: string,
  unit: CompareMetric['unit'],
  better: CompareMetric['better'],
  pick: CompareMetric['pick'],
): CompareMetric {
  return { key, label, unit, better, pick };
}
