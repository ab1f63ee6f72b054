/** What the tables of a memory image hold in all, as `tablewalk walk` says it. */
import ansis from 'ansis';
import Table from 'cli-table3';
import {
  type ImageSummary,
  type LeafOwner,
  type LeafShare,
  type MemoryImage,
  type RefusedStream,
  refusalText,
  sizeText,
} from '../../../../traces/index.ts';
import { streamLines } from './walk-streams.ts';

const SHOWN_REFUSED = 50;

export function summaryText(
  image: MemoryImage,
  summary: ImageSummary,
  streams: readonly LeafOwner[],
  refused: readonly RefusedStream[],
): string {
  const count = (value: number): string => value.toLocaleString('en');
  const lines = [
    ansis.bold(image.folder),
    `${count(summary.streams)} streams with ${count(summary.spaces)} sets of tables, ` +
      `${count(summary.leaves)} leaves that map ${bytesText(summary.bytes)}`,
    ...streamLines(streams),
    `${count(summary.tables)} tables; reached by level: ${summary.tablesByLevel.map((n, level) => `${level}: ${count(n)}`).join(', ')}`,
  ];
  const table = new Table({
    head: ['leaves by', '', 'leaves', 'bytes'],
    colAligns: ['left', 'left', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const rows = (title: string, shares: Record<string, LeafShare>, name: (key: string) => string): void => {
    for (const [key, share] of Object.entries(shares)) {
      table.push([title, name(key), count(share.leaves), bytesText(share.bytes)]);
    }
  };
  rows('size', summary.leavesBySize, (key) => sizeText(Number(key)));
  rows('permission', summary.leavesByPermission, (key) => (key === '' ? 'none' : key));
  rows('attribute', summary.leavesByAttribute, (key) => key);
  lines.push(table.toString());
  const lengths = summary.runsByLog2Length
    .map((n, log2) => (n === 0 ? '' : `${2 ** log2}${log2 === 0 ? '' : `-${2 ** (log2 + 1) - 1}`}: ${count(n)}`))
    .filter((text) => text !== '');
  lines.push(
    `${count(summary.runs)} runs of leaves that follow each other on both sides, the longest of ${count(summary.longestRun)}; ` +
      `by length: ${lengths.join(', ') || 'none'}`,
    `${count(summary.contiguousLeaves)} leaves carry the contiguous hint`,
  );
  if (summary.repeatedTables > 0)
    lines.push(`${count(summary.repeatedTables)} tables left out: the tree leads back into itself`);
  if (summary.unreadableTables > 0)
    lines.push(`${count(summary.unreadableTables)} tables that the image does not hold`);
  for (const stream of refused.slice(0, SHOWN_REFUSED)) {
    lines.push(`${ansis.yellow('refused')} sid ${stream.sid}: ${refusalText(stream)}`);
  }
  return lines.join('\n');
}

function bytesText(bytes: number): string {
  for (const [unit, name] of [
    [2 ** 40, 'TiB'],
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ] as const) {
    if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${name}`;
  }
  return `${bytes} bytes`;
}
