/** `tablewalk walk`: looks into the page tables of a memory image. */
import ansis from 'ansis';
import { type Command, Option } from 'commander';
import { Permission, PRESETS, type PresetName, type TranslationRegime } from '../../../../emulator/index.ts';
import { ConfigError, hexText } from '../../../../formats/index.ts';
import {
  BARE_FORMATS,
  type BareFormat,
  bareRegime,
  ImageStreams,
  LeafComparison,
  type LeafOwner,
  type LeafRecord,
  loadImage,
  type MemoryImage,
  type NarratedWalk,
  narrateWalk,
  type RefusedStream,
  readLeafList,
  refusalText,
  servedText,
  sizeText,
  storyLines,
  summarise,
  type TimedWalk,
  timedWalk,
  WholeFile,
  walkLines,
} from '../../../../traces/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';
import { streamRecord, streamsToChoose } from './walk-streams.ts';
import { summaryText } from './walk-summary.ts';

interface WalkOptions {
  readonly leaves?: true;
  readonly iova?: string;
  readonly sid?: string;
  readonly ssid?: string;
  readonly access: string;
  readonly lenient?: true;
  readonly expect?: string;
  readonly json?: string;
  readonly ttb0?: string;
  readonly ttb1?: string;
  readonly tcr?: string;
  readonly mair?: string;
  readonly format: BareFormat;
  readonly preset: PresetName;
}

const AFTER_HELP = `
Examples:
  tablewalk walk image
  tablewalk walk image --leaves --json leaves.jsonl
  tablewalk walk image --sid 0x20 --iova 0xfffff000
  tablewalk walk dump --ttb0 0x10ccec000 --tcr 0x3510 --mair 0xf404ff44 --iova 0xfffff000

Exit code: 0 done, 1 the leaves differ from --expect, or --iova faults; 2 wrong input.`;

export function register(program: Command): void {
  program
    .command('walk')
    .description("Walk the page tables of a memory image: a summary, every leaf, or one address's walk step by step.")
    .argument('<image>', 'folder with pt.json and pt.pages.bin')
    .option('--leaves', 'print every leaf; with --json one JSON object per line')
    .option('--iova <address>', 'walk this address step by step')
    .option('--sid <n>', 'StreamID: which stream to look at (default: all of them)')
    .option('--ssid <n>', 'SubstreamID of the stream')
    .option('--lenient', 'take stream table and context descriptors unchecked, as gem5 does')
    .option('--access <rights>', 'rights that the walked access needs: letters of r, w, x, and p for privileged', '')
    .option('--expect <leaves>', 'compare with a leaf list (JSON lines, gzipped or not); exit 1 on any difference')
    .option('--ttb0 <address>', 'bare table: walk this TTBR0 (VTTBR, TRANSTAB) instead of the stream table')
    .option('--ttb1 <address>', 'bare table: TTBR1')
    .option('--tcr <value>', 'bare table: TCR_EL1, VTCR_EL2 or TTBCR, as the register holds it')
    .option('--mair <value>', 'bare table: MAIR (arm-v7s: NMRR above PRRR)')
    .addOption(new Option('--format <name>', 'bare table: its format').choices(BARE_FORMATS).default('arm-64-lpae-s1'))
    .addOption(
      new Option('--preset <name>', 'with --iova: the MMU whose cycles and caches are told')
        .choices(Object.keys(PRESETS))
        .default('mmu-700'),
    )
    .option('--json <file>', 'write JSON; "-" is standard output')
    .addHelpText('after', AFTER_HELP)
    .action(walk);
}

function walk(folder: string, options: WalkOptions): void {
  const image = loadImage(folder);
  if (options.iova !== undefined) {
    walkOne(image, number64('--iova', options.iova), options);
    return;
  }
  const { owners, refused } = ownersOf(image, options);
  checkWritable('--json', options.json);
  const comparison = options.expect === undefined ? null : new LeafComparison(readLeafList(options.expect));
  const output = new Output(options.leaves === true && comparison === null ? options.json : undefined);
  const prints = options.leaves === true && (comparison === null || options.json === undefined);
  const summary = summarise(image, owners, (leaf) => {
    comparison?.found(leaf);
    if (prints) output.line(options.json === undefined ? leafLine(leaf) : JSON.stringify(leaf));
  });
  if (comparison !== null) reportComparison(comparison, output, options);
  else if (options.leaves !== true) {
    // A bare table belongs to no stream.
    const streams = bareOwner(options) === null ? owners : [];
    if (options.json !== undefined) {
      writeJson(options.json, { ...summary, streamList: streams.map(streamRecord), refused });
    } else output.line(summaryText(image, summary, streams, refused));
  }
  output.end();
}

