/** `tablewalk miss-curve`: hit rates of all sizes of every cache, out of one run. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import { AccessFlag, type Mmu, REPLACEMENT_POLICIES, type ReplacementPolicy } from '../../../../emulator/index.ts';
import { ConfigError } from '../../../../formats/index.ts';
import {
  type AddressList,
  type CacheCurve,
  type CurvePoint,
  fileSources,
  type MissCurveOptions,
  type MissCurveReport,
  MissCurves,
  missCurvePage,
  plainText,
  Replay,
  type RunConfig,
  readAddressList,
  runOnMap,
  sizeText,
  writeWholeFile,
} from '../../../../traces/index.ts';
import { MISS_CURVE_ASSETS } from '../../html/index.ts';
import { addMachineOptions, type MachineFlags, machineFrom, wholeNumber } from '../../options/index.ts';
import { checkWritable, ExitCode, supervise, writeJson } from '../../terminal/index.ts';

interface MissCurveFlags extends MachineFlags {
  readonly list?: boolean;
  readonly sets?: string;
  readonly pageSizes?: string;
  readonly policies?: string;
  readonly sample: string;
  readonly html?: string;
  readonly json?: string;
  readonly limit?: number;
}

const AFTER_HELP = `
One run gives the hit rate of every size: of LRU caches, fully associative, exact, with the invalidations of the run (stack distances). Each
cache's curve holds for all others being as configured. The configured machine may have any sizes; its replacement does not matter to the
curve of the same cache.

With --sets also of TLBs with so many sets and 1 to 16 ways; with --page-sizes as if every page were of that size (an invalidation takes every
page it touches); with --policies also of TLBs of other replacement, simulated beside it at 8, 32, 128 and 512 entries (plru: up to 32).

Examples:
  tablewalk miss-curve trace.txt.gz --access random
  tablewalk miss-curve trace.txt.gz --sets 16,64,256 --page-sizes 4K,64K,2M --html curves.html
  tablewalk miss-curve trace.txt.gz --policies plru,round-robin,random
  tablewalk miss-curve --list one.u64.gz other.u64.gz --preset mmu-700 --sample 0.01

Exit code: 0 done, 2 a wrong option, configuration or file, 130 interrupted (the curves so far are printed).`;

export function register(program: Command): void {
  addMachineOptions(
    program
      .command('miss-curve')
      .description('Hit rates of all sizes of every TLB, walk cache and IPA cache, out of one run.')
      .argument('<input...>', 'captures, replayed one after the other on one machine; or with --list address lists'),
  )
    .option(
      '--list',
      'the inputs are address lists as translate --stream takes them, FILE#STREAM of a QEMU `-trace smmu*` log among them, one after the other; their pages are mapped beforehand',
    )
    .option('--sets <n,...>', 'also TLBs with so many sets (powers of two) and 1 to 16 ways')
    .option('--page-sizes <size,...>', 'also TLBs as if all pages were of this size: 4K to 1G, such as 4K,64K,2M,1G')
    .option('--policies <name,...>', `also TLBs and IPA cache of other policies: ${REPLACEMENT_POLICIES.join(', ')}`)
    .option(
      '--sample <share>',
      'follow only this share of the pages (SHARDS): for very long runs; hit rates are then estimates with a standard error',
      '1',
    )
    .option('--json <file>', 'write the curves as JSON; - is standard output, instead of the table')
    .option('--html <file>', 'write the curves as one page with plots, which opens from disk')
    .option('--limit <n>', 'stop after this many events', wholeNumber(1))
    .addHelpText('after', AFTER_HELP)
    .action(missCurve);
}

function optionsFrom({ sets, pageSizes, policies, sample }: MissCurveFlags): MissCurveOptions {
  return {
    sets: sets?.split(',').map(Number) ?? [],
    pageShifts: pageSizes?.split(',').map(pageShift) ?? [],
    policies: policies?.split(',').map(policyNamed) ?? [],
    sample: Number(sample),
  };
}

const UNITS: Readonly<Record<string, number>> = { K: 10, M: 20, G: 30 };

function pageShift(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)([KMG])$/.exec(text.trim().toUpperCase()) ?? [];
  const shift = Math.log2(Number(number)) + (UNITS[unit] ?? Number.NaN);
  if (!Number.isInteger(shift) || shift < 12 || shift > 30)
    throw new ConfigError('--page-sizes', text, 'powers of two from 4K to 1G');
  return shift;
}

function policyNamed(text: string): ReplacementPolicy {
  const policy = REPLACEMENT_POLICIES.find((one) => one === text.trim());
  if (policy === undefined) throw new ConfigError('--policies', text, REPLACEMENT_POLICIES.join(', '));
  return policy;
}

async function missCurve(inputs: readonly string[], flags: MissCurveFlags): Promise<void> {
  checkWritable('--json', flags.json, inputs);
  checkWritable('--html', flags.html, inputs);
  if (flags.html === '-') throw new ConfigError('--html', '-', 'a file: standard output has the table');
  const config = machineFrom(flags);
  const options = optionsFrom(flags);
  let curves: MissCurves | null = null;
  const watch = (mmu: Mmu): void => {
    curves = new MissCurves(mmu, options);
  };
  const show = (): ExitCode => {
    const report = curves?.report(inputs) ?? null;
    if (report === null) return ExitCode.OK;
    writeJson(flags.json, report);
    if (flags.html !== undefined)
      writeWholeFile('--html', flags.html, missCurvePage(report, MISS_CURVE_ASSETS), inputs);
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
  const list = joined(inputs.map(readAddressList));
  const way = { streamId: 0, flags: AccessFlag.PRIVILEGED, size: 64, outstanding: 1, ids: 1, gap: 1 };
  runOnMap(config, { touched: 4096 }, { ...way, list, onStart });
}

/** Lists one after the other as one. */
function joined(lists: readonly AddressList[]): AddressList {
  const [first] = lists;
  if (lists.length === 1 && first !== undefined) return first;
  const length = lists.reduce((sum, { addresses }) => sum + addresses.length, 0);
  const addresses = new Float64Array(length);
  const upper = lists.some((list) => list.upper !== null) ? new Uint8Array(length) : null;
  let at = 0;
  for (const list of lists) {
    addresses.set(list.addresses, at);
    if (list.upper !== null) upper?.set(list.upper, at);
    at += list.addresses.length;
  }
  return { addresses, upper };
}

