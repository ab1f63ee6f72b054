/** `tablewalk conform`: runs conformance vectors against the page-table software and the drivers. */
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import { ConformanceRun, describeMismatch, openVectors } from '../../../../traces/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';

interface ConformOptions {
  readonly json?: string;
  readonly filter?: string;
}

export function register(program: Command): void {
  program
    .command('conform')
    .description(
      'Run conformance vectors, and show where the page-table software or a driver does otherwise than they say.',
    )
    .argument('<file...>', 'vectors: one case per line, .jsonl or .jsonl.gz')
    .option('--filter <text>', 'only cases whose name contains this')
    .option('--json <file>', 'write the counts as JSON; "-" is standard output')
    .addHelpText('after', '\nExit code: 0 all cases match, 1 some do not, 2 wrong input.')
    .action(conform);
}

async function conform(files: readonly string[], options: ConformOptions): Promise<void> {
  checkWritable('--json', options.json);
  const run = new ConformanceRun(options.filter === undefined ? {} : { filter: options.filter });
  const silent = options.json === '-';
  for (const file of files) {
    const result = await run.runLines(file, openVectors(file));
    if (silent || result.mismatches === 0) continue;
    const lines = result.shown.flatMap((mismatch) => describeMismatch(mismatch));
    const rest = result.mismatches - new Set(result.shown.map((mismatch) => mismatch.caseName)).size;
    process.stdout.write(`${ansis.bold(file)}\n${lines.join('\n')}\n`);
    if (rest > 0) process.stdout.write(`  and ${rest} more cases\n`);
    process.stdout.write('\n');
  }
  const total = run.total();
  if (total.cases === 0 && options.filter !== undefined) {
    throw new ConfigError('--filter', options.filter, 'a part of the name of at least one case');
  }
  writeJson(options.json, total);
  if (!silent) process.stdout.write(`${summary(total)}\n`);
  exitWith(total.mismatches === 0 ? ExitCode.OK : ExitCode.FOUND);
}

function summary(total: ReturnType<ConformanceRun['total']>): string {
  const table = new Table({
    head: ['file', 'cases', 'operations', 'mismatches'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const count = (mismatches: number): string =>
    mismatches === 0 ? ansis.green('0') : ansis.red(mismatches.toLocaleString('en'));
  for (const { file, cases, ops, mismatches } of total.files) {
    table.push([file, cases.toLocaleString('en'), ops.toLocaleString('en'), count(mismatches)]);
  }
  if (total.files.length > 1) {
    table.push(['all', total.cases.toLocaleString('en'), total.ops.toLocaleString('en'), count(total.mismatches)]);
  }
  return table.toString();
}
