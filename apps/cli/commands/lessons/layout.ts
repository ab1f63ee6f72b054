/** `tablewalk layout`: builds tables from a few mappings and draws them. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  ConfigError,
  LINUX_VERSIONS,
  type LinuxVersion,
  SPLIT_POLICIES,
  type SplitPolicy,
} from '../../../../formats/index.ts';
import {
  BARE_FORMATS,
  type BareFormat,
  buildLayout,
  type LayoutEdit,
  type LayoutShape,
  layoutFigures,
  layoutLines,
  parseEdit,
  type TableLayout,
} from '../../../../traces/index.ts';
import { readText } from '../../options/index.ts';
import { checkWritable, ExitCode, exitWith, fittingTables, tableWidth, writeJson } from '../../terminal/index.ts';
import { formatOf, granuleShiftOf } from './table-options.ts';

const EDIT = "'map IOVA PA SIZE [rwxcmp]' or 'unmap IOVA SIZE', sizes such as 4k, 2M, 1G";
const AFTER_HELP = `
EDIT is ${EDIT}; or a file with one on each line, # for remarks.
Rights: r read, w write, x execute, c cacheable, m MMIO, p privileged.

Entries that are alike and follow one another are folded into runs. The page-table code is the one that replays.

Examples:
  tablewalk layout 'map 0x40000000 0x80000000 2M rw'
  tablewalk layout 'map 0x40000000 0x80000000 32M rw' --compare granule=4k,16k,64k
  tablewalk layout 'map 0x40000000 0x80000000 2M rw' 'unmap 0x40001000 4k' --steps --walk non-coherent
  tablewalk layout 'map 0x40000000 0x80000000 2M rw' 'unmap 0x40001000 4k' --compare linux=6.12,7.3
  tablewalk layout 'map 0x40000000 0x80000000 64k rw' --compare allocator=page,pool,reserve

Exit code: 0 done, 1 an edit was refused, 2 a wrong option or file.`;

interface LayoutFlags {
  readonly format: BareFormat;
  readonly granule: string;
  readonly ias?: string;
  readonly oas?: string;
  readonly walk: string;
  readonly linux?: LinuxVersion;
  readonly split?: SplitPolicy;
  readonly contiguous?: true;
  readonly allocator?: string;
  readonly compare?: string;
  readonly steps?: true;
  readonly json?: string;
}

export function register(program: Command): void {
  program
    .command('layout')
    .description(
      'Build translation tables from a few mappings and draw them: tables, indexes, entries folded into runs, bytes.',
    )
    .argument('<edit...>', EDIT)
    .addOption(new Option('--format <name>', 'format of the tables').choices(BARE_FORMATS).default('arm-64-lpae-s1'))
    .option('--granule <size>', 'granule: 4k, 16k or 64k', '4k')
    .option(
      '--ias <bits>',
      'input address size (default: 48, 40 for 32-bit LPAE stage 2, else 32 for the 32-bit formats)',
    )
    .option('--oas <bits>', 'output address size (default: 48, 40 for 32-bit LPAE and Mali, 32 for short descriptors)')
    .addOption(
      new Option('--walk <kind>', 'whether walks see the CPU caches')
        .choices(['coherent', 'non-coherent'])
        .default('coherent'),
    )
    .addOption(
      new Option('--linux <version>', 'kernel whose page-table code builds them (default: 6.12)').choices(
        LINUX_VERSIONS,
      ),
    )
    .addOption(
      new Option('--split <policy>', "what an unmap of a part of a block does (default: the kernel's way)").choices(
        SPLIT_POLICIES,
      ),
    )
    .option('--contiguous', 'set the contiguous hint on whole runs of leaves, which Linux does not')
    .option(
      '--allocator <layers>',
      'where tables come from, as replay --allocator takes it (its --help lists the layers)',
    )
    .option('--compare <field=A,B>', 'side by side with granule, format, ias, oas, linux, split or allocator varied')
    .option('--steps', 'show every table, store, cache clean, barrier and TLB invalidation in order')
    .option('--json <file>', 'write the tables as JSON; - is standard output, instead of text')
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

function run(texts: readonly string[], flags: LayoutFlags): void {
  checkWritable('--json', flags.json);
  const edits = texts.flatMap(editsOf);
  const variants = variantsOf(flags).map(({ name, flags: one }) => {
    const layout = buildLayout(shapeOf(one), edits, flags.steps === true);
    return { name, layout };
  });
  writeJson(flags.json, flags.compare === undefined ? variants[0]?.layout : variants);
  if (flags.json !== '-') {
    const lines =
      flags.compare === undefined ? variants.flatMap(({ layout }) => layoutLines(layout)) : sideBySide(variants);
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  exitWith(variants.some(({ layout }) => layout.refused.length > 0) ? ExitCode.FOUND : ExitCode.OK);
}

/** Layouts as columns, and below them what was refused. */
function sideBySide(variants: readonly { readonly name: string; readonly layout: TableLayout }[]): string[] {
  const [field = ''] = (variants[0]?.name ?? '').split('=');
  const head = [field, ...variants.map(({ name }) => name.slice(field.length + 1))];
  const rows = layoutFigures(variants.map(({ layout }) => layout));
  const refused = variants.flatMap(({ name, layout }) => layout.refused.map((text) => `${name} refused: ${text}`));
  return [...fittingTables(head, rows, tableWidth()), ...refused];
}