function curvesText({ sources, caches, sample }: MissCurveReport): string {
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
  const lines = [plainText(sources.join(', ')), table.toString()];
  lines.push('Hit rates, LRU, fully associative; each with the other caches as configured.');
  if (sample < 1)
    lines.push(`Estimated from ${percent(sample)} of the pages, with the standard error in percentage points.`);
  const few = (points: readonly CurvePoint[]): string =>
    points
      .filter(({ entries }) => entries >= 8 && Number.isInteger(Math.log2(entries) / 2 + 0.5))
      .map((point) => `${point.entries.toLocaleString('en')} ${shareText(point)}`)
      .join(', ');
  for (const { name, sets, pageSizes, policies } of caches) {
    for (const { sets: count, hitRates } of sets) {
      const ways = [1, 2, 4, 8, 16].map((way) => `${way}-way ${percent(hitRates[way - 1] ?? 0)}`);
      lines.push(`${name}, ${count} sets: ${ways.join(', ')}`);
    }
    for (const { pageSize, points } of pageSizes) lines.push(`${name}, ${sizeText(pageSize)} pages: ${few(points)}`);
    for (const { policy, points } of policies) lines.push(`${name}, ${policy}, simulated: ${few(points)}`);
  }
  const full = caches.filter(({ overflows }) => overflows > 0).map(({ name }) => name);
  if (full.length > 0)
    lines.push(`More pages than any cache holds: ${full.join(', ')}; the largest sizes are a little too low.`);
  return lines.join('\n');
}

function cell({ points }: CacheCurve, size: number): string {
  const point = points.find(({ entries }) => entries === size);
  return point === undefined ? '' : shareText(point);
}

function shareText({ hitRate, error }: CurvePoint): string {
  return error === 0 ? percent(hitRate) : `${percent(hitRate)} ± ${(100 * error).toFixed(2)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
