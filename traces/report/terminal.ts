import { Ansis } from 'ansis';
import { MMUS } from '../../devices/index.ts';
import { CALLS_RIGHT, type Confidence } from '../domains/index.ts';
import { plainText } from '../plain-text.ts';
import { bytes, count, cycles, hexText, pageSize, seconds, share } from '../quantity.ts';
import { breakdownLines } from './breakdown-text.ts';
import { cpusLines } from './cpus-text.ts';
import { findingLine, firstFindings, LABEL_WIDTH, recordedLines, reuseLines, windowText } from './findings.ts';
import type { HitsAndMisses, Report } from './report.ts';
import { sentences } from './sentences.ts';

/** How many findings, or one of each kind when that is more. */
const LISTED_FINDINGS = 5;

export interface TerminalOptions {
  /** What was replayed, for the heading. */
  readonly title: string;
  readonly color: boolean;
}

/** The report as a kernel engineer reads it at a glance: one section per question, one fact per line. */
export function renderReport(report: Report, options: TerminalOptions): string {
  const ink = new Ansis(options.color ? 3 : 0);
  const lines: string[] = [];
  const section = (name: string): void => {
    lines.push('', ink.bold(name));
  };
  const row = (label: string, value: string, note = ''): void => {
    lines.push(`  ${label.padEnd(LABEL_WIDTH)}${value}${note === '' ? '' : ink.dim(`  ${note}`)}`);
  };
  const alarm = (value: number): string => (value === 0 ? '0' : ink.red.bold(count(value)));

  const { capture, table, dma, invalidation, translation, software, sanitizer } = report;
  lines.push(
    `${ink.bold(plainText(options.title))}${report.complete ? '' : ink.yellow('  (stopped before the end)')}`,
    `${table.format}, ${table.granule} granule, ias ${table.ias}, oas ${table.oas}, ` +
      `${table.coherentWalk ? 'coherent' : 'non-coherent'} walk, ${invalidation.mode} invalidation`,
    '',
    ...sentences(report),
  );

  section('capture');
  if (capture.synthetic === true)
    row('origin', ink.yellow('synthetic'), 'a declared workload: nothing here was measured');
  row(
    'events',
    count(capture.events),
    `${count(capture.maps)} map, ${count(capture.unmaps)} unmap, ${count(capture.other)} other`,
  );
  if (capture.clock === 'none') row('time', 'none');
  else {
    const isSeconds = capture.clock === 'seconds';
    const [first, last] = [capture.firstTime, capture.lastTime].map((time) => time.toFixed(isSeconds ? 6 : 0));
    const span = capture.lastTime - capture.firstTime;
    row('time', isSeconds ? seconds(span) : `${count(span)} ticks`, `${first} .. ${last}`);
  }
  row(
    'domains',
    count(capture.domains),
    capture.domainsInferred === 0
      ? 'named by the capture'
      : `${count(capture.domainsInferred)} inferred from addresses, order and tasks, ${confidenceText(capture.domainConfidence)}: ${count(capture.ambiguous)} of ${count(capture.maps + capture.unmaps)} calls had a choice, ${count(capture.contradictions)} contradict; figures by domain rest on it`,
  );
  for (const line of recordedLines(report, ink)) lines.push(line);
  row('mapped', bytes(capture.bytesMapped));
  row('unmapped', bytes(capture.bytesUnmapped));
  row('live at end', `${count(capture.liveAtEnd)} ranges`, bytes(capture.liveBytesAtEnd));
  if (capture.unmatchedUnmaps > 0) row('unmatched unmaps', ink.yellow(count(capture.unmatchedUnmaps)));
  if (capture.partialUnmaps > 0) row('partial unmaps', count(capture.partialUnmaps));
  if (capture.refused > 0) {
    row('refused', ink.yellow(count(capture.refused)), 'maps or unmaps that the table would not do');
    for (const { line, request, reason } of capture.refusals.slice(0, 3)) {
      lines.push(ink.dim(`    line ${line}: ${request}: ${reason}`));
    }
  }
  for (const remark of capture.remarks) lines.push(ink.yellow(`  ${plainText(remark)}`));
  if (capture.damaged > 0) {
    row('damaged', ink.yellow(count(capture.damaged)), 'skipped');
    for (const one of capture.damage.slice(0, 5)) {
      lines.push(ink.dim(`    ${plainText(one.file)}:${one.line}: ${plainText(one.reason)}`));
    }
    if (capture.damaged > 5) lines.push(ink.dim(`    and ${count(capture.damaged - 5)} more (see --json)`));
  }

  section('page table');
  row('tables', `${count(table.liveTables)} live`, `peak ${count(table.peakTables)} = ${bytes(table.peakBytes)}`);
  row('allocated', count(table.allocations), `${count(table.frees)} freed`);
  row('descriptors', `${count(table.descriptorsWritten)} written`, `${count(table.descriptorsCleared)} cleared`);
  row(
    'leaves mapped',
    Object.entries(table.leavesMappedBySize)
      .map(([size, leaves]) => `${count(leaves)} x ${pageSize(Number(size))}`)
      .join(', ') || 'none',
  );
  row('block splits', count(table.blockSplits));
  const warnings = Object.entries(table.warnings);
  if (warnings.length > 0) {
    row('kernel warnings', ink.yellow(warnings.map(([code, times]) => `${code} x ${count(times)}`).join(', ')));
  }

  section('table allocator');
  for (const [label, value, note] of allocatorRows(report)) row(label, value, note);

  section('cache maintenance');
  row('dma_map / unmap', `${count(dma.maps)} / ${count(dma.unmaps)}`, table.coherentWalk ? 'coherent walk: none' : '');
  row('dma_sync', count(dma.syncs), `${bytes(dma.bytesSynced)}, ${count(dma.linesCleaned)} cache lines cleaned`);

  section('invalidation');
  row('by address', count(invalidation.byAddress));
  row('by walk range', count(invalidation.byWalkRange));
  row('whole space', count(invalidation.all));
  row(
    'commands',
    count(invalidation.commands),
    `${count(invalidation.syncs)} ${MMUS[report.config.iommu.model].completion}`,
  );
  if (invalidation.flushQueue !== null) {
    const { timer, full, proven, ranges } = invalidation.flushQueue;
    const proof = proven === 0 ? '' : `, ${count(proven)} that a reused address proves`;
    row('flush queues', `${count(timer)} by timer`, `${count(full)} by a full ring${proof}; ${count(ranges)} ranges`);
  }
  row('cycles', cycles(invalidation.cycles));

  section('translation');
  row('requests', count(translation.requests));
  row('faults', alarm(translation.faults));
  row('micro-TLB', rate(translation.microTlb));
  row('main TLB', rate(translation.mainTlb));
  row('walk caches', rate(translation.walkCache));
  row('walks', count(translation.walks), `${count(translation.descriptorReads)} descriptor reads`);
  row(
    'latency',
    `mean ${translation.cycles.mean.toFixed(1)}, p50 ${translation.cycles.p50}, p99 ${translation.cycles.p99}, max ${translation.cycles.max} cycles`,
  );

  section('software cost');
  const cost = software.cycles;
  for (const [label, value] of [
    ['allocation', cost.allocation],
    ['edit', cost.edit],
    ['sync', cost.sync],
    ['invalidation', cost.invalidation],
    ['addresses', cost.iova],
  ] as const) {
    row(label, cycles(value).padEnd(18), share(value, cost.total));
  }
  row(
    'total',
    cycles(cost.total),
    'of maps and unmaps; the CPU items below also have attaching streams and handling events',
  );

  if (report.bind !== null) {
    section('VM_BIND jobs');
    const { totals } = report.bind;
    const failed = `${count(totals.failed)} failed while they ran, ${count(totals.refused)} refused, ${count(totals.cancelled)} cancelled`;
    row('jobs', `${count(totals.submitted)} submitted`, `${count(totals.done)} done, ${failed}`);
    const { prepareCycles, runCycles } = report.config.bind;
    row(
      'constants',
      `${cycles(prepareCycles)} to prepare, ${cycles(runCycles)} to run`,
      'of each job: prices that were set, part of the two lines below',
    );
    const throttled = `${count(totals.throttled)} submissions waited for room`;
    row('prepare', cycles(totals.prepareCycles), `${cycles(totals.reservingCycles)} to reserve and wait, ${throttled}`);
    row('run', cycles(totals.runCycles), `longest ${cycles(totals.worstRunCycles)}`);
    row(
      'reserved',
      `${count(totals.reserved)} tables`,
      `${count(totals.used)} used, at most ${count(totals.peakReserved)} at once`,
    );
    row('overlaps', count(totals.overlaps), `mappings cut; ${count(totals.remaps)} parts of them stayed`);
    const { callsInRun } = report.allocation.total;
    if (callsInRun > 0) {
      lines.push(
        ink.yellow(
          `  Jobs called the system allocator ${count(callsInRun)} times while they ran, where they must not: --allocator reserve prevents it.`,
        ),
      );
    }
  }

  const { recordedAccesses } = report;
  if (recordedAccesses !== undefined) {
    section('recorded accesses');
    for (const [label, value, note] of recordedRows(recordedAccesses)) row(label, value, note);
  }
  if (report.regions !== undefined) {
    const { regions } = report;
    section('locked regions');
    row('operations', count(regions.operations), `${count(regions.evictions)} address spaces taken over`);
    row(
      'locks',
      count(regions.locks),
      `${bytes(regions.lockedBytes)} in them, ${bytes(regions.excessBytes)} not edited`,
    );
    row(
      'locked',
      cycles(regions.lockedCycles),
      `${count(regions.lockWaits)} accesses waited ${cycles(regions.lockWaitCycles)}`,
    );
    row('flushes', count(regions.flushes));
    row(
      'set aside',
      `${count(regions.tablesReserved)} tables`,
      `${count(regions.tablesUsed)} used, ${count(regions.tablesReturned)} given back`,
    );
    if (regions.remappedBytes > 0)
      row('mapped again', bytes(regions.remappedBytes), 'of huge pages that could not be cut');
    if (regions.resets > 0) row('resets', ink.yellow(count(regions.resets)), 'of the GPU');
  }

  section('sanitizer');
  row('stale windows', alarm(sanitizer.staleWindows), longest(report));
  row('stale TLB hits', alarm(sanitizer.staleTlbHits));
  row('stale walks', alarm(sanitizer.staleWalks));
  row('leaked tables', alarm(sanitizer.leakedTables));
  row('double frees', alarm(sanitizer.doubleFrees));
  for (const [kind, times] of Object.entries(sanitizer.byKind)) {
    if (!LISTED_KINDS.has(kind)) row(kind, alarm(times));
  }
  for (const finding of firstFindings(sanitizer.findings, LISTED_FINDINGS))
    lines.push(ink.dim(`  ${findingLine(finding)}`));
  lines.push(...reuseLines(sanitizer, ink));

  for (const [side, name] of [
    ['cpu', 'CPU time'],
    ['device', 'device time'],
  ] as const) {
    const items = report.costs.filter((item) => item.side === side);
    const total = items.reduce((sum, item) => sum + item.cycles, 0);
    section(name);
    for (const item of items) {
      lines.push(
        `  ${item.name.padEnd(44)}${cycles(item.cycles).padStart(16)}  ${share(item.cycles, total).padStart(7)}${ink.dim(`  ${count(item.count)} x ${perItem(item.cycles, item.count)}`)}`,
      );
    }
    row('in all', cycles(total));
  }
  lines.push(...breakdownLines(report.breakdown, ink), ...cpusLines(report, ink));
  return `${lines.join('\n')}\n`;
}

