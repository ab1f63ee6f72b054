/** `tablewalk translate`: address lists through the timed MMU, and the reference experiments it is held against. */
import { basename, dirname, join } from 'node:path';
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { AccessFlag } from '../../../../emulator/index.ts';
import { ConfigError, hexText } from '../../../../formats/index.ts';
import {
  type ExperimentResult,
  type FigureDifference,
  type LogSums,
  loadImage,
  type MemoryImage,
  parseMapSpec,
  readAddressList,
  readExperiment,
  readLogStreams,
  runExperiment,
  runOnImage,
  runOnMap,
  type StreamOptions,
  type StreamReport,
} from '../../../../traces/index.ts';
import { type MachineFlags, machineFrom, wholeNumber } from '../../options/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';

interface TranslateFlags extends MachineFlags {
  readonly reference?: readonly string[];
  readonly lists?: string;
  readonly image?: string;
  readonly stream?: string;
  readonly streams?: string;
  readonly map?: string;
  readonly sid: number;
  readonly inFlight: number;
  readonly ids: number;
  readonly gap: number;
  readonly size: number;
  readonly write?: true;
  readonly privileged?: true;
  readonly json?: string;
}

/** Differences that the text output shows per file. */
const SHOWN = 6;

export function register(program: Command): void {
  program
    .command('translate')
    .description('Run address lists through the timed MMU, or compare it with experiments of the reference model.')
    .option('--reference <file...>', 'experiments of the reference model: compare every figure')
    .option('--lists <dir>', 'with --reference: their address lists (default: ../lists beside the file)')
    .option('--image <dir>', 'memory image with stream table and tables (with --reference: ../image beside the file)')
    .option(
      '--stream <file>',
      'address list: 64-bit little-endian words, gzipped or not, or text; "-" is standard input; or FILE#STREAM of a QEMU `-trace smmu*` log',
    )
    .option(
      '--streams <file>',
      'a QEMU `-trace smmu*` log, or "-": what it holds of each stream, translations, TLB hits, faults and invalidations',
    )
    .option('--map <spec>', 'with --stream: what to map, "touched[:PAGE]" or "IOVA:SIZE:PA[,...]"')
    .option(
      '--preset <name>',
      'machine: gem5, mmu-500-agilex7, mmu-600-agilex5, mmu-700, qemu, mali-assumed, ipmmu-assumed, ideal',
    )
    .option('--config <file>', 'JSON file with the whole machine or a part of it')
    .option(
      '--set <field=value>',
      'one field of the machine; may be repeated',
      (one, all: string[]) => [...all, one],
      [],
    )
    .option('--granule <size>', 'with --map: granule of the tables, 4k, 16k or 64k')
    .option('--sid <n>', 'StreamID', wholeNumber(0), 0)
    .option('--in-flight <n>', 'most requests in flight', wholeNumber(1), 1)
    .option('--ids <n>', 'requestor ids, used in turn; requests of one id stay in order', wholeNumber(1), 1)
    .option('--gap <cycles>', 'cycles between a response and the next request', wholeNumber(1), 1)
    .option('--size <bytes>', 'bytes of an access', wholeNumber(1), 64)
    .option('--write', 'writes instead of reads')
    .option('--privileged', 'privileged accesses')
    .option('--json <file>', 'write JSON; "-" is standard output')
    .addHelpText(
      'after',
      `
Examples:
  tablewalk translate --stream list.u64.gz --preset mmu-700 --map touched
  tablewalk translate --streams qemu-smmu.log
  tablewalk translate --stream qemu-smmu.log#0x28 --map touched --in-flight 64

Exit code: 0 all equal, or no faults (with --streams always); 1 differences or faults; 2 wrong input.`,
    )
    .action(translate);
}

async function translate(flags: TranslateFlags): Promise<void> {
  checkWritable('--json', flags.json);
  if (flags.stream !== undefined && (flags.reference ?? flags.streams) !== undefined) {
    throw new ConfigError('--stream', flags.stream, 'one of --stream, --streams and --reference');
  }
  if (flags.streams !== undefined && flags.reference !== undefined) {
    throw new ConfigError('--streams', flags.streams, 'one of --stream, --streams and --reference');
  }
  if (flags.streams !== undefined) return streams(flags.streams, flags);
  if (flags.reference !== undefined) return references(flags.reference, flags);
  if (flags.stream !== undefined) return stream(flags.stream, flags);
  throw new ConfigError('translate', 'none of --stream, --streams and --reference', 'one of them');
}

function streams(file: string, { json }: TranslateFlags): void {
  const sums = readLogStreams(file);
  if (json !== '-') process.stdout.write(`${streamsText(sums)}\n`);
  writeJson(json, sums);
}

