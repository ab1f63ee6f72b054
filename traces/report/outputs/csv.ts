import { METRICS } from '../metrics.ts';
import type { AccessGroup, CpuGroup, Report } from '../report.ts';

export interface CsvFile {
  readonly name: string;
  readonly text: string;
}

type Cell = string | number | bigint | boolean | null;

/**
 * A report as tables for spreadsheets and data frames (RFC 4180: commas, quotes doubled, CRLF). The columns keep their names and order
 * within a major version; cycles are SMMU clock cycles, sizes bytes. No cell is taken for a formula, whatever a capture calls its devices.
 */
export function csvFiles(report: Report): CsvFile[] {
  return [
    file('metrics.csv', ['key', 'value', 'unit', 'better', 'label', 'meaning'], metricRows(report)),
    file('operations.csv', [...GROUP_COLUMNS, ...CPU_COLUMNS], operationRows(report)),
    file('accesses.csv', [...GROUP_COLUMNS, ...ACCESS_COLUMNS], accessRows(report)),
    file('costs.csv', ['side', 'name', 'count', 'cycles', 'share'], costRows(report)),
    file('findings.csv', FINDING_COLUMNS, findingRows(report)),
  ];
}

const GROUP_COLUMNS = ['by', 'group', 'devices'] as const;
const CAUSE_COLUMNS = ['allocation', 'edit', 'sync', 'command', 'wait', 'events', 'bind', 'iova'] as const;
const CPU_COLUMNS = ['count', 'bytes', 'cycles', 'mean', 'p50', 'p99', 'max', ...CAUSE_COLUMNS] as const;
const ACCESS_COLUMNS = ['count', 'faults', 'cycles', 'mean', 'p50', 'p99', 'max'] as const;
const FINDING_COLUMNS = [
  'kind',
  'operation',
  'line',
  'domain',
  'iova',
  'level',
  'descriptor',
  'ageCycles',
  'ageAccesses',
  'detail',
] as const;

function metricRows(report: Report): Cell[][] {
  return METRICS.map(({ key, unit, better, label, meaning, pick }) => [
    key,
    pick(report),
    unit,
    better,
    label,
    meaning,
  ]);
}

function operationRows({ breakdown }: Report): Cell[][] {
  return [
    ...Object.entries(breakdown.operations).map(([kind, group]) => ['kind', kind, '', ...cpuCells(group)]),
    ...breakdown.sizes.map(({ operation, from, cpu }) => [`${operation} size`, from, '', ...cpuCells(cpu)]),
    ...breakdown.domains.map(({ domain, devices, cpu }) => ['domain', domain, devices.join(' '), ...cpuCells(cpu)]),
  ];
}

function accessRows({ breakdown }: Report): Cell[][] {
  return [
    ...breakdown.streams.map(({ stream, accesses }) => ['stream', stream, '', ...accessCells(accesses)]),
    ...breakdown.domains.map(({ domain, devices, accesses }) => [
      'domain',
      domain,
      devices.join(' '),
      ...accessCells(accesses),
    ]),
  ];
}

function costRows({ costs }: Report): Cell[][] {
  // CPU time and device time pass side by side: a share is of its own side.
  const totals = { cpu: 0, device: 0 };
  for (const { side, cycles } of costs) totals[side] += cycles;
  return costs.map(({ side, name, count, cycles }) => [side, name, count, cycles, cycles / totals[side]]);
}

function findingRows({ sanitizer }: Report): Cell[][] {
  return sanitizer.findings.map(({ kind, operation, line, domain, iova, level, descriptor, age, detail }) => [
    kind,
    operation,
    line ?? null,
    domain,
    iova,
    level ?? null,
    descriptor ?? null,
    age?.cycles ?? null,
    age?.accesses ?? null,
    detail,
  ]);
}

function cpuCells({ count, bytes, total, mean, p50, p99, max, byCause }: CpuGroup): Cell[] {
  return [count, bytes, total, mean, p50, p99, max, ...CAUSE_COLUMNS.map((cause) => byCause[cause] ?? 0)];
}

function accessCells({ count, faults, total, mean, p50, p99, max }: AccessGroup): Cell[] {
  return [count, faults, total, mean, p50, p99, max];
}

function file(name: string, head: readonly string[], rows: readonly (readonly Cell[])[]): CsvFile {
  return { name, text: csvText(head, rows) };
}

/** A table as CSV; null is an empty cell. */
export function csvText(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [head, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/** Spreadsheets run text that begins like this (OWASP, "CSV Injection"); an apostrophe makes it text. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
const NEEDS_QUOTES = /[",\r\n]/;

/** A cell as CSV writes it; nothing is an empty one. */
export function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
