/** `tablewalk miss-curve`: hit rates of all sizes of every cache, out of one run. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { AccessFlag, type Mmu } from '../../../../emulator/index.ts';
import { ConfigError } from '../../../../formats/index.ts';
import {
  type CacheCurve,
  fileSources,
  type MissCurveReport,
  MissCurves,
  Replay,
  type RunConfig,
  readAddressList,
  runOnMap,
} from '../../../../traces/index.ts';
import { addMachineOptions, type MachineFlags, machineFrom, wholeNumber } from '../../options/index.ts';
import { checkWritable, ExitCode, supervise, writeJson } from '../../terminal/index.ts';

interface MissCurveFlags extends MachineFlags {
  readonly list?: boolean;
  readonly sets?: string;
  readonly json?: string;
  readonly limit?: number;
}

const AFTER_HELP = `
One run gives the hit rate of every size: of LRU caches, fully associative, exact, with the invalidations of the run (stack distances). Each
cache's curve holds for all others being as configured. With --sets also of TLBs with so many sets and 1 to 16 ways. The configured machine
may have any sizes; its replacement does not matter to the curve of the same cache.

Examples:
  tablewalk miss-curve trace.txt.gz --access random
  tablewalk miss-curve trace.txt.gz --sets 16,64,256 --json curves.json
  tablewalk miss-curve --list addresses.u64.gz --preset mmu-700

Exit code: 0 done, 2 a wrong option, configuration or file, 130 interrupted (the curves so far are printed).`;

export function register(program: Command): void {
  addMachineOptions(
    program
      .command('miss-curve')
      .description('Hit rates of all sizes of every TLB, walk cache and IPA cache, out of one run.')
      .argument('<input...>', 'captures, replayed one after the other on one machine; or with --list one address list'),
  )
    .option('--list', 'the input is an address list, whose pages are mapped as it touches them')
    .option(
      '--sample <share>',
      'follow only this share of the pages: for very long runs; curves then have an error',
      '1',
    )
    .option('--sets <n,...>', 'also TLBs with so many sets (powers of two) and 1 to 16 ways')
    .option('--json <file>', 'write the curves as JSON; - is standard output, instead of the table')
    .option('--limit <n>', 'stop after this many events', wholeNumber(1))
    .addHelpText('after', AFTER_HELP)
    .action(missCurve);
}

async function missCurve(inputs: readonly string[], flags: MissCurveFlags): Promise<void> {
  checkWritable('--json', flags.json, inputs);
  const config = machineFrom(flags);
  const options = { sets: flags.sets?.split(',').map(Number) ?? [] };
  let curves: MissCurves | null = null;
  const watch = (mmu: Mmu): void => {
    curves = new MissCurves(mmu, options);
  };
  const show = (): ExitCode => {
    const report = curves?.report(inputs) ?? null;
    if (report === null) return ExitCode.OK;
    writeJson(flags.json, report);
    if (flags.json !== '-') process.stdout.write(`${curvesText(report)}\n`);
    return ExitCode.OK;
  };
  if (flags.list === true) {
    translateList(inputs, config, watch);
    show();
    return;
  }
  const replay = new Replay(fileSources(inputs), config, {
    limit: flags.limit ?? Number.POSITIVE_INFINITY,
    onStart: ({ machine }) => watch(machine.device.mmu),
  });
  await supervise(replay, show);
}

function translateList(inputs: readonly string[], config: RunConfig, onStart: (mmu: Mmu) => void): void {
  const [input = '', ...others] = inputs;
  if (others.length > 0) throw new ConfigError('--list', others[0], 'one list');
  const list = readAddressList(input);
  const way = { streamId: 0, flags: AccessFlag.PRIVILEGED, size: 64, outstanding: 1, ids: 1, gap: 1 };
  runOnMap(config, { touched: 4096 }, { ...way, list, onStart });
}

function curvesText({ sources, caches }: MissCurveReport): string {
  const sizes = [...new Set(caches.flatMap(({ points }) => points.map(({ entries }) => entries)))].sort(
    (a, b) => a - b,
  );
  const table = new Table({
    head: ['entries', ...caches.map(({ name }) => name)],
    colAligns: ['right', ...caches.map(() => 'right' as const)],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  table.push(['lookups', ...caches.map(({ lookups }) => Math.round(lookups).toLocaleString('en'))]);
  for (const size of sizes) table.push([size.toLocaleString('en'), ...caches.map((cache) => cell(cache, size))]);
  const lines = [sources.join(', '), table.toString()];
  lines.push('Hit rates, LRU, fully associative; each with the other caches as configured.');
  for (const { name, sets } of caches) {
    for (const { sets: count, hitRates } of sets) {
      const ways = [1, 2, 4, 8, 16].map((way) => `${way}-way ${percent(hitRates[way - 1] ?? 0)}`);
      lines.push(`${name}, ${count} sets: ${ways.join(', ')}`);
    }
  }
  const full = caches.filter(({ overflows }) => overflows > 0).map(({ name }) => name);
  if (full.length > 0)
    lines.push(`More pages than any cache holds: ${full.join(', ')}; the largest sizes are a little too low.`);
  return lines.join('\n');
}

function cell({ points }: CacheCurve, size: number): string {
  const point = points.find(({ entries }) => entries === size);
  return point === undefined ? '' : percent(point.hitRate);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
