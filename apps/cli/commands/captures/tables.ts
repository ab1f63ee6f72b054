/** `tablewalk tables`: the tables of a capture or a memory image as a tree, what changed between two times, and histograms. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { ConfigError, hexText } from '../../../../formats/index.ts';
import {
  buildLayout,
  couldBeHuge,
  drawTables,
  type HistoryFigures,
  historyFigures,
  ImageStreams,
  type LayoutEdit,
  layoutLines,
  livingAt,
  loadImage,
  type Mapping,
  type MappingDifference,
  MappingHistory,
  mappingDifferences,
  openCaptures,
  plainNames,
  sizeText,
  summaryLine,
  type TableGrowth,
  type TableLayout,
  tableGrowth,
} from '../../../../traces/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';

const AFTER_HELP = `
Of a capture, the tables are those that Linux 6.12 would build afresh from what is mapped at that time: 64-bit LPAE stage 1, 4 KiB
granule, 48 bits. What a history of splits leaves behind is in the memory image of a replay: "replay --until T --image DIR", then
"tables DIR". Of an image (a folder with pt.json and pt.pages.bin) the tables are those that stand in it; see also "walk".

Huge is a leaf of 2 MiB or more. What could be huge is mapped in whole aligned 2 MiB that follow one another in both addresses.

Examples:
  tablewalk tables trace.txt.gz
  tablewalk tables trace.txt.gz --at 23.9 --domain 0
  tablewalk tables trace.txt.gz --diff 23.5 23.9
  tablewalk tables image --sid 0x20
  tablewalk tables trace.txt.gz --json -

Exit code: 0 done, 1 nothing is mapped then (--diff: nothing changed), 2 a wrong option or file.`;

interface TablesFlags {
  readonly at?: string;
  readonly diff?: readonly string[];
  readonly domain?: string;
  readonly sid?: string;
  readonly strict?: true;
  readonly json?: string;
}

const HUGE = 2 ** 21;
const SHAPE = { format: 'ARM_64_LPAE_S1', granuleShift: 12, ias: 48, oas: 48 } as const;

export function register(program: Command): void {
  program
    .command('tables')
    .description(
      'The tables of a capture at a time or of a memory image, as a tree with its entries in runs; histograms of sizes and lifetimes.',
    )
    .argument('<capture|image>', 'a capture, - for standard input, or the folder of a memory image')
    .option('--at <time>', 'when, on the trace clock (default: the end of the capture)')
    .option('--diff <times...>', 'what came and what went between two times, instead of the tables')
    .option('--sid <n>', 'of an image: draw the tree of this stream; without it each set of tables has a line')
    .option('--domain <n>', 'draw the tree of this domain; without it each domain has a line')
    .option('--strict', 'stop at the first damaged record instead of counting and skipping it')
    .option('--json <file>', 'write all as JSON; - is standard output, instead of text')
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

interface DomainTables {
  readonly domain: number;
  readonly devices: readonly string[];
  readonly mappings: number;
  /** Share of the mapped bytes in leaves of 2 MiB or more, 0 to 1. */
  readonly huge: number;
  /** Share of the mapped bytes that could stand in such leaves, those that do included. */
  readonly couldBeHuge: number;
  readonly layout: TableLayout;
}

async function run(input: string, flags: TablesFlags): Promise<void> {
  checkWritable('--json', flags.json);
  if (statSync(input, { throwIfNoEntry: false })?.isDirectory() === true) {
    runOnImage(input, flags);
    return;
  }
  if (flags.sid !== undefined)
    throw new ConfigError('--sid', flags.sid, 'a memory image; a capture has domains: --domain');
  const at = flags.at === undefined ? Number.POSITIVE_INFINITY : timeOf('--at', flags.at);
  const between = flags.diff?.map((text) => timeOf('--diff', text));
  const history = await MappingHistory.read(await openCaptures([input], { strict: flags.strict === true }));
  const chosen = chosenDomain(flags.domain, history.devices.length);
  if (between !== undefined) {
    showDifferences(history, between, chosen, flags.json);
    return;
  }
  const domains = history.devices
    .map((devices, domain) => domainTables(history, domain, devices, at))
    .filter(({ domain, mappings }) => mappings > 0 && (chosen === null || domain === chosen));
  const figures = historyFigures(history);
  const growth = tableGrowth(history);
  writeJson(flags.json, { ...figures, tableMemory: growth, inferredDomains: history.inferred, domains });
  if (flags.json !== '-') {
    const lines = domains.flatMap((one) => domainLines(one, chosen !== null));
    lines.push(...growthLines(growth), ...figureLines(figures));
    process.stdout.write(`${lines.join('\n').trimStart()}\n`);
  }
  exitWith(domains.length > 0 ? ExitCode.OK : ExitCode.FOUND);
}