function streamsText(sums: LogSums): string {
  const count = (value: number): string => value.toLocaleString('en');
  const table = new Table({
    head: ['stream', 'translations', 'pages', 'TLB hits', 'misses', 'hit rate', 'faults', 'ranges', 'spaces', 'ASIDs'],
    colAligns: ['left', ...new Array<'right'>(8).fill('right'), 'left'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  // A log of chosen events may hold the misses alone.
  const holdsHits = sums.streams.some(({ hits }) => hits > 0);
  for (const one of sums.streams) {
    const { misses } = one;
    const hits = holdsHits ? one.hits : '-';
    const rate = hits === '-' || hits + misses === 0 ? '-' : `${((100 * hits) / (hits + misses)).toFixed(1)} %`;
    const figures = [one.translations, one.pages, hits, misses, rate, one.faults, one.ranges, one.addressSpaces];
    const cells = figures.map((cell) => (typeof cell === 'number' ? count(cell) : cell));
    table.push([hexText(one.stream), ...cells, one.asids.join(', ')]);
  }
  return [
    table.toString(),
    'ranges and spaces: invalidations of addresses, and of the whole address space, by the ASIDs of the stream.',
    `invalidations of everything: ${count(sums.everything)}; in address spaces of no stream above, or of no one ASID: ${count(sums.ofNobody)}; damaged lines: ${count(sums.damaged)}`,
  ].join('\n');
}

async function references(files: readonly string[], flags: TranslateFlags): Promise<void> {
  const images = new Map<string, MemoryImage>();
  const results: ExperimentResult[] = [];
  const silent = flags.json === '-';
  for (const file of files) {
    const experiment = readExperiment(file);
    const folder = flags.image ?? join(dirname(file), '..', 'image');
    const image = images.get(folder) ?? loadImage(folder);
    images.set(folder, image);
    const lists = flags.lists ?? join(dirname(file), '..', 'lists');
    const list = readAddressList(join(lists, `${basename(experiment.config.list)}.u64.gz`));
    const result = runExperiment(experiment, image, list);
    results.push(result);
    if (!silent) process.stdout.write(`${resultLines(result).join('\n')}\n`);
  }
  const summary = results.map(({ name, equal, exact, differences }) => ({ name, equal, exact, differences }));
  writeJson(flags.json, { files: summary });
  exitWith(results.every((result) => result.equal) ? ExitCode.OK : ExitCode.FOUND);
}

function resultLines(result: ExperimentResult): string[] {
  if (result.equal) return [`${ansis.green('equal')}  ${result.name}`];
  const more = result.differences.length - SHOWN;
  return [
    `${ansis.red('differs')}  ${result.name}: ${result.differences.length} figures`,
    ...result.differences.slice(0, SHOWN).map(differenceLine),
    ...(more > 0 ? [`    and ${more} more`] : []),
  ];
}

function differenceLine({ figure, expected, found, relative }: FigureDifference): string {
  const by = relative === null ? '' : ` (${relative > 0 ? '+' : ''}${(100 * relative).toPrecision(3)} %)`;
  return `    ${figure}: reference ${expected ?? 'none'}, ours ${found ?? 'none'}${by}`;
}

async function stream(file: string, flags: TranslateFlags): Promise<void> {
  if (flags.image !== undefined && flags.map !== undefined) {
    throw new ConfigError('--map', flags.map, 'one of --map and --image');
  }
  const config = machineFrom(flags);
  const spec = flags.image === undefined ? parseMapSpec(flags.map ?? 'touched') : null;
  const options: StreamOptions = {
    list: readAddressList(file),
    streamId: flags.sid,
    flags: (flags.write ? AccessFlag.WRITE : 0) | (flags.privileged ? AccessFlag.PRIVILEGED : 0),
    size: flags.size,
    outstanding: flags.inFlight,
    ids: flags.ids,
    gap: flags.gap,
  };
  const began = process.hrtime.bigint();
  const report =
    spec === null ? runOnImage(config.mmu, loadImage(flags.image as string), options) : runOnMap(config, spec, options);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  if (flags.json !== '-') process.stdout.write(`${reportText(report)}\n`);
  writeJson(flags.json, report);
  process.stderr.write(
    `${Math.round(report.requests / seconds).toLocaleString('en')} requests per second of host time\n`,
  );
  exitWith(report.faults === 0 ? ExitCode.OK : ExitCode.FOUND);
}

function reportText(report: StreamReport): string {
  const count = (value: number): string => value.toLocaleString('en');
  const table = new Table({
    head: ['cache', 'lookups', 'misses', 'hit rate'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const caches = {
    'micro-TLB': report.microTlb,
    'main TLB': report.mainTlb,
    'SMMU TLB': report.tlb,
    'configuration cache': report.configurationCache,
    'walk caches': report.walkCache,
    'IPA cache': report.ipaCache,
  };
  for (const [name, { lookups, misses }] of Object.entries(caches)) {
    if (lookups === 0) continue;
    table.push([name, count(lookups), count(misses), `${(100 * (1 - misses / lookups)).toFixed(2)} %`]);
  }
  const { latency } = report;
  return [
    `requests ${count(report.requests)}, faults ${count(report.faults)}, total ${count(report.totalCycles)} cycles`,
    ...Object.entries(report.faultsByKind).map(([kind, times]) => `  ${count(times)} x ${kind}`),
    ...(Object.keys(report.faultsByKind).some((kind) => kind.startsWith('permission'))
      ? ['  (accesses are unprivileged reads unless --privileged or --write says otherwise)']
      : []),
    `walks ${count(report.walks)}, descriptor reads ${count(report.descriptorReads)}, configuration reads ${count(report.configurationReads)}`,
    `latency in cycles: mean ${latency.mean.toFixed(2)}, p50 ${latency.p50}, p90 ${latency.p90}, p99 ${latency.p99}, max ${latency.max}`,
    table.toString(),
  ].join('\n');
}