/** Whose leaves are asked for: a bare table, one stream, or all streams. */
function ownersOf(image: MemoryImage, options: WalkOptions): { owners: LeafOwner[]; refused: RefusedStream[] } {
  const bare = bareOwner(options);
  if (bare !== null) return { owners: [bare], refused: [] };
  const streams = new ImageStreams(image, options.lenient === true);
  if (options.sid !== undefined) return { owners: [streamOf(streams, options)], refused: [] };
  const owners: LeafOwner[] = [];
  const refused: RefusedStream[] = [];
  for (const found of streams.survey()) {
    if ('event' in found) refused.push(found);
    else owners.push(found);
  }
  return { owners, refused };
}

function bareOwner(options: WalkOptions): LeafOwner | null {
  if (options.ttb0 === undefined && options.ttb1 === undefined) return null;
  const mali = options.format === 'arm-mali-lpae';
  if (options.tcr === undefined && !mali) throw new ConfigError('--tcr', null, 'the value of TCR, with --ttb0');
  if (options.sid !== undefined)
    throw new ConfigError('--sid', options.sid, 'no --sid with --ttb0: a bare table has no streams');
  const regime = bareRegime({
    format: options.format,
    ttb0: options.ttb0 === undefined ? 0n : number64('--ttb0', options.ttb0),
    ttb1: options.ttb1 === undefined ? null : number64('--ttb1', options.ttb1),
    tcr: options.tcr === undefined ? 0n : number64('--tcr', options.tcr),
    mair: options.mair === undefined ? 0n : number64('--mair', options.mair),
  });
  return { sid: 0, ssid: -1, regime };
}

function streamOf(streams: ImageStreams, options: WalkOptions): LeafOwner {
  const sid = small('--sid', options.sid ?? '', 2 ** 32);
  const ssid = options.ssid === undefined ? -1 : small('--ssid', options.ssid, 2 ** 20);
  if (sid >= streams.count) throw new ConfigError('--sid', sid, `0 to ${streams.count - 1}, as STRTAB_BASE_CFG says`);
  const found = streams.stream(sid, ssid);
  if ('event' in found)
    throw new ConfigError('--sid', `${sid} (${refusalText(found)})`, streamsToChoose(streams.survey()));
  return found;
}

function walkOne(image: MemoryImage, iova: bigint, options: WalkOptions): void {
  let owner = bareOwner(options);
  if (owner === null) {
    const streams = new ImageStreams(image, options.lenient === true);
    if (options.sid === undefined) throw new ConfigError('--sid', 'none', streamsToChoose(streams.survey()));
    owner = streamOf(streams, options);
  }
  const access = accessBits(options.access);
  const walked = narrateWalk(image, owner.regime, iova, access);
  const { WRITE, PRIVILEGED_WRITE, PRIVILEGED_READ, PRIVILEGED_EXECUTE } = Permission;
  const timed = timedWalk(image, owner.regime, iova, options.preset, {
    write: (access & (WRITE | PRIVILEGED_WRITE)) !== 0,
    privileged: (access & (PRIVILEGED_READ | PRIVILEGED_WRITE | PRIVILEGED_EXECUTE)) !== 0,
  });
  const output = new Output(undefined);
  if (options.json !== undefined) writeJson(options.json, { sid: owner.sid, ...walked, timed });
  else {
    output.line(headline(walked, timed));
    if (options.sid !== undefined)
      output.line(ansis.bold(`StreamID ${hexText(owner.sid)}: ${regimeText(owner.regime)}`));
    for (const line of walkLines(walked, (text) => ansis.bold(text))) output.line(line);
    if (timed !== null) for (const line of timedLines(timed)) output.line(line);
  }
  output.end();
  if (walked.fault !== null) exitWith(ExitCode.FOUND);
}

/** The whole answer in one line. */
function headline({ iova, pa, pageSize, permissions, fault, steps }: NarratedWalk, timed: TimedWalk | null): string {
  const reads = steps.filter(({ kind }) => kind === 'descriptor').length;
  const cost = `${reads} descriptor ${reads === 1 ? 'read' : 'reads'}${timed === null ? '' : `, ${timed.cold.latency} cycles on ${timed.preset}`}`;
  if (fault !== null) {
    return ansis.red(`${iova} faults: ${fault.name} at stage ${fault.stage}, level ${fault.level}, after ${cost}`);
  }
  const size = pageSize === null ? '' : ` in a leaf of ${sizeText(pageSize)}`;
  return ansis.green(`${iova} -> ${pa}${size}, ${permissions.join(', ') || 'no permission'}; ${cost}`);
}

