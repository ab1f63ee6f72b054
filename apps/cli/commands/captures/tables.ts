/** `tablewalk tables`: the tables of a capture as a tree, and histograms of its mappings. */
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import {
  buildLayout,
  historyFigures,
  type LayoutEdit,
  layoutLines,
  livingAt,
  MappingHistory,
  openCaptures,
  sizeText,
  summaryLine,
  type TableLayout,
} from '../../../../traces/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';

const AFTER_HELP = `
The tables are those that Linux 6.12 would build afresh from what is mapped at that time: 64-bit LPAE stage 1, 4 KiB granule, 48 bits.
What a history of splits leaves behind is not in them ("replay --leaves" has it). Memory images: see "walk".

Huge is a leaf of 2 MiB or more.

Examples:
  tablewalk tables trace.txt.gz
  tablewalk tables trace.txt.gz --at 23.9 --domain 0
  tablewalk tables trace.txt.gz --json -

Exit code: 0 done, 1 nothing is mapped then, 2 a wrong option or file.`;

interface TablesFlags {
  readonly at?: string;
  readonly domain?: string;
  readonly strict?: true;
  readonly json?: string;
}

const HUGE = 2 ** 21;
const SHAPE = { format: 'ARM_64_LPAE_S1', granuleShift: 12, ias: 48, oas: 48 } as const;

export function register(program: Command): void {
  program
    .command('tables')
    .description(
      'The tables of a capture at a time, as a tree with its entries in runs; histograms of sizes and lifetimes.',
    )
    .argument('<capture>', 'a capture, or - for standard input')
    .option('--at <time>', 'when, on the trace clock (default: the end of the capture)')
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
  readonly layout: TableLayout;
}

async function run(capture: string, flags: TablesFlags): Promise<void> {
  checkWritable('--json', flags.json);
  const at = flags.at === undefined ? Number.POSITIVE_INFINITY : Number(flags.at);
  if (Number.isNaN(at)) throw new ConfigError('--at', flags.at, 'a number, the time of the trace clock');
  const history = await MappingHistory.read(await openCaptures([capture], { strict: flags.strict === true }));
  const chosen = chosenDomain(flags.domain, history.devices.length);
  const domains = history.devices
    .map((devices, domain) => domainTables(history, domain, devices, at))
    .filter(({ domain, mappings }) => mappings > 0 && (chosen === null || domain === chosen));
  const figures = historyFigures(history);
  writeJson(flags.json, { ...figures, inferredDomains: history.inferred, domains });
  if (flags.json !== '-') {
    const lines = domains.flatMap((one) => domainLines(one, chosen !== null));
    lines.push('', 'mappings by size', ...histogram(figures.sizes, (size) => `from ${sizeText(size)}`));
    lines.push('mappings by lifetime', ...histogram(figures.lifetimes, lifetimeText));
    lines.push(`  never unmapped: ${figures.unended.toLocaleString('en')}`);
    process.stdout.write(`${lines.join('\n').trimStart()}\n`);
  }
  exitWith(domains.length > 0 ? ExitCode.OK : ExitCode.FOUND);
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
  let huge = 0;
  for (const [size, count] of Object.entries(layout.leaves)) if (Number(size) >= HUGE) huge += Number(size) * count;
  const share = layout.mappedBytes === 0 ? 0 : huge / layout.mappedBytes;
  return { domain, devices, mappings: living.length, huge: share, layout };
}

function domainLines({ domain, devices, mappings, huge, layout }: DomainTables, tree: boolean): string[] {
  const heading = `domain ${domain}${devices.length === 0 ? '' : ` of ${devices.join(', ')}`}: ${mappings.toLocaleString('en')} mappings, ${(100 * huge).toFixed(1)} % of the bytes in huge leaves`;
  const lines = tree ? layoutLines(layout) : [summaryLine(layout), ...layout.refused.map((text) => `refused: ${text}`)];
  return [heading, ...lines.map((line) => `  ${line}`)];
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
