/** `tablewalk sweep`: the same captures on very many machines, in a folder that can be gone on with. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import packageJson from '../../../../package.json' with { type: 'json' };
import {
  CaptureFeed,
  captureSizes,
  fileSources,
  InputError,
  METRICS,
  type ParetoAxes,
  packedEvents,
  parsePoints,
  parseSampling,
  parseVariation,
  pointsOf,
  reasonOf,
  runOne,
  runsOf,
  SWEEP_SCHEMA,
  SweepFolder,
  type SweepPlan,
  type SweepRun,
  type SweepSummary,
  shownMetrics,
} from '../../../../traces/index.ts';
import {
  addMachineOptions,
  FIELD_NAMES,
  type MachineFlags,
  machineInput,
  metricsNamed,
  timeOfTrace,
  wholeNumber,
} from '../../options/index.ts';
import { checkWritable, ExitCode, exitWith, supervise, writeJson } from '../../terminal/index.ts';
import type { Engine } from './engine.ts';
import { LocalEngine } from './local-engine.ts';
import { SlurmEngine, settle } from './slurm/index.ts';
import { summaryText } from './summary-text.ts';
import { collect, Sweep } from './sweep.ts';

interface SweepFlags extends MachineFlags {
  readonly vary: readonly string[];
  readonly points?: string;
  readonly sample?: string;
  readonly sampleSeed: number;
  readonly out: string;
  readonly engine: string;
  readonly workers?: number;
  readonly batch?: number;
  readonly sbatch: readonly string[];
  readonly wait: boolean;
  readonly listRuns?: boolean;
  readonly run?: readonly string[];
  readonly collect?: boolean;
  readonly pareto: string;
  readonly rows?: string;
  readonly json?: string;
  readonly strict?: boolean;
  readonly limit?: number;
  readonly until?: number;
}

const AFTER_HELP = `
Each --vary names an option of replay, or any field of the configuration, and the values it takes: a list, or a range such as
1..8, 0..64+16 or 4..4096*2. Several make every combination, of which --sample takes some. Each combination is one run, named
by its configuration alone; its figures are those of replay.

The folder holds manifest.csv (every run and where it stands), summary.csv and summary.json (every figure), index.html (plots),
and of each run runs/ID/config.json, report.json and stats.txt. The same command again, or just --out, goes on where it ended:
what is finished is not repeated.

Examples:
  tablewalk sweep trace.txt.gz --vary mmu.tbu.mainTlb.entries=64..4096*2 --vary allocator=page,pool --out study
  tablewalk sweep trace.txt.gz --vary mmu.walkSlots=1..32 --vary invalidation.flushQueue.entries=16,64,256,1024 --sample lhs:200 --out study
  tablewalk sweep trace.txt.gz --points points.csv --out study
  tablewalk sweep trace.txt.gz --points points.csv --out study --engine slurm --sbatch --partition=long
  tablewalk sweep --out study --pareto invalidationCycles,peakFootprintBytes --collect

By other means (GNU parallel, Kubernetes, make): list the runs, do each anywhere that sees the folder, collect.
  tablewalk sweep trace.txt.gz --vary seed=1..100 --out study --list-runs | cut -f1 | parallel -n 10 tablewalk sweep --out study --run
  tablewalk sweep --out study --collect

Exit code: 0 done, 1 a run failed or is missing, 2 a wrong option, configuration or file, 130 interrupted (what is finished stands).`;

export function register(program: Command): void {
  const command = program
    .command('sweep')
    .description('Replay captures once per combination of very many options, on every core, into a folder of results.')
    .argument(
      '[capture...]',
      'captures, replayed one after the other on one machine; none: go on with what is in --out',
    )
    .requiredOption('--out <folder>', 'where results go, or are');
  addMachineOptions(command)
    .option(
      '--vary <name=a,b,...>',
      'an option of replay or a field of the configuration, and its values or a range; may be repeated',
      (one, sofar: string[]) => [...sofar, one],
      [],
    )
    .option('--points <file>', 'CSV of points: names in its first line, the values of one point in each further one')
    .option('--sample <kind:n>', 'only n of all combinations: random:n, or lhs:n for a Latin hypercube')
    .option('--sample-seed <n>', 'seed of the sample', wholeNumber(0), 1)
    .option('--workers <n>', 'threads to run on (default: one per core)', wholeNumber(1))
    .option('--engine <name>', 'who runs them: local, the cores of this machine; slurm, a job array', 'local')
    .option(
      '--batch <n>',
      'runs of one task of the array (default: so many that there are at most 256 tasks)',
      wholeNumber(1),
    )
    .option(
      '--sbatch <option>',
      'an option of sbatch, such as --sbatch --partition=long; may be repeated',
      (one, sofar: string[]) => [...sofar, one],
      [],
    )
    .option('--no-wait', 'only submit the array; --collect looks later what came of it')
    .option('--list-runs', 'only write the plan and print the id and the values of every run, with tabs between')
    .option('--run <id...>', 'only do these runs, here and now')
    .option('--collect', 'only put what is finished side by side')
    .option('--pareto <x,y>', 'the two figures whose front is marked', 'softwareCycles,meanLatency')
    .option('--rows <names>', 'show these figures in the table, by their names in summary.csv, with commas between')
    .option('--json <file>', 'write the summary as JSON; - is standard output, instead of the table')
    .option('--strict', 'stop at the first damaged record instead of counting and skipping it')
    .option('--limit <n>', 'stop each replay after this many events', wholeNumber(1))
    .option('--until <time>', 'stop after the last event at or before this time of the trace clock', timeOfTrace)
    .addHelpText('after', AFTER_HELP)
    .action(sweep);
}

async function sweep(captures: readonly string[], flags: SweepFlags): Promise<void> {
  const pareto = paretoAxes(flags.pareto);
  const columns = flags.rows === undefined ? null : metricsNamed('--rows', flags.rows);
  const folder = new SweepFolder(flags.out);
  const isNew = captures.length > 0;
  if (!isNew) refuseWithoutCaptures(flags);
  const plan = isNew ? planOf(captures, flags) : folder.plan();
  const runs = await runsOf(plan);
  const found = isNew ? captures : capturesFromHere(plan);
  checkWritable('--json', flags.json, found);
  if (isNew) folder.begin(plan);
  if (flags.listRuns === true) {
    for (const run of runs) if (run.config !== null) process.stdout.write(`${run.id}\t${settingsText(plan, run)}\n`);
    return;
  }
  if (flags.run !== undefined) {
    exitWith(await runHere(folder, plan, found, runsNamed(runs, flags.run)));
    return;
  }
  const show = (summary: SweepSummary): ExitCode => {
    writeJson(flags.json, summary);
    if (flags.json !== '-') {
      process.stdout.write(`${summaryText(summary, columns ?? shownMetrics(summary), flags.out)}\n`);
    }
    return summary.counts.failed + summary.counts.missing === 0 ? ExitCode.OK : ExitCode.FOUND;
  };
  if (flags.collect === true) {
    const note = await settle(folder, runs);
    exitWith(show(collect(folder, plan, runs, pareto)));
    if (note !== '' && flags.json !== '-') process.stdout.write(`${note}\n`);
    return;
  }
  const engine = engineOf(folder, flags);
  await supervise(new Sweep(folder, plan, runs, found, engine, pareto), (summary) => {
    if (flags.wait) return show(summary);
    const told = engine.job === '' ? 'Nothing to do' : `Slurm job ${engine.job} is submitted`;
    process.stdout.write(`${told}: tablewalk sweep --out ${flags.out} --collect\n`);
    return ExitCode.OK;
  });
}

function engineOf(folder: SweepFolder, { engine, workers, batch, sbatch, wait }: SweepFlags): Engine {
  if (engine === 'slurm') {
    if (workers !== undefined) throw new ConfigError('--workers', workers, '--engine local beside it');
    return new SlurmEngine(folder, { batch: batch ?? null, sbatch, wait });
  }
  if (engine !== 'local') throw new ConfigError('--engine', engine, 'local or slurm');
  const [option] = [
    batch === undefined ? [] : ['--batch'],
    sbatch.length === 0 ? [] : ['--sbatch'],
    wait ? [] : ['--no-wait'],
  ].flat();
  if (option !== undefined) throw new ConfigError(option, engine, '--engine slurm beside it');
  return new LocalEngine(folder, workers ?? availableParallelism());
}

/** The plan that the options describe. @throws ConfigError, InputError */
function planOf(captures: readonly string[], flags: SweepFlags): SweepPlan {
  const { points, sample, vary, strict, limit, until } = flags;
  const listed = points === undefined ? { varied: [], points: [] } : readPoints(points);
  const sampling = sample === undefined ? null : parseSampling(sample, flags.sampleSeed);
  return {
    schema: SWEEP_SCHEMA,
    version: packageJson.version,
    captures,
    sizes: captureSizes(captures),
    directory: process.cwd(),
    reading: {
      ...(strict === undefined ? {} : { strict }),
      ...(limit === undefined ? {} : { limit }),
      ...(until === undefined ? {} : { until }),
    },
    base: machineInput(flags),
    table: pointsOf(
      listed,
      vary.map((text) => parseVariation(text, FIELD_NAMES)),
      sampling,
    ),
    sampling,
  };
}

