/** `tablewalk sql`: questions to a database that `replay --db` wrote. */
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import {
  csvCell,
  DATABASE_TABLES,
  DATABASE_VIEWS,
  Database,
  plainText,
  READY_QUERIES,
  type SqlCell,
  type SqlResult,
} from '../../../../traces/index.ts';
import { wholeNumber } from '../../options/index.ts';

interface SqlFlags {
  readonly ready?: string;
  readonly format: string;
  readonly rows: number;
}

const FORMATS = ['table', 'csv', 'json'] as const;

const AFTER_HELP = `
Without a query it lists the tables and views, with what their columns say, and the ready queries:
${READY_QUERIES.map(({ name, question }) => `  ${name.padEnd(20)}${question}`).join('\n')}

The engine is DuckDB, which is installed apart: npm install @duckdb/node-api. Every tool that reads Parquet reads the folder too.

Examples:
  tablewalk replay trace.txt --db run
  tablewalk sql run
  tablewalk sql run --ready who-maps-most
  tablewalk sql run "select kind, avg(cycles) from operations group by kind" --format csv

Exit code: 0 done, 2 a wrong option, database or query.`;

export function register(program: Command): void {
  program
    .command('sql')
    .description('Ask a database that replay --db wrote, in SQL.')
    .argument('<database>', 'a folder of Parquet files, a .duckdb file, or one Parquet file')
    .argument('[query]', 'a query; without one and without --ready, what there is is listed')
    .option('--ready <name>', 'a ready query instead of your own')
    .option('--format <form>', 'table, csv or json', 'table')
    .option('--rows <n>', 'most rows of a table; 0 is all', wholeNumber(0), 100)
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

async function run(path: string, query: string | undefined, flags: SqlFlags): Promise<void> {
  const form = FORMATS.find((one) => one === flags.format);
  if (form === undefined) throw new ConfigError('--format', flags.format, FORMATS.join(', '));
  if (query !== undefined && flags.ready !== undefined) {
    throw new ConfigError('--ready', flags.ready, 'either a ready query or your own');
  }
  const sql = flags.ready === undefined ? query : readyQuery(flags.ready);
  const database = await Database.open(path);
  try {
    if (sql === undefined) process.stdout.write(contents());
    else if (form === 'csv') await printCsv(await database.query(sql));
    else if (form === 'json') await printJson(await database.query(sql));
    else await printTable(await database.query(sql), flags.rows === 0 ? Number.POSITIVE_INFINITY : flags.rows);
  } finally {
    database.close();
  }
}

function readyQuery(name: string): string {
  const ready = READY_QUERIES.find((one) => one.name === name);
  if (ready !== undefined) return ready.sql;
  throw new ConfigError('--ready', name, READY_QUERIES.map((one) => one.name).join(', '));
}

/** What can be asked. */
function contents(): string {
  const lines: string[] = [];
  for (const [table, columns] of Object.entries(DATABASE_TABLES)) {
    lines.push(ansis.bold(table));
    for (const [column, { meaning }] of Object.entries(columns)) {
      lines.push(`  ${column.padEnd(18)}${ansis.dim(meaning)}`);
    }
  }
  lines.push('', ansis.bold('views'));
  for (const { name, meaning } of DATABASE_VIEWS) lines.push(`  ${name.padEnd(18)}${ansis.dim(meaning)}`);
  lines.push('', ansis.bold('ready queries (--ready NAME)'));
  for (const { name, question } of READY_QUERIES) lines.push(`  ${name.padEnd(20)}${ansis.dim(question)}`);
  return `${lines.join('\n')}\n`;
}

async function printCsv({ columns, rows }: SqlResult): Promise<void> {
  const line = (cells: readonly SqlCell[]): string => `${cells.map(csvCell).join(',')}\r\n`;
  process.stdout.write(line(columns));
  for await (const some of rows()) process.stdout.write(some.map(line).join(''));
}

async function printJson({ columns, rows }: SqlResult): Promise<void> {
  let before = '[\n';
  for await (const some of rows()) {
    for (const row of some) {
      // Whole numbers beyond what JSON readers hold exactly are text.
      const cells = row.map((cell) => (typeof cell === 'bigint' ? String(cell) : cell));
      process.stdout.write(
        `${before}${JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, cells[at]])))}`,
      );
      before = ',\n';
    }
  }
  process.stdout.write(before === '[\n' ? '[]\n' : '\n]\n');
}

/** So many rows as a table: it is drawn when its widths are known. */
async function printTable({ columns, rows }: SqlResult, most: number): Promise<void> {
  const shown: (readonly SqlCell[])[] = [];
  let count = 0;
  for await (const some of rows()) {
    count += some.length;
    shown.push(...some.slice(0, Math.max(most - shown.length, 0)));
  }
  const table = new Table({
    head: [...columns],
    colAligns: columns.map((_name, at) => (shown.some((row) => typeof row[at] === 'string') ? 'left' : 'right')),
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of shown) table.push(row.map(cellText));
  process.stdout.write(`${table.toString()}\n`);
  if (count > shown.length) process.stdout.write(`${count - shown.length} more rows (--rows 0 shows all)\n`);
}

function cellText(cell: SqlCell): string {
  if (cell === null) return '-';
  if (typeof cell === 'number' && !Number.isInteger(cell)) return String(Number(cell.toPrecision(6)));
  return plainText(String(cell));
}