function timedLines({ preset, cold, again, neighbour }: TimedWalk): string[] {
  const served = (story: TimedWalk['cold']): string => `${servedText(story)}, ${story.latency} cycles`;
  return [
    '',
    ansis.bold(`On ${preset}, with nothing cached (cycles so far):`),
    ...storyLines(cold),
    `Once more: ${served(again)}.`,
    ...(neighbour === null ? [] : [`Then the page behind it, ${neighbour.iova}: ${served(neighbour)}.`]),
  ];
}

function regimeText(regime: TranslationRegime): string {
  const stages: string[] = [];
  if (regime.stage1 !== null) stages.push(`stage 1 with ASID ${regime.asid}`);
  if (regime.stage2 !== null) stages.push(`stage 2 with VMID ${regime.vmid}`);
  return stages.length === 0 ? 'bypass' : stages.join(', ');
}

function leafLine(leaf: LeafRecord): string {
  const { READ, WRITE } = { READ: leaf.perm.includes('r') ? 'r' : '-', WRITE: leaf.perm.includes('w') ? 'w' : '-' };
  const flags = [
    leaf.af === 0 ? 'no-AF' : '',
    leaf.ng === 0 ? 'global' : '',
    leaf.dbm === 0 ? '' : 'DBM',
    leaf.cont === 0 ? '' : 'contiguous',
    leaf.pxn === 0 ? '' : 'PXN',
    leaf.xn === 0 ? '' : 'XN',
    leaf.ns === 0 ? '' : 'NS',
  ].filter((flag) => flag !== '');
  const owner = `sid ${leaf.sid}${leaf.ssid === undefined ? '' : `.${leaf.ssid}`} asid ${leaf.asid}`;
  return (
    `${owner.padEnd(18)} ${leaf.iova.padStart(18)} -> ${leaf.pa.padEnd(15)} ${sizeText(leaf.size).padStart(7)} ` +
    `level ${leaf.level} ${READ}${WRITE} attr ${leaf.attridx} sh ${leaf.sh} ${flags.join(' ')}`.trimEnd()
  );
}

function reportComparison(comparison: LeafComparison, output: Output, options: WalkOptions): void {
  const different = comparison.finish();
  const { equal, differences } = comparison;
  if (options.json !== undefined) {
    writeJson(options.json, { equal: different === 0, equalLeaves: equal, differences });
  } else {
    for (const { kind, sid, iova, what } of differences.slice(0, SHOWN_DIFFERENCES)) {
      output.line(`${ansis.red(kind)} sid ${sid} iova ${iova}: ${what}`);
    }
    if (different > SHOWN_DIFFERENCES) output.line(`and ${different - SHOWN_DIFFERENCES} more`);
    const verdict =
      different === 0 ? ansis.green('all equal') : ansis.red(`${different.toLocaleString('en')} differences`);
    output.line(`${equal.toLocaleString('en')} leaves as in ${options.expect}; ${verdict}`);
  }
  exitWith(different === 0 ? ExitCode.OK : ExitCode.FOUND);
}

const SHOWN_DIFFERENCES = 50;

function accessBits(rights: string): number {
  const privileged = rights.includes('p');
  let access = 0;
  for (const letter of rights) {
    if (letter === 'r') access |= privileged ? Permission.PRIVILEGED_READ : Permission.READ;
    else if (letter === 'w') access |= privileged ? Permission.PRIVILEGED_WRITE : Permission.WRITE;
    else if (letter === 'x') access |= privileged ? Permission.PRIVILEGED_EXECUTE : Permission.EXECUTE;
    else if (letter !== 'p') throw new ConfigError('--access', rights, 'letters of r, w, x and p');
  }
  return access;
}

function number64(option: string, text: string): bigint {
  if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) {
    const value = BigInt(text);
    if (value < 1n << 64n) return value;
  }
  throw new ConfigError(option, text, 'a number below 2^64, such as 0xfffe0000');
}

function small(option: string, text: string, limit: number): number {
  const value = number64(option, text);
  if (value >= BigInt(limit)) throw new ConfigError(option, text, `0 to ${limit - 1}`);
  return Number(value);
}

/** Lines to standard output or a file, in large pieces; a file appears whole or not at all. */
class Output {
  readonly #file: WholeFile | null;
  #pending: string[] = [];

  constructor(json: string | undefined) {
    this.#file = json === undefined || json === '-' ? null : new WholeFile('--json', json);
  }

  line(text: string): void {
    this.#pending.push(text);
    if (this.#pending.length >= 1000) this.#flush();
  }

  end(): void {
    this.#flush();
    this.#file?.commit();
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const text = `${this.#pending.join('\n')}\n`;
    this.#pending = [];
    if (this.#file === null) process.stdout.write(text);
    else this.#file.write(text);
  }
}