/** Without captures the plan is that of the folder: an option that would change it is a slip. */
function refuseWithoutCaptures({ vary, points, sample }: SweepFlags): void {
  const option =
    vary.length > 0 ? '--vary' : points !== undefined ? '--points' : sample !== undefined ? '--sample' : null;
  if (option !== null) throw new ConfigError(option, vary[0] ?? points ?? sample, 'captures beside it');
}

function readPoints(file: string): ReturnType<typeof parsePoints> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InputError(file, '', reasonOf(error), 'a CSV of points');
  }
  return parsePoints(file, text, FIELD_NAMES);
}

/** The captures of a plan that was made in another folder. */
function capturesFromHere({ captures, directory }: SweepPlan): string[] {
  return captures.map((capture) => (capture === '-' || isAbsolute(capture) ? capture : join(directory, capture)));
}

function runsNamed(runs: readonly SweepRun[], ids: readonly string[]): SweepRun[] {
  return ids.map((id) => {
    const run = runs.find((one) => one.id === id);
    if (run?.config != null) return run;
    throw new ConfigError('--run', id, run === undefined ? 'an id that --list-runs prints' : run.refusal);
  });
}

/** Does runs in this process, as one task of many: what is finished is left, so that a task may be begun again. */
async function runHere(
  folder: SweepFolder,
  { reading }: SweepPlan,
  captures: readonly string[],
  runs: readonly SweepRun[],
): Promise<ExitCode> {
  let failed = 0;
  for (const run of runs) {
    if (folder.result(run).status === 'finished') continue;
    const feed = folder.hasEvents ? packedEvents(folder.events) : new CaptureFeed(fileSources(captures), reading);
    if (!(await runOne(folder, run, feed))) {
      failed++;
      process.stderr.write(`tablewalk: run ${run.id} failed: ${folder.result(run).reason}\n`);
    }
  }
  return failed === 0 ? ExitCode.OK : ExitCode.FOUND;
}

function settingsText({ table: { varied } }: SweepPlan, { settings }: SweepRun): string {
  return varied.map(({ name }, at) => `${name}=${settings[at] ?? ''}`).join('\t');
}

function paretoAxes(names: string): ParetoAxes {
  const [first, second, ...others] = metricsNamed('--pareto', names);
  if (first === undefined || second === undefined || others.length > 0 || first === second) {
    throw new ConfigError('--pareto', names, 'two different figures, with a comma between');
  }
  const neutral = [first, second].find(({ better }) => better === null);
  if (neutral === undefined) return [first, second];
  const sided = METRICS.filter(({ better }) => better !== null).map(({ key }) => key);
  throw new ConfigError('--pareto', neutral.key, `figures of which one end is better: ${sided.join(', ')}`);
}
