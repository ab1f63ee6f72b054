import { Ansis } from 'ansis';
import { FindingKind } from '../../emulator/index.ts';
import { plainNames, plainText } from '../plain-text.ts';
import { count, cycles, seconds } from '../quantity.ts';
import type { CaptureSection, FindingRecord, Report, SanitizerSection, WindowLengths } from './report.ts';

const CHECK_SCHEMA = 'tablewalk.check/1';

/** Columns of a label in the terminal report. */
export const LABEL_WIDTH = 20;

/** What each kind of finding is, for people. In the order in which they are listed. */
export const FINDING_MEANINGS: Readonly<Record<FindingKind, string>> = {
  [FindingKind.STALE_WALK]: 'the walker read a descriptor that the CPU had not made visible',
  [FindingKind.STALE_TLB_HIT]: 'an access was served by a translation that was unmapped',
  [FindingKind.STALE_WINDOW]: 'a TLB held a leaf after its unmap had returned',
  [FindingKind.USE_AFTER_FREE_WALK]: 'the walker read a table that was freed',
  [FindingKind.EARLY_TABLE_FREE]: 'a table was freed while the walker could reach it',
  [FindingKind.BREAK_BEFORE_MAKE]: 'a valid descriptor was replaced without an invalidation in between',
  [FindingKind.MISSING_INVALIDATION]: 'an unmap returned before all of it was invalidated',
  [FindingKind.SHORT_FLUSH]: 'the region flushed for an unmap did not cover all of it',
  [FindingKind.LOCKED_OUT]: 'an access waited for a lock that nothing ended',
  [FindingKind.REUSED_CONTEXT]: 'a hardware context got other tables before a flush',
  [FindingKind.COMMAND_WHILE_ACTIVE]: 'a command was written while another was under way',
  [FindingKind.WIDE_INVALIDATION]: 'more was invalidated than was unmapped',
  [FindingKind.ALLOCATION_IN_RUN]: 'table memory was asked for where that is forbidden',
  [FindingKind.DOUBLE_FREE]: 'a table was freed twice, or never was one',
  [FindingKind.WRONG_FREE]: 'a table was freed with another size or owner',
  [FindingKind.LEAKED_TABLE]: 'a table was never freed',
  [FindingKind.OVER_LIMIT]: 'an owner asked for more tables than it may have',
  [FindingKind.TABLE_IN_USE]: 'a table in use was given out as another one',
  [FindingKind.CPU_FAULT]: 'page-table code followed a descriptor to where no memory is',
  [FindingKind.DIRTY_TABLE]: 'a table was not zeroed before use',
  [FindingKind.MISSING_SYNC]: 'an unmap returned before its invalidation was complete',
  [FindingKind.WRONG_LEVEL_HINT]: 'an invalidation named another level than that of its leaves',
  [FindingKind.MISSING_DMA_MAP]: 'a table was written that was not given to dma_map',
  [FindingKind.WRONG_DMA_UNMAP]: 'a DMA mapping was made twice, or undone wrongly',
  [FindingKind.WRONG_TRANSLATION]: 'an access was served with another address than it is mapped to',
  [FindingKind.WRONG_DOMAIN]: 'a stream was led to the tables or the tag of another domain',
  [FindingKind.UNMAPPED_ACCESS]: 'an access was served where nothing is mapped',
  [FindingKind.LOST_MAPPING]: 'an access to what is mapped was refused',
  [FindingKind.STRAY_MAPPING]: 'the tables map what must not be mapped',
  [FindingKind.WRONG_MEMORY_TYPE]: 'a mapping has another memory type than it was asked for',
  [FindingKind.LOST_PERMISSION]: 'a mapping grants less than it was asked for',
  [FindingKind.EXTRA_PERMISSION]: 'a mapping grants more than it was asked for',
  [FindingKind.REFUSED_OPERATION]: 'a map or unmap was not done, or not wholly',
};

