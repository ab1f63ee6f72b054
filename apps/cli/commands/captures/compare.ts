/** `tablewalk compare`: the same capture on several machines, side by side. */
import ansis from 'ansis';
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import {
  type CompareColumn,
  type CompareReport,
  CompareRun,
  checkOutputs,
  comparePage,
  looksAlike,
  METRICS,
  type Metric,
  metricLabel,
  metricText,
  parseVariation,
  plainText,
  unfinishedWork,
  type Variation,
  writeWholeFile,
} from '../../../../traces/index.ts';
import { COMPARE_ASSETS } from '../../html/index.ts';
import {
  addMachineOptions,
  allocatorHelp,
  FIELD_NAMES,
  type MachineFlags,
  machineInput,
  metricsNamed,
  wholeNumber,
} from '../../options/index.ts';
import { ExitCode, fittingTables, supervise, tableWidth, writeJson } from '../../terminal/index.ts';

interface CompareFlags extends MachineFlags {
  readonly vary: readonly string[];
  readonly all?: boolean;
  readonly rows?: string;
  readonly json?: string;
  readonly html?: string;
  readonly strict?: boolean;
  readonly limit?: number;
}

const AFTER_HELP = `
Each --vary names an option of replay, or any field of the configuration, and the values it takes: a list, or a range such as
1..8, 0..64+16 or 4..4096*2; several make every combination. The best of each row is marked with *. For many combinations:
tablewalk sweep.

Examples:
  tablewalk compare trace.txt.gz --vary allocator=page,pool,batch,reserve,generic-cache
  tablewalk compare trace.txt.gz --vary allocator=pool:high=64,pool:high=512 --vary split=in-place,unmap-and-remap
  tablewalk compare trace.txt.gz --vary driver=arm-smmu-v3-6.12,arm-smmu-v3-7.3 --html compare.html
  tablewalk compare trace.txt.gz --vary mmu.walkSlots=1,4,16 --invalidation lazy

Exit code: 0 done, 2 a wrong option, configuration or file, 130 interrupted (what was finished is printed).`;

export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('Replay the same captures once per combination of options, and show the results side by side.')
    .argument('<capture...>', 'captures, replayed one after the other on one machine');
  addMachineOptions(command)
    .requiredOption(
      '--vary <name=a,b,...>',
      'an option of replay or a field of the configuration, and its values; may be repeated',
      (one, sofar: string[]) => [...sofar, one],
      [],
    )
    .option('--all', 'show every row, also those in which all are equal')
    .option('--rows <names>', 'show only these rows, by their names in --json, with commas between')
    .option('--json <file>', 'write the comparison as JSON; - is standard output, instead of the table')
    .option('--html <file>', 'write the comparison as one page with differences marked, which opens from disk')
    .option('--strict', 'stop at the first damaged record instead of counting and skipping it')
    .option('--limit <n>', 'stop each replay after this many events', wholeNumber(1))
    .addHelpText('after', allocatorHelp)
    .addHelpText('after', AFTER_HELP)
    .action(compare);
}

async function compare(captures: readonly string[], flags: CompareFlags): Promise<void> {
  if (flags.vary.length === 0) throw new ConfigError('--vary', 'nothing', 'name=value,value');
  const run = new CompareRun(captures, machineInput(flags), flags.vary.map(severalValues), {
    strict: flags.strict === true,
    limit: flags.limit ?? Number.POSITIVE_INFINITY,
  });
  checkOutputs(
    [
      ['--json', flags.json],
      ['--html', flags.html],
    ],
    captures,
  );
  if (flags.html === '-') throw new ConfigError('--html', '-', 'a file: standard output has the table');
  const shown = flags.rows === undefined ? null : metricsNamed('--rows', flags.rows);
  await supervise(run, (report) => {
    writeJson(flags.json, report);
    if (flags.html !== undefined) writeWholeFile('--html', flags.html, comparePage(report, COMPARE_ASSETS), captures);
    if (flags.json !== '-') process.stdout.write(`${compareText(report, shown, flags.all === true)}\n`);
    return ExitCode.OK;
  });
}

/** Two or more values of a field. */
function severalValues(text: string): Variation {
  const variation = parseVariation(text, FIELD_NAMES);
  if (variation.values.length > 1) return variation;
  throw new ConfigError('--vary', text, 'name=value,value with two different values or more');
}

function compareText(report: CompareReport, shown: readonly Metric[] | null, showAll: boolean): string {
  const { columns, varied } = report;
  if (columns.length === 0) {
    return `${ansis.bold(plainText(report.captures.join(', ')))}\n${ansis.yellow('Stopped before the first combination was finished.')}`;
  }
  // A single column has nothing to differ from.
  const all = showAll || shown !== null || columns.length === 1;
  const head = [
    varied.map(({ name }) => name).join('\n'),
    ...columns.map(({ settings }) => varied.map(({ name }) => settings[name] ?? '').join('\n')),
  ];
  const rows: string[][] = [];
  let equal = 0;
  for (const row of shown ?? METRICS) {
    const values = columns.map(({ metrics }) => metrics[row.key] ?? null);
    const best = report.best[row.key] ?? [];
    const isSame = row.better !== null && best.length === 0 && !values.includes(null);
    const isIdle = values.every((value) => value === null || value === 0);
    // What was not done is shown wherever there was any: the other figures cannot be read without it.
    const isMissing = row.key === 'refused' && !isIdle;
    if (
      !all &&
      !isMissing &&
      (isSame || isIdle || values.every((value) => looksAlike(row, value, values[0] ?? null)))
    ) {
      equal++;
      continue;
    }
    rows.push([metricLabel(row), ...columns.map((column, at) => cell(row, column, best.includes(at)))]);
  }
  const lines = [ansis.bold(plainText(report.captures.join(', ')))];
  if (report.synthetic) lines.push(ansis.yellow('synthetic: a declared workload, nothing here was measured'));
  if (rows.length > 0) lines.push(...fittingTables(head, rows, tableWidth()));
  if (varied.some(({ name }) => name === 'allocator')) {
    lines.push(`Layers: ${[...new Set(columns.map(({ stack }) => stack))].join(', ')}.`);
  }
  if (rows.length === 0) lines.push('No row differs (--all shows them).');
  else if (columns.length > 1)
    lines.push(`${equal === 0 ? '' : `${equal} more rows are the same in all (--all shows them). `}* marks the best.`);
  lines.push(...workLines(columns));
  if (!report.complete) {
    const combinations = varied.reduce((product, { values }) => product * values.length, 1);
    lines.push(ansis.yellow(`Stopped before the end: ${columns.length} of ${combinations} combinations are finished.`));
  }
  return lines.join('\n');
}

/** A warning where columns cannot be compared because they did not do the same work. */
function workLines(columns: readonly CompareColumn[]): string[] {
  const refused = columns.map(unfinishedWork);
  const most = Math.max(...refused);
  if (most === 0) return [];
  const number = (value: number): string => value.toLocaleString('en');
  if (refused.every((value) => value === most)) {
    return [ansis.yellow(`Every column refused ${number(most)} maps and unmaps: the figures are those of the rest.`)];
  }
  const least = Math.min(...refused);
  return [
    ansis.yellow(
      `Some columns refused more maps and unmaps (up to ${number(most)}) than others (${number(least)}): they did less work and get no star.`,
    ),
  ];
}

function cell(metric: Metric, { metrics }: CompareColumn, best: boolean): string {
  const value = metrics[metric.key] ?? null;
  if (value === null) return '-  ';
  const text = metricText(metric, value);
  return best ? ansis.green(`${text} *`) : `${text}  `;
}
