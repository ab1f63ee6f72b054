import type { CpusSection, Report } from './report.ts';

export type MetricUnit = 'count' | 'bytes' | 'cycles' | 'share' | 'seconds';

/** One figure of a report. */
export interface Metric {
  /** Its name in JSON, CSV and `--rows`. */
  readonly key: string;
  /** For people. */
  readonly label: string;
  readonly unit: MetricUnit;
  /** Whether less is better; null: it is neither good nor bad. */
  readonly better: 'less' | 'more' | null;
  /** What it says, in one sentence. */
  readonly meaning: string;
  /** The value, or null where the run has none. */
  readonly pick: (report: Report) => number | null;
}

type Row = [
  key: string,
  label: string,
  unit: MetricUnit,
  better: Metric['better'],
  meaning: string,
  pick: Metric['pick'],
];

/** What the CPUs did at once; null in a plain run on one, of which the rows of CPU time say it all. */
function atOnce({ cpus, config: { cpuLoad } }: Report): CpusSection | null {
  return cpus.asked === 1 && cpuLoad.by === 'cpu' && !cpuLoad.backToBack ? null : cpus;
}

const ROWS: readonly Row[] = [
  [
    'allocations',
    'tables allocated',
    'count',
    null,
    'Page tables of every level, first-level ones included.',
    ({ allocation }) => allocation.total.allocations,
  ],
  [
    'systemCalls',
    'calls to the system allocator',
    'count',
    'less',
    'Calls to the page allocator of the system, for tables.',
    ({ allocation }) => allocation.total.systemCalls,
  ],
  [
    'bulkCalls',
    'bulk calls among these',
    'count',
    null,
    'Calls that asked for several tables at once.',
    ({ allocation }) => allocation.total.bulkCalls,
  ],
  [
    'callsInRun',
    'calls while an operation ran',
    'count',
    'less',
    'Calls to the system in the middle of a map or unmap, where they may have to wait.',
    ({ allocation }) => allocation.total.callsInRun,
  ],
  [
    'hits',
    'served from stock',
    'count',
    'more',
    'Tables that were there already: from a pool, a batch, a cache or a reservation.',
    ({ allocation }) => allocation.total.hits,
  ],
  [
    'failures',
    'allocations refused',
    'count',
    'less',
    'Tables that could not be had.',
    ({ allocation }) => allocation.total.failures,
  ],
  [
    'peakTables',
    'peak tables in trees',
    'count',
    null,
    'The most tables in use at once.',
    ({ allocation }) => allocation.total.peakTables,
  ],
  [
    'peakBytes',
    'peak bytes in trees',
    'bytes',
    null,
    'The most memory of tables in use at once.',
    ({ allocation }) => allocation.total.peakBytes,
  ],
  [
    'peakFootprintBytes',
    'peak bytes taken from the system',
    'bytes',
    'less',
    'The most memory taken from the system at once, tables kept for later included.',
    ({ allocation }) => allocation.total.peakFootprintBytes,
  ],
  [
    'peakWastedBytes',
    'peak bytes wasted by sizing',
    'bytes',
    'less',
    'Memory of first-level tables beyond their exact size, at most.',
    ({ allocation }) => allocation.total.peakWastedBytes,
  ],
  [
    'reserved',
    'tables reserved',
    'count',
    null,
    'Tables set aside before operations.',
    ({ allocation }) => allocation.total.reserved,
  ],
  [
    'overReserved',
    'reserved and not used',
    'count',
    'less',
    'Reserved tables that went back unused.',
    ({ allocation }) => allocation.total.overReserved,
  ],
  [
    'unusedShare',
    'unused share',
    'share',
    'less',
    'Share of the reserved tables that went back unused.',
    ({ allocation }) => allocation.total.unusedShare,
  ],
  [
    'zeroedBytes',
    'bytes zeroed',
    'bytes',
    'less',
    'Memory of tables that was cleared before use.',
    ({ allocation }) => allocation.total.zeroedBytes,
  ],
  [
    'wakeups',
    'allocations under memory pressure',
    'count',
    'less',
    'Allocations that found memory below the low watermark and woke the shrinker.',
    ({ memory }) => memory.wakeups,
  ],
  [
    'reclaims',
    'direct reclaims',
    'count',
    'less',
    'Allocations that had to reclaim memory before they could go on.',
    ({ memory }) => memory.reclaims,
  ],
  [
    'shrunkPages',
    'pages given back under pressure',
    'count',
    null,
    'Pages of tables kept for later that went back to the system.',
    ({ memory }) => memory.shrunkPages,
  ],
  [
    'assignedPages',
    'pages given to the protected owner',
    'count',
    'less',
    'Pages of a carved-out region that changed owner.',
    ({ memory }) => memory.assignedPages,
  ],
  [
    'allocationCycles',
    'time in allocation',
    'cycles',
    'less',
    'CPU time in table allocation during maps and unmaps.',
    ({ software }) => software.cycles.allocation,
  ],
  [
    'allocatorCycles',
    'allocator time, teardown included',
    'cycles',
    'less',
    'CPU time in table allocation, with taking every table down at the end.',
    ({ allocation }) => allocation.total.cycles,
  ],
  [
    'worstOperationCycles',
    'worst single operation',
    'cycles',
    'less',
    'The most allocation time of a single map or unmap.',
    ({ allocation }) => allocation.total.worstOperationCycles,
  ],
  [
    'reservingCycles',
    'time in prepare, reserving',
    'cycles',
    'less',
    'VM_BIND: time in the submitters’ calls for reservations and waits; what else a call takes is a constant, bind.prepareCycles.',
    ({ bind }) => bind?.totals.reservingCycles ?? null,
  ],
  [
    'runCycles',
    'time in run',
    'cycles',
    'less',
    'VM_BIND: time from the start to the end of each job, summed.',
    ({ bind }) => bind?.totals.runCycles ?? null,
  ],
  [
    'worstRunCycles',
    'longest run',
    'cycles',
    'less',
    'VM_BIND: the longest job.',
    ({ bind }) => bind?.totals.worstRunCycles ?? null,
  ],
  [
    'peakReserved',
    'tables reserved at once, most',
    'count',
    null,
    'VM_BIND: the most tables set aside by jobs in flight.',
    ({ bind }) => bind?.totals.peakReserved ?? null,
  ],
  [
    'throttled',
    'submissions that waited',
    'count',
    'less',
    'VM_BIND: submissions that waited for room among the reserved tables.',
    ({ bind }) => bind?.totals.throttled ?? null,
  ],
  [
    'throttledCycles',
    'time that they waited',
    'cycles',
    'less',
    'VM_BIND: how long these waited.',
    ({ bind }) => bind?.totals.throttledCycles ?? null,
  ],
  [
    'descriptorsWritten',
    'descriptors written',
    'count',
    'less',
    'Stores of valid descriptors, leaves and tables.',
    ({ table }) => table.descriptorsWritten,
  ],
  [
    'blockSplits',
    'block splits',
    'count',
    'less',
    'Blocks replaced by a table of smaller leaves.',
    ({ table }) => table.blockSplits,
  ],
  [
    'refused',
    'maps and unmaps refused',
    'count',
    'less',
    'Operations that the table did not do, or not wholly; a column with more of them did less work.',
    ({ capture }) => capture.refused,
  ],
  [
    'failedInRun',
    'jobs that failed while they ran',
    'count',
    'less',
    'VM_BIND: jobs that failed after their submission had returned.',
    ({ bind }) => bind?.totals.failed ?? null,
  ],
  [
    'editCycles',
    'time editing tables',
    'cycles',
    'less',
    'CPU time in page-table code, by published totals.',
    ({ software }) => software.cycles.edit,
  ],
  [
    'syncCycles',
    'time in cache maintenance',
    'cycles',
    'less',
    'CPU time in mapping and syncing tables for the walker.',
    ({ software }) => software.cycles.sync,
  ],
  [
    'invalidationCycles',
    'time invalidating',
    'cycles',
    'less',
    'CPU time in commands and in waiting for them, of maps, unmaps and flushes.',
    ({ software }) => software.cycles.invalidation,
  ],
  [
    'iovaCycles',
    'time on addresses',
    'cycles',
    'less',
    'CPU time of the DMA API in its allocator of addresses and in the flush queue of lazy mode.',
    ({ software }) => software.cycles.iova,
  ],
  [
    'commands',
    'commands or register writes',
    'count',
    'less',
    'What the driver sent to the MMU for invalidations, waits included.',
    ({ invalidation }) => invalidation.commands,
  ],
  [
    'waits',
    'waits for completion',
    'count',
    'less',
    'Times that the driver waited for invalidations (CMD_SYNC, TLBSYNC, AS_ACTIVE, IMCTR.FLUSH).',
    ({ invalidation }) => invalidation.syncs,
  ],
  [
    'wideInvalidations',
    'invalidations wider than needed',
    'count',
    'less',
    'Invalidations that dropped more than twice what was unmapped.',
    ({ sanitizer }) => sanitizer.byKind['wide-invalidation'] ?? 0,
  ],
  [
    'softwareCycles',
    'CPU time in all',
    'cycles',
    'less',
    'Allocation, edits, cache maintenance, invalidation and addresses.',
    ({ software }) => software.cycles.total,
  ],
  [
    'cpuSpan',
    'first operation to last',
    'cycles',
    'less',
    'On the CPUs of --cpus: from the begin of the first operation to the end of the last, pauses of the capture included.',
    (report) => atOnce(report)?.span ?? null,
  ],
  [
    'cpuBusyCycles',
    'CPU time with waiting',
    'cycles',
    'less',
    'Time of all operations on the CPUs of --cpus, waiting for each other included.',
    (report) => atOnce(report)?.busy ?? null,
  ],
  [
    'contentionCycles',
    'CPUs waiting for each other',
    'cycles',
    'less',
    'Time that operations waited because others ran at once: for the command queue, for locks, and for a device that did what others told it.',
    (report) => atOnce(report)?.contention ?? null,
  ],
  [
    'lineCycles',
    'cache lines between CPUs',
    'cycles',
    'less',
    'Time for cache lines of the queue and of locks to come over from the CPU that had them last.',
    (report) => atOnce(report)?.waits.line ?? null,
  ],
  [
    'overlapCycles',
    'CPU and device at once',
    'cycles',
    null,
    'Time in which the device worked and some CPU did not wait for it.',
    (report) => atOnce(report)?.active.both ?? null,
  ],
  ['walks', 'table walks', 'count', 'less', 'Translations that read tables.', ({ translation }) => translation.walks],
  [
    'meanLatency',
    'mean access latency',
    'cycles',
    'less',
    'Mean translation time of a device access.',
    ({ translation }) => translation.cycles.mean,
  ],
  [
    'p99Latency',
    '99th percentile of access latency',
    'cycles',
    'less',
    'Translation time that 99 % of the accesses do not exceed.',
    ({ translation }) => translation.cycles.p99,
  ],
  [
    'regionLocks',
    'regions locked',
    'count',
    'less',
    'Locks of a region of an address space, around or after an edit.',
    ({ regions }) => regions?.locks ?? null,
  ],
  [
    'lockedCycles',
    'time some region was locked',
    'cycles',
    'less',
    'How long accesses to the locked regions had to wait, if there were any: the time that the GPU is locked out.',
    ({ regions }) => regions?.lockedCycles ?? null,
  ],
  [
    'lockWaitCycles',
    'time accesses waited for locks',
    'cycles',
    'less',
    'Time of accesses that came to a locked region.',
    ({ regions }) => regions?.lockWaitCycles ?? null,
  ],
  [
    'regionFlushes',
    'flushes of edits',
    'count',
    'less',
    'Flushes of translations and caches after edits.',
    ({ regions }) => regions?.flushes ?? null,
  ],
  [
    'lockedBytes',
    'bytes in locked regions',
    'bytes',
    'less',
    'Regions are powers of two: what was locked and flushed.',
    ({ regions }) => regions?.lockedBytes ?? null,
  ],
  [
    'excessBytes',
    'bytes flushed beyond need',
    'bytes',
    'less',
    'Of the locked regions, what was not edited.',
    ({ regions }) => regions?.excessBytes ?? null,
  ],
  [
    'remappedBytes',
    'bytes mapped again',
    'bytes',
    'less',
    'The rest of huge pages of which a part went, unmapped with it and mapped again.',
    ({ regions }) => regions?.remappedBytes ?? null,
  ],
  [
    'tablesSetAside',
    'tables set aside by the driver',
    'count',
    null,
    'Tables taken before operations, for the worst case.',
    ({ regions }) => regions?.tablesReserved ?? null,
  ],
  [
    'tablesSetAsideUsed',
    'of these, taken',
    'count',
    null,
    'Tables that operations took out of what was set aside for them.',
    ({ regions }) => regions?.tablesUsed ?? null,
  ],
  [
    'evictions',
    'hardware contexts taken over',
    'count',
    'less',
    'Hardware contexts taken from one address space for another.',
    ({ regions }) => regions?.evictions ?? null,
  ],
  ['faults', 'faults', 'count', 'less', 'Accesses that were refused.', ({ translation }) => translation.faults],
  [
    'staleTlbHits',
    'stale TLB hits',
    'count',
    'less',
    'Accesses that an unmapped translation served.',
    ({ sanitizer }) => sanitizer.staleTlbHits,
  ],
  [
    'staleWindows',
    'stale windows',
    'count',
    'less',
    'Unmapped leaves that a TLB still held when the unmap returned.',
    ({ sanitizer }) => sanitizer.staleWindows,
  ],
  [
    'staleWindowP50',
    'median stale window',
    'cycles',
    'less',
    'How long half of the stale windows stood open at most.',
    ({ sanitizer: { windows } }) => (windows.count === 0 ? null : windows.cycles.p50),
  ],
  [
    'staleWindowP90',
    '90th percentile of stale windows',
    'cycles',
    'less',
    'How long 90 % of the stale windows stood open at most.',
    ({ sanitizer: { windows } }) => (windows.count === 0 ? null : windows.cycles.p90),
  ],
  [
    'staleWindowP99',
    '99th percentile of stale windows',
    'cycles',
    'less',
    'How long 99 % of the stale windows stood open at most.',
    ({ sanitizer: { windows } }) => (windows.count === 0 ? null : windows.cycles.p99),
  ],
  [
    'longestStaleWindow',
    'longest stale window',
    'cycles',
    'less',
    'How long the longest stale window stood open.',
    ({ sanitizer: { windows } }) => (windows.count === 0 ? null : windows.cycles.max),
  ],
  [
    'flushQueueFlushes',
    'flushes of flush queues',
    'count',
    'less',
    'Lazy mode: invalidations of whole address spaces by the timers and full rings of flush queues.',
    ({ invalidation: { flushQueue } }) =>
      flushQueue === null ? null : flushQueue.timer + flushQueue.full + flushQueue.proven,
  ],
  [
    'staleWalks',
    'stale walks',
    'count',
    'less',
    'Walks that read a descriptor the CPU had not made visible.',
    ({ sanitizer }) => sanitizer.staleWalks,
  ],
  [
    'findings',
    'findings of the sanitizer',
    'count',
    'less',
    'Findings of every kind.',
    ({ sanitizer }) => Object.values(sanitizer.byKind).reduce((sum, times) => sum + times, 0),
  ],
  [
    'contradictions',
    'contradictions of inferred domains',
    'count',
    'less',
    'Maps and unmaps that contradict the domain inferred for them; they were repaired before they were played.',
    ({ capture }) => capture.contradictions,
  ],
];