function timeOf(option: string, text: string): number {
  const time = Number(text);
  if (Number.isNaN(time) || text.trim() === '')
    throw new ConfigError(option, text, 'a number, the time of the trace clock');
  return time;
}

function runOnImage(folder: string, flags: TablesFlags): void {
  for (const option of ['at', 'diff', 'domain'] as const) {
    if (flags[option] !== undefined)
      throw new ConfigError(`--${option}`, String(flags[option]), 'a capture: an image has one time, and streams');
  }
  const image = loadImage(folder);
  const sets = new Map<string, { readonly sids: number[]; readonly layout: TableLayout }>();
  const wanted = flags.sid === undefined ? null : Number(flags.sid);
  for (const { sid, ssid, regime } of new ImageStreams(image).translated()) {
    if (wanted !== null && sid !== wanted) continue;
    const roots = [regime.stage1?.root0, regime.stage1?.root1, regime.stage2?.root0].map((root) => root?.base ?? -1);
    const key = roots.join();
    const set = sets.get(key) ?? { sids: [], layout: drawTables(image, regime) };
    if (ssid < 0 || !set.sids.includes(sid)) set.sids.push(sid);
    sets.set(key, set);
  }
  if (wanted !== null && sets.size === 0) {
    throw new ConfigError('--sid', flags.sid, 'a stream with a translation ("walk" lists them)');
  }
  const all = [...sets.values()];
  writeJson(flags.json, all);
  if (flags.json !== '-') {
    const lines = all.flatMap(({ sids, layout }) => [
      `StreamID ${sids.map((sid) => hexText(sid)).join(', ')}${sids.length > 1 ? ' (shared)' : ''}: ${percent(hugeShare(layout))} of the bytes in huge leaves`,
      ...(wanted === null ? [summaryLine(layout)] : layoutLines(layout)).map((line) => `  ${line}`),
    ]);
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  exitWith(all.some(({ layout }) => layout.mappedBytes > 0) ? ExitCode.OK : ExitCode.FOUND);
}

/** Mappings of each domain and kind that the text shows; JSON has all. */
const SHOWN = 12;

function showDifferences(
  history: MappingHistory,
  times: readonly number[],
  chosen: number | null,
  json: string | undefined,
): void {
  const [from, to] = times;
  if (from === undefined || to === undefined || times.length > 2 || from > to) {
    throw new ConfigError('--diff', times.join(' '), 'two times, the earlier one first');
  }
  const all = mappingDifferences(history, from, to).filter(({ domain }) => chosen === null || domain === chosen);
  writeJson(json, all);
  if (json !== '-')
    process.stdout.write(
      `${all.flatMap((one) => differenceLines(history, one)).join('\n') || 'no mapping at either time'}\n`,
    );
  exitWith(
    all.some(({ come, gone, between }) => come.length + gone.length + between > 0) ? ExitCode.OK : ExitCode.FOUND,
  );
}

function differenceLines(history: MappingHistory, { domain, come, gone, kept, between }: MappingDifference): string[] {
  const list = (sign: string, mappings: readonly Mapping[]): string[] => [
    ...mappings
      .slice(0, SHOWN)
      .map(
        ({ start, end, pa, made, gone: went }) =>
          `  ${sign} ${hexText(start).padEnd(14)} ${sizeText(end - start).padStart(8)} -> ${pa < 0 ? 'unknown' : hexText(pa)}, mapped at ${made.time} (line ${made.line})${sign === '-' ? `, unmapped at ${went?.time} (line ${went?.line})` : ''}`,
      ),
    ...(mappings.length > SHOWN ? [`  ${sign} and ${(mappings.length - SHOWN).toLocaleString('en')} more`] : []),
  ];
  const devices = history.devices[domain] ?? [];
  const bytes = (mappings: readonly Mapping[]): string =>
    sizeText(mappings.reduce((sum, { start, end }) => sum + end - start, 0));
  return [
    `domain ${domain}${devices.length === 0 ? '' : ` of ${plainNames(devices)}`}: ${come.length.toLocaleString('en')} come (${bytes(come)}), ` +
      `${gone.length.toLocaleString('en')} gone (${bytes(gone)}), ${kept.toLocaleString('en')} kept, ${between.toLocaleString('en')} came and went in between`,
    ...list('+', come),
    ...list('-', gone),
  ];
}

function chosenDomain(text: string | undefined, domains: number): number | null {
  if (text === undefined) return null;
  const domain = Number(text);
  if (Number.isInteger(domain) && domain >= 0 && domain < domains) return domain;
  throw new ConfigError('--domain', text, domains === 0 ? 'none: the capture has no domain' : `0 to ${domains - 1}`);
}

function domainTables(history: MappingHistory, domain: number, devices: readonly string[], at: number): DomainTables {
  const living = livingAt(history, domain, at);
  const edits = living.map(
    ({ start, end, pa, prot }): LayoutEdit => ({
      kind: 'map',
      iova: start,
      pa: Math.max(pa, 0),
      size: end - start,
      prot: prot > 0 ? prot : 3,
    }),
  );
  const layout = buildLayout(SHAPE, edits, false);
  const could = layout.mappedBytes === 0 ? 0 : couldBeHuge(living) / layout.mappedBytes;
  return { domain, devices, mappings: living.length, huge: hugeShare(layout), couldBeHuge: could, layout };
}

function hugeShare({ leaves, mappedBytes }: TableLayout): number {
  let huge = 0;
  for (const [size, count] of Object.entries(leaves)) if (Number(size) >= HUGE) huge += Number(size) * count;
  return mappedBytes === 0 ? 0 : huge / mappedBytes;
}

function domainLines(one: DomainTables, tree: boolean): string[] {
  const { domain, devices, mappings, layout } = one;
  const heading =
    `domain ${domain}${devices.length === 0 ? '' : ` of ${plainNames(devices)}`}: ${mappings.toLocaleString('en')} mappings, ` +
    `${percent(one.huge)} of the bytes in huge leaves, ${percent(one.couldBeHuge)} could be`;
  const lines = tree ? layoutLines(layout) : [summaryLine(layout), ...layout.refused.map((text) => `refused: ${text}`)];
  return [heading, ...lines.map((line) => `  ${line}`)];
}

/** Points of the growth that the text shows. */
const MOMENTS = 8;

function growthLines({ points, domains }: TableGrowth): string[] {
  const every = Math.max(1, Math.ceil(points.length / MOMENTS));
  const shown = points.filter((_point, index) => index % every === every - 1 || index === points.length - 1);
  const most = Math.max(1, ...points.map(({ tableBytes }) => tableBytes));
  const peaks = domains.map(({ domain, peak }) => `domain ${domain}: ${sizeText(peak)}`);
  return [
    '',
    'table memory over time, as Linux keeps it (a table that is emptied page by page stays)',
    ...shown.map(
      ({ time, mappedBytes, tableBytes }) =>
        `  at ${String(time).padEnd(14)} ${sizeText(tableBytes).padStart(9)} for ${sizeText(mappedBytes).padStart(9)} mapped ${'#'.repeat(Math.ceil((BAR * tableBytes) / most))}`,
    ),
    `  most by domain: ${peaks.join(', ')}`,
  ];
}

function figureLines(figures: HistoryFigures): string[] {
  return [
    '',
    'mappings by size',
    ...histogram(figures.sizes, (size) => `from ${sizeText(size)}`),
    'mappings by lifetime',
    ...histogram(figures.lifetimes, lifetimeText),
    `  never unmapped: ${figures.unended.toLocaleString('en')}`,
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

const BAR = 40;

function histogram(counts: Readonly<Record<string, number>>, name: (step: number) => string): string[] {
  const most = Math.max(1, ...Object.values(counts));
  return Object.entries(counts).map(
    ([step, count]) =>
      `  ${name(Number(step)).padEnd(16)} ${count.toLocaleString('en').padStart(9)} ${'#'.repeat(Math.ceil((BAR * count) / most))}`,
  );
}

function lifetimeText(microseconds: number): string {
  if (microseconds === 0) return 'below 1 us';
  if (microseconds < 1000) return `from ${microseconds} us`;
  return microseconds < 1e6
    ? `from ${(microseconds / 1e3).toFixed(1)} ms`
    : `from ${(microseconds / 1e6).toFixed(1)} s`;
}