function allocatorRows({ allocation, memory }: Report): [label: string, value: string, note: string][] {
  const { total } = allocation;
  const rows: [string, string, string][] = [
    ['layers', allocation.stack, ''],
    [
      'system calls',
      count(total.systemCalls),
      `${count(total.callsInRun)} during maps and unmaps, ${count(total.bulkCalls)} in bulk; ${count(total.hits)} tables from stock`,
    ],
    ['peak memory', bytes(total.peakFootprintBytes), 'tables kept for later included'],
  ];
  if (total.reserved > 0) {
    rows.push(['reserved', `${count(total.reserved)} tables`, `${count(total.overReserved)} went back unused`]);
  }
  if (memory.assignedPages > 0) {
    const most = `${count(memory.peakAssignedPages)} at most at once`;
    rows.push(['protected', `${count(memory.assignedPages)} pages assigned`, most]);
  }
  if (memory.wakeups > 0) {
    const how = `${count(memory.reclaims)} direct reclaims, ${count(memory.shrunkPages)} pages of kept tables given back`;
    rows.push(['memory pressure', `${count(memory.wakeups)} times`, how]);
  }
  if (total.failures > 0) rows.push(['refused', count(total.failures), 'allocations']);
  rows.push(['worst operation', cycles(total.worstOperationCycles), `of allocation, in #${total.worstOperation}`]);
  return rows;
}

