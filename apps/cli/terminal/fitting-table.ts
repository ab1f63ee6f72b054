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
 * A table with its first column to the left and figures to the right, as one or several that each fit: the columns that are too many go
 * into the next, beside the first column again. A cell of the head may have lines.
 */
export function fittingTables(head: readonly string[], rows: readonly (readonly string[])[], most: number): string[] {
  const widths = head.map((name, at) => Math.max(widthOf(name), ...rows.map((row) => widthOf(row[at] ?? ''))) + 3);
  const blocks: number[][] = [];
  let block: number[] = [];
  let used = 0;
  for (let at = 1; at < head.length; at++) {
    const width = widths[at] ?? 0;
    if (block.length > 0 && used + width > most) {
      blocks.push(block);
      block = [];
    }
    if (block.length === 0) used = (widths[0] ?? 0) + 1;
    block.push(at);
    used += width;
  }
  if (block.length > 0) blocks.push(block);
  return blocks.map((columns) => tableText(head, rows, [0, ...columns]));
}

function tableText(head: readonly string[], rows: readonly (readonly string[])[], columns: readonly number[]): string {
  const table = new Table({
    head: columns.map((at) => head[at] ?? ''),
    colAligns: columns.map((at) => (at === 0 ? ('left' as const) : ('right' as const))),
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) table.push(columns.map((at) => row[at] ?? ''));
  return table.toString();
}

function widthOf(cell: string): number {
  return Math.max(...cell.split('\n').map((line) => stripVTControlCharacters(line).length));
}