function editsOf(text: string): LayoutEdit[] {
  const lines = existsSync(text) ? readText('edit', text).split(/\r?\n/) : [text];
  const edits = lines
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => {
      const edit = parseEdit(line);
      if (edit === null) throw new ConfigError('edit', line, EDIT);
      return edit;
    });
  if (edits.length === 0) throw new ConfigError('edit', text, `${EDIT}, or a file with one or more`);
  return edits;
}

const COMPARED = ['granule', 'format', 'ias', 'oas', 'linux', 'split', 'allocator'];

function variantsOf(flags: LayoutFlags): { readonly name: string; readonly flags: LayoutFlags }[] {
  if (flags.compare === undefined) return [{ name: '', flags }];
  const [field = '', values = ''] = flags.compare.split('=');
  if (!COMPARED.includes(field) || values === '') {
    throw new ConfigError('--compare', flags.compare, `FIELD=A,B with ${COMPARED.join(', ')}`);
  }
  return values.split(',').map((value) => ({ name: `${field}=${value}`, flags: { ...flags, [field]: value } }));
}

function shapeOf({ format, granule, ias, oas, walk, linux, split, contiguous, allocator }: LayoutFlags): LayoutShape {
  const name = formatOf(format);
  const granuleShift = granuleShiftOf(granule, name);
  const short = name === 'ARM_V7S';
  const narrow = name.startsWith('ARM_32');
  const input = short || name === 'ARM_32_LPAE_S1' ? 32 : narrow ? 40 : 48;
  return {
    format: name,
    granuleShift,
    ias: bitsOf('--ias', ias, input),
    oas: bitsOf('--oas', oas, short ? 32 : narrow || name === 'ARM_MALI_LPAE' ? 40 : 48),
    nonCoherent: walk === 'non-coherent',
    ...(linux === undefined ? {} : { linux: oneOf('--linux', linux, LINUX_VERSIONS) }),
    ...(split === undefined ? {} : { split: oneOf('--split', split, SPLIT_POLICIES) }),
    ...(contiguous === undefined ? {} : { contiguous }),
    ...(allocator === undefined ? {} : { allocator }),
  };
}

/** What --compare varies was not yet checked by the option itself. */
function oneOf<T extends string>(option: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new ConfigError(option, value, allowed.join(', '));
}

function bitsOf(option: string, text: string | undefined, otherwise: number): number {
  const bits = text === undefined ? otherwise : Number(text);
  if (!Number.isInteger(bits) || bits < 13 || bits > 52) throw new ConfigError(option, text, '13 to 52');
  return bits;
}