/** What `tablewalk check --json` writes. */
export interface CheckReport {
  readonly schema: typeof CHECK_SCHEMA;
  /** False when the replay was stopped before the end. */
  readonly complete: boolean;
  readonly captures: readonly string[];
  /** The capture is a declared workload, not a recording. */
  readonly synthetic: boolean;
  readonly events: number;
  /** Maps and unmaps, and device accesses. */
  readonly operations: number;
  readonly accesses: number;
  /** Findings, but for those in `expected`: what the exit code follows. */
  readonly total: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** Of `byKind`, what lazy invalidation means, with a correct driver too: windows until the flush, and accesses through them. */
  readonly expected: Readonly<Record<string, number>>;
  readonly longestWindow: SanitizerSection['longestWindow'];
  readonly windows: SanitizerSection['windows'];
  /** How the capture's kernel invalidated. */
  readonly recorded: CaptureSection['recorded'];
  readonly reusedBeforeFlush: number;
  /** What was wrong with the capture: a replay of half of it finds half of what there is. */
  readonly damaged: number;
  readonly lost: number;
  readonly refused: number;
  readonly damage: CaptureSection['damage'];
  readonly remarks: CaptureSection['remarks'];
  /** The first hundred, and the first ten of every kind. */
  readonly findings: readonly FindingRecord[];
  /** The machine that was run. */
  readonly config: unknown;
}

/** What lazy mode means, and no bug. */
const LAZY_KINDS: readonly string[] = [FindingKind.STALE_WINDOW, FindingKind.STALE_TLB_HIT];

/** The findings of a replay alone. */
export function checkReport(report: Report, captures: readonly string[]): CheckReport {
  const { byKind, longestWindow, windows, reusedBeforeFlush, findings } = report.sanitizer;
  const lazy = report.config.invalidation.mode === 'lazy';
  const expected = Object.fromEntries(Object.entries(byKind).filter(([kind]) => lazy && LAZY_KINDS.includes(kind)));
  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);
  return {
    schema: CHECK_SCHEMA,
    complete: report.complete,
    captures,
    synthetic: report.capture.synthetic === true,
    events: report.capture.events,
    operations: report.capture.maps + report.capture.unmaps,
    accesses: report.translation.requests,
    total: sum(byKind) - sum(expected),
    byKind,
    expected,
    longestWindow,
    windows,
    recorded: report.capture.recorded,
    reusedBeforeFlush,
    damaged: report.capture.damaged,
    lost: report.capture.lost,
    refused: report.capture.refused,
    damage: report.capture.damage,
    remarks: report.capture.remarks,
    findings,
    config: report.config,
  };
}

/** One line per kind that was found, then the first findings. */
export function renderCheck(report: CheckReport, options: { color: boolean; most: number }): string {
  const ink = new Ansis(options.color ? 3 : 0);
  const { total, byKind, expected, captures, events, operations, accesses, complete } = report;
  const findings = report.findings.filter(({ kind }) => !(kind in expected));
  const lines = [
    `${ink.bold(plainText(captures.join(', ')))}${complete ? '' : ink.yellow('  (stopped before the end)')}`,
    `${count(events)} events, ${count(operations)} maps and unmaps, ${count(accesses)} device accesses`,
  ];
  if (report.synthetic) lines.push(ink.yellow('synthetic: a declared workload, nothing here was measured'));
  if (report.lost > 0) lines.push(ink.yellow(`${count(report.lost)} events were lost by the recorder`));
  if (report.refused > 0) lines.push(ink.yellow(`${count(report.refused)} maps or unmaps that the table would not do`));
  if (report.damaged > 0) lines.push(ink.yellow(`${count(report.damaged)} damaged records skipped`));
  for (const { file, line, reason } of report.damage.slice(0, 5))
    lines.push(ink.dim(`  ${plainText(file)}:${line}: ${plainText(reason)}`));
  for (const remark of report.remarks) lines.push(ink.yellow(plainText(remark)));
  lines.push('');
  if (total === 0) lines.push(ink.green('No findings.'));
  for (const [kind, meaning] of Object.entries(FINDING_MEANINGS)) {
    const times = byKind[kind] ?? 0;
    if (times === 0 || kind in expected) continue;
    lines.push(`  ${kind.padEnd(22)}${ink.red.bold(count(times).padStart(9))}  ${ink.dim(meaning)}`);
  }
  if (Object.keys(expected).length > 0) lines.push(ink.dim('  What lazy mode means, and no finding:'));
  for (const [kind, times] of Object.entries(expected)) {
    lines.push(`  ${kind.padEnd(22)}${count(times).padStart(9)}  ${ink.dim(FINDING_MEANINGS[kind as FindingKind])}`);
  }
  if (report.windows.count > 0) lines.push(ink.dim(`  Stale windows: ${windowText(report.windows)}.`));
  if (findings.length > 0) {
    lines.push('');
    const shown = firstFindings(findings, options.most);
    for (const finding of shown) lines.push(findingLine(finding));
    if (total > shown.length) {
      lines.push(
        ink.dim(
          `  ${count(total - shown.length)} more; the first ${count(findings.length)} of all are kept (--findings, --json)`,
        ),
      );
    }
  }
  lines.push(...reuseLines(report, ink));
  return `${lines.join('\n')}\n`;
}

