import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';

/** Columns that a table may take: those of the terminal, or what COLUMNS says; as many as it likes in a file or a pipe. */
export function tableWidth(): number {
  const { isTTY, columns } = process.stdout;
  const said = Number(process.env['COLUMNS']);
  if (isTTY && columns > 20) return columns;
  return Number.isInteger(said) && said > 20 ? said : Number.POSITIVE_INFINITY;
}

/**
 * A table with names to the left and figures to the right, as one or several that each fit: the columns that are too many go into the next,
 * beside the names again. A cell of the head may have lines.
 * @param names columns in front that name a row; where they take more than half of the width, only the first of them is repeated
 */
export function fittingTables(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  most: number,
  names = 1,
): string[] {
  const widths = head.map((name, at) => Math.max(widthOf(name), ...rows.map((row) => widthOf(row[at] ?? ''))) + 3);
  const widthUpTo = (end: number): number => widths.slice(0, end).reduce((sum, width) => sum + width, 1);
  const repeated = widthUpTo(names) > most / 2 ? 1 : names;
  const blocks: number[][] = [];
  let block: number[] = [];
  let used = 0;
  for (let at = repeated; at < head.length; at++) {
    const width = widths[at] ?? 0;
    if (block.length > 0 && used + width > most) {
      blocks.push(block);
      block = [];
    }
    if (block.length === 0) used = widthUpTo(repeated);
    block.push(at);
    used += width;
  }
  if (block.length > 0) blocks.push(block);
  const front = Array.from({ length: repeated }, (_, at) => at);
  return blocks.map((columns) => tableText(head, rows, [...front, ...columns], names));
}

function tableText(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns: readonly number[],
  names: number,
): string {
  const table = new Table({
    head: columns.map((at) => head[at] ?? ''),
    colAligns: columns.map((at) => (at < names ? ('left' as const) : ('right' as const))),
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) table.push(columns.map((at) => row[at] ?? ''));
  return table.toString();
}

function widthOf(cell: string): number {
  return Math.max(...cell.split('\n').map((line) => stripVTControlCharacters(line).length));
}
