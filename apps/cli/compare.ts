/** `tablewalk compare`: the same capture on several machines, side by side. */
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { ConfigError } from '../../formats/index.ts';
import {
  COMPARE_METRICS,
  type CompareColumn,
  type CompareMetric,
  type CompareReport,
  CompareRun,
  type Variation,
} from '../../traces/index.ts';
import { allocatorHelp } from './allocator-help.ts';
import { ExitCode, exitWith } from './exit.ts';
import { writeJson } from './json-output.ts';
import { addMachineOptions, fieldOfOption, type MachineFlags, machineFrom, wholeNumber } from './machine-options.ts';
import { Progress } from './progress.ts';

interface CompareFlags extends MachineFlags {
  readonly vary: readonly string[];
  readonly all?: boolean;
  readonly json?: string;
  readonly strict?: boolean;
  readonly limit?: number;
}

const AFTER_HELP = `
Each --vary names an option of replay, or any field of the configuration, and the values it takes; several make every
combination. The best of each row is marked with *.

Examples:
  tablewalk compare trace.txt.gz --vary allocator=page,pool,batch,reserve,generic-cache
  tablewalk compare trace.txt.gz --vary allocator=pool:high=64,pool:high=512 --vary split=in-place,unmap-and-remap
  tablewalk compare trace.txt.gz --vary mmu.walkSlots=1,4,16 --invalidation lazy

Exit code: 0 done, 2 a wrong option, configuration or file, 130 interrupted (what was finished is printed).`;

export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('replay the same captures once per combination of options, and show the results side by side')
    .argument('<capture...>', 'captures, replayed one after the other on one machine');
  addMachineOptions(command)
    .requiredOption(
      '--vary <name=a,b,...>',
      'an option of replay or a field of the configuration, and its values; may be repeated',
      (one, sofar: string[]) => [...sofar, one],
      [],
    )
    .option('--all', 'show every row, also those in which all are equal')
    .option('--json <file>', 'write the comparison as JSON; - is standard output, instead of the table')
    .option('--strict', 'stop at the first damaged record instead of counting and skipping it')
    .option('--limit <n>', 'stop each replay after this many events', wholeNumber(1))
    .addHelpText('after', allocatorHelp)
    .addHelpText('after', AFTER_HELP)
    .action(compare);
}

async function compare(captures: readonly string[], flags: CompareFlags): Promise<void> {
  if (flags.vary.length === 0) throw new ConfigError('--vary', 'nothing', 'name=value,value');
  const run = new CompareRun(captures, machineFrom(flags), flags.vary.map(parseVariation), {
    strict: flags.strict === true,
    limit: flags.limit ?? Number.POSITIVE_INFINITY,
  });
  const progress = new Progress();
  const stop = (): void => run.stop();
  process.once('SIGINT', stop);
  try {
    const report = await run.run((done, events) => progress.update(done, events));
    progress.end();
    if (flags.json !== undefined) writeJson(flags.json, report);
    if (flags.json !== '-') process.stdout.write(`${compareText(report, flags.all === true)}\n`);
    exitWith(run.stopped ? ExitCode.INTERRUPTED : ExitCode.OK);
  } finally {
    progress.end();
    process.removeListener('SIGINT', stop);
  }
}

/** `allocator=page,pool`: a name, and values between commas. */
function parseVariation(text: string): Variation {
  const at = text.indexOf('=');
  const values = text.slice(at + 1).split(',');
  if (at < 1 || values.includes('')) throw new ConfigError('--vary', text, 'name=value,value');
  const name = text.slice(0, at);
  return { name, field: fieldOfOption(name) ?? name, values };
}

function compareText(report: CompareReport, all: boolean): string {
  const { columns, varied } = report;
  const table = new Table({
    head: ['', ...columns.map(({ settings }) => varied.map(({ name }) => settings[name] ?? '').join('\n'))],
    colAligns: ['left', ...columns.map(() => 'right' as const)],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  let equal = 0;
  for (const row of COMPARE_METRICS) {
    const values = columns.map(({ metrics }) => metrics[row.key] ?? 0);
    if (
      !all &&
      (values.every((value) => value === values[0]) ||
        (row.better !== null && (report.best[row.key] ?? []).length === 0))
    ) {
      equal++;
      continue;
    }
    const best = report.best[row.key] ?? [];
    table.push([row.label, ...columns.map((column, at) => cell(row, column, best.includes(at)))]);
  }
  const lines = [ansis.bold(report.captures.join(', '))];
  if (equal < COMPARE_METRICS.length) lines.push(table.toString());
  if (varied.some(({ name }) => name === 'allocator')) {
    lines.push(`Layers: ${[...new Set(columns.map(({ stack }) => stack))].join(', ')}.`);
  }
  if (equal === COMPARE_METRICS.length) lines.push('No row differs (--all shows them).');
  else
    lines.push(`${equal === 0 ? '' : `${equal} more rows are the same in all (--all shows them). `}* marks the best.`);
  if (!report.complete) lines.push(ansis.yellow('Stopped before the end: the combinations not finished are missing.'));
  return lines.join('\n');
}

function cell({ key, unit }: CompareMetric, { metrics }: CompareColumn, best: boolean): string {
  const value = metrics[key] ?? 0;
  const text = unit === 'share' ? `${(value * 100).toFixed(1)} %` : Number(value.toFixed(1)).toLocaleString('en');
  return best ? ansis.green(`${text} *`) : `${text}  `;
}