/** One finding in one line: who, what, where, and why. */
export function findingLine(finding: FindingRecord): string {
  const { operation, line, time, cpu, kind, domain, devices, iova, detail } = finding;
  const whose = devices === undefined ? '' : ` (${plainNames(devices)})`;
  const when = time === undefined ? '' : ` at ${time.toFixed(6)}${cpu === undefined ? '' : ` on CPU ${cpu}`}`;
  const where = line === undefined ? '' : `, line ${line} of the capture${when}`;
  return `  #${operation} ${kind}: domain ${domain}${whose}, iova ${iova}${where}: ${detail}`;
}

/** The first few, so chosen that each kind that was found is among them. */
export function firstFindings(findings: readonly FindingRecord[], most: number): readonly FindingRecord[] {
  const firstOfKind = new Set(new Map([...findings].reverse().map((finding) => [finding.kind, finding])).values());
  const room = Math.max(most - firstOfKind.size, 0);
  const others = new Set(findings.filter((finding) => !firstOfKind.has(finding)).slice(0, room));
  return findings.filter((finding) => firstOfKind.has(finding) || others.has(finding));
}

/** How long stale windows stood open. */
export function windowText({ cycles: of, seconds: at }: SanitizerSection['windows']): string {
  const both = (key: keyof WindowLengths): string => `${seconds(at[key])} (${cycles(of[key])})`;
  return `p50 ${both('p50')}, p90 ${both('p90')}, p99 ${both('p99')}, longest ${both('max')} of trace time`;
}

/** How the capture's kernel invalidated, on what that rests, and a warning where the replay does otherwise. */
export function recordedLines(
  { capture: { recorded }, config }: Pick<Report, 'capture' | 'config'>,
  ink: Ansis,
): string[] {
  const { mode, basis, chances, taken } = recorded;
  if (basis === 'none') return [];
  const shown = `${count(taken)} of ${count(chances)} buffers soon after one of their size was freed got its address`;
  const note = basis === 'said' ? 'the recording notes the types of its domains' : `inferred: ${shown}`;
  const lines = [`  ${'recorded'.padEnd(LABEL_WIDTH)}${mode}${ink.dim(`  ${note}`)}`];
  if (mode === config.invalidation.mode) return lines;
  lines.push(
    mode === 'lazy'
      ? ink.yellow('  Its kernel was lazy and is replayed strict: --invalidation lazy replays what it did.')
      : ink.yellow('  Its kernel was strict and is replayed lazy: a lazy one would have used other addresses.'),
  );
  return lines;
}

/** What to think of stale hits where IOVAs are used again before their flush. */
export function reuseLines({ reusedBeforeFlush }: Pick<SanitizerSection, 'reusedBeforeFlush'>, ink: Ansis): string[] {
  if (reusedBeforeFlush === 0) return [];
  return [
    ink.yellow(`  ${count(reusedBeforeFlush)} maps reuse an IOVA whose invalidation was still queued.`),
    ink.dim('  A lazy kernel keeps an IOVA back until its flush; this capture was recorded in strict mode.'),
    ink.dim('  Stale hits on those addresses show what such reuse would cost, not what a lazy kernel does.'),
  ];
}