/** Every figure that comparisons, sweeps and other outputs give by name: declared here and nowhere else. */
export const METRICS: readonly Metric[] = ROWS.map(([key, label, unit, better, meaning, pick]) => ({
  key,
  label,
  unit,
  better,
  meaning,
  pick,
}));

/** The label, and what it is counted in where that is not plain. */
export function metricLabel({ label, unit }: Metric): string {
  return unit === 'count' || unit === 'share' || label.includes(unit) ? label : `${label}, ${unit}`;
}

/** Key of each figure to its value in one run. */
export function metricsOf(report: Report): Record<string, number | null> {
  return Object.fromEntries(METRICS.map(({ key, pick }) => [key, pick(report)]));
}

/** A value of a figure, as a comparison shows it. */
export function metricText({ unit }: Pick<Metric, 'unit'>, value: number): string {
  const shown = asShown(unit, value);
  return unit === 'share' ? `${shown.toFixed(1)} %` : shown.toLocaleString('en');
}

/** Whether a reader of a comparison sees any difference between two values of a figure. */
export function looksAlike({ unit }: Pick<Metric, 'unit'>, one: number | null, other: number | null): boolean {
  return one === null || other === null ? one === other : asShown(unit, one) === asShown(unit, other);
}

/** To a tenth, of a percent where it is a share: of less, no comparison speaks. */
function asShown(unit: MetricUnit, value: number): number {
  return Number((unit === 'share' ? value * 100 : value).toFixed(1));
}

/**
 * Which of the values of one figure are best, as they are shown; none where all look equal, where nothing is better, or where fewer than two
 * have a value.
 */
export function bestOf(metric: Metric, values: readonly (number | null)[]): number[] {
  const { better } = metric;
  const known = values.filter((value) => value !== null);
  const best = better === 'less' ? Math.min(...known) : Math.max(...known);
  if (better === null || known.every((value) => looksAlike(metric, value, best))) return [];
  return values.flatMap((value, at) => (value !== null && looksAlike(metric, value, best) ? [at] : []));
}
