import ansis from 'ansis';
import Table from 'cli-table3';
import type { BindReplayReport } from '../../traces/index.ts';
import { chainText } from './chain-text.ts';

/** What came of a capture through VM_BIND, for the terminal. */
export function bindText(report: BindReplayReport): string {
  const { totals, allocation } = report;
  const count = (value: number): string => Math.round(value).toLocaleString('en');
  const table = new Table({
    colAligns: ['left', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  table.push(
    ['jobs', count(totals.submitted)],
    ['  done / failed / refused', [totals.done, totals.failed, totals.refused].map(count).join(' / ')],
    ['tables reserved', count(totals.reserved)],
    ['  used / returned', `${count(totals.used)} / ${count(totals.returned)}`],
    ['  most at once', count(totals.peakReserved)],
    ['submissions that waited', count(totals.throttled)],
    ['  waited, cycles', count(totals.throttledCycles)],
    ['mappings cut / parts kept', `${count(totals.overlaps)} / ${count(totals.remaps)}`],
    ['bytes locked for flushing', count(totals.lockedBytes)],
    ['  of these for nothing', count(totals.excessBytes)],
    ['prepare, cycles', count(totals.prepareCycles)],
    ['run, cycles', count(totals.runCycles)],
    ['  longest', count(totals.worstRunCycles)],
    ['calls to the system', count(allocation.total.systemCalls)],
    ['  while a job ran', count(allocation.total.callsInRun)],
    ['tables at the end', count(report.liveTables)],
  );
  const lines = [
    ansis.bold(`${report.captures.join(', ')} through VM_BIND`),
    `${count(report.events)} events, ${count(report.domains)} domains, tables from ${allocation.stack}` +
      (report.complete ? '' : ansis.yellow('  (stopped before the end)')),
    table.toString(),
  ];
  if (report.refused > 0) {
    lines.push(ansis.yellow(`Not done: ${count(report.refused)} maps and unmaps. The first:`));
    for (const { line, request, reason } of report.refusals.slice(0, 3)) {
      lines.push(ansis.dim(`  line ${line}: ${request}: ${reason}`));
    }
  }
  for (const deadlock of report.deadlocks) lines.push(...chainText(deadlock));
  if (allocation.total.callsInRun > 0) {
    lines.push(
      ansis.yellow('A job must not call the system allocator while it runs; --allocator reserve prevents it.'),
    );
  }
  return lines.join('\n');
}
