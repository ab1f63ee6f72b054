/** Layouts as text. */
import type { AllocatorTotals } from '../../../formats/index.ts';
import { hexText, sizeText } from '../../quantity.ts';
import type { DrawnTable, EntryRun, Layout } from './build.ts';

export function layoutLines(layout: Layout): string[] {
  const lines = layout.tables.flatMap(tableLines);
  lines.push(summaryLine(layout), ...layout.refused.map((text) => `refused: ${text}`));
  if (layout.allocator !== undefined) lines.push(allocatorLine(layout.allocator));
  if (layout.steps.length > 0) lines.push('', ...foldedSteps(layout.steps));
  return lines;
}

/** One line: tables by level, their bytes, leaves by size. */
export function summaryLine({ tables, tableBytes, leaves, mappedBytes }: Layout): string {
  const levels = new Map<number, number>();
  for (const { level } of tables) levels.set(level, (levels.get(level) ?? 0) + 1);
  const byLevel = [...levels].sort(([a], [b]) => a - b).map(([level, count]) => `level ${level}: ${count}`);
  const bySize = Object.entries(leaves).map(([size, count]) => `${count} x ${sizeText(Number(size))}`);
  return (
    `${tables.length} tables (${byLevel.join(', ')}), ${sizeText(tableBytes)}; ` +
    `leaves ${bySize.join(', ') || 'none'}, ${sizeText(mappedBytes)} mapped`
  );
}

/** What layouts come to, one row for each figure: its label, and a value for each layout. */
export function layoutFigures(layouts: readonly Layout[]): string[][] {
  const row = (label: string, value: (layout: Layout) => string | number | undefined): string[] => [
    label,
    ...layouts.map((layout) => String(value(layout) ?? '-')),
  ];
  const levels = [...new Set(layouts.flatMap(({ tables }) => tables.map(({ level }) => level)))].sort((a, b) => a - b);
  const sizes = [...new Set(layouts.flatMap(({ leaves }) => Object.keys(leaves).map(Number)))].sort((a, b) => a - b);
  const rows = [
    row('tables', ({ tables }) => tables.length),
    ...levels.map((level) =>
      row(`  of level ${level}`, ({ tables }) => tables.filter((table) => table.level === level).length || undefined),
    ),
    row('bytes of tables', ({ tableBytes }) => sizeText(tableBytes)),
    ...sizes.map((size) => row(`leaves of ${sizeText(size)}`, ({ leaves }) => leaves[size])),
    row('mapped', ({ mappedBytes }) => sizeText(mappedBytes)),
  ];
  if (layouts.every(({ allocator }) => allocator === undefined)) return rows;
  return [
    ...rows,
    row('tables taken from the allocator', ({ allocator }) => allocator?.allocations),
    row('  from stock', ({ allocator }) => allocator?.hits),
    row('calls to the system', ({ allocator }) => allocator?.systemCalls),
    row('  while an edit ran', ({ allocator }) => allocator?.callsInRun),
  ];
}

/** One line: what the allocator of tables was asked for, and what it asked the system for. */
function allocatorLine(totals: AllocatorTotals): string {
  const { allocations, frees, hits, systemCalls, systemAllocations, callsInRun, failures } = totals;
  return (
    `allocator: ${allocations} tables taken (${hits} from stock), ${frees} given back, ${failures} refused; ` +
    `${systemCalls} calls to the system for ${systemAllocations} blocks, ${callsInRun} of them while an edit ran`
  );
}

/** Steps of one kind in a row beyond this many are counted, not shown: a split cleans 512 entries one by one. */
const ALIKE = 3;

function foldedSteps(steps: readonly string[]): string[] {
  const lines: string[] = [];
  let run = 0;
  let before = '';
  const close = (): void => {
    if (run > ALIKE) lines.push(`  ... and ${run - ALIKE} more of these`);
  };
  for (const step of steps) {
    // What is left without its addresses is the kind.
    const kind = step.replace(/0x[0-9a-f]+/g, '');
    if (kind === before) run++;
    else {
      close();
      run = 1;
      before = kind;
    }
    if (run <= ALIKE) lines.push(/^(un)?map /.test(step) ? step : `  ${step}`);
  }
  close();
  return lines;
}

function tableLines({ pa, level, bytes, iova, runs }: DrawnTable): string[] {
  const indent = '  '.repeat(level);
  const lines = [`${indent}level ${level} table at ${hexText(pa)}, ${sizeText(bytes)}, from IOVA ${hexText(iova)}`];
  return [...lines, ...runs.map((run) => `${indent}  ${runText(run)}`)];
}

function runText({ first, count, kind, iova, pa, size, value }: EntryRun): string {
  const place = `[${count === 1 ? first : `${first}..${first + count - 1}`}]`.padEnd(12);
  if (kind === 'invalid') return `${place} invalid`;
  if (kind === 'table') return `${place} ${hexText(iova)} table at ${hexText(pa)}  ${value}`;
  const times = count === 1 ? '' : `${count} entries, `;
  return `${place} ${hexText(iova)} -> ${hexText(pa)}, ${times}leaves of ${sizeText(size)}  ${value}`;
}
