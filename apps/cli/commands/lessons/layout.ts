/** `tablewalk layout`: builds tables from a few mappings and draws them. */
import { existsSync, readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  ConfigError,
  type IoPgtableFormat,
  LINUX_VERSIONS,
  type LinuxVersion,
  SPLIT_POLICIES,
  type SplitPolicy,
} from '../../../../formats/index.ts';
import {
  allocatorLine,
  BARE_FORMATS,
  type BareFormat,
  buildLayout,
  type LayoutEdit,
  type LayoutShape,
  layoutLines,
  parseEdit,
  summaryLine,
} from '../../../../traces/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';

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
    .option('--steps', 'show every table, store, cache clean and TLB invalidation in order')
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
      flags.compare === undefined
        ? variants.flatMap(({ layout }) => layoutLines(layout))
        : variants.flatMap(({ name, layout }) => [
            `${name}: ${summaryLine(layout)}`,
            ...(layout.allocator === undefined ? [] : [`  ${allocatorLine(layout.allocator)}`]),
            ...layout.refused.map((text) => `  refused: ${text}`),
          ]);
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  exitWith(variants.some(({ layout }) => layout.refused.length > 0) ? ExitCode.FOUND : ExitCode.OK);
}

function editsOf(text: string): LayoutEdit[] {
  const lines = existsSync(text) ? readFileSync(text, 'utf8').split(/\r?\n/) : [text];
  return lines
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => {
      const edit = parseEdit(line);
      if (edit === null) throw new ConfigError('edit', line, EDIT);
      return edit;
    });
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

const GRANULES: Readonly<Record<string, number>> = { '4k': 12, '16k': 14, '64k': 16 };

function shapeOf({ format, granule, ias, oas, walk, linux, split, contiguous, allocator }: LayoutFlags): LayoutShape {
  if (!BARE_FORMATS.includes(format)) throw new ConfigError('--format', format, BARE_FORMATS.join(', '));
  const name = format.toUpperCase().replaceAll('-', '_') as IoPgtableFormat;
  const granuleShift = Object.hasOwn(GRANULES, granule.toLowerCase()) ? GRANULES[granule.toLowerCase()] : undefined;
  const only4k = name === 'ARM_V7S' || name === 'ARM_MALI_LPAE';
  if (granuleShift === undefined || (only4k && granuleShift !== 12)) {
    throw new ConfigError('--granule', granule, only4k ? '4k (this format has no other)' : '4k, 16k, 64k');
  }
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