const LISTED_KINDS: ReadonlySet<string> = new Set([
  'stale-window',
  'stale-tlb-hit',
  'stale-walk',
  'leaked-table',
  'double-free',
]);

function rate(of: HitsAndMisses): string {
  const lookups = of.hits + of.misses;
  return `${share(of.hits, lookups)} of ${count(lookups)} lookups hit`;
}

function perItem(total: number, items: number): string {
  return items === 0 ? '-' : (total / items).toFixed(1);
}

function longest(report: Report): string {
  const { windows } = report.sanitizer;
  return windows.count === 0 ? '' : windowText(windows);
}

/** What a log of translations said, and what came of it here. */
function recordedRows(
  recorded: NonNullable<Report['recordedAccesses']>,
): [label: string, value: string, note: string][] {
  const { clock, accesses, right, otherAddress, refused, otherRights, unknownStream, after } = recorded;
  const rows: [string, string, string][] = [
    [
      'clocks',
      `${clock.offset.toFixed(6)} s apart`,
      `by ${count(clock.matched)} of ${count(clock.of)} ${clock.by === 'invalidations' ? 'unmaps and their invalidations' : 'maps and the first access to each'}, nine tenths within ${seconds(clock.spread)}`,
    ],
    ['in the log', count(accesses), `${count(after)} of them after the capture's last event`],
    ['as in the log', count(right), `${share(right, accesses - after)} of the rest`],
  ];
  if (otherAddress > 0) rows.push(['other address', count(otherAddress), '']);
  if (refused > 0) rows.push(['refused here', count(refused), '']);
  if (otherRights > 0) rows.push(['other rights', count(otherRights), '']);
  if (unknownStream > 0) rows.push(['not made', count(unknownStream), 'no domain has the stream']);
  rows.push(['moved', count(recorded.moved), 'by up to 2 ms, into the life of their mapping']);
  if (recorded.faults > 0)
    rows.push(['faults', count(recorded.faults), `${count(recorded.faultsAgreed)} fault here too`]);
  if (right < (accesses - after) / 2) rows.push(['', 'Is the log of the same run?', '']);
  for (const { line, stream, iova, pa, got } of recorded.wrong.slice(0, 3)) {
    rows.push([
      '',
      `line ${line}`,
      `stream ${hexText(stream)}, ${hexText(iova)}: ${hexText(pa)} in the log, ${got < 0 ? 'refused' : hexText(got)} here`,
    ]);
  }
  return rows;
}

/** What a word of confidence holds: the share that was right in captures whose truth is known. */
function confidenceText(confidence: Confidence): string {
  if (confidence === 'named') return 'beside named ones';
  const least = CALLS_RIGHT[confidence];
  const held =
    least > 0 ? `at least ${100 * least} % of the calls right in captures of known truth` : 'many calls may be wrong';
  return `${confidence} confidence (${held})`;
}
