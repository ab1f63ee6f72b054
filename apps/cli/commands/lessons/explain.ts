/** `tablewalk explain`: what descriptors, addresses, registers, commands and fault lines say. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { ConfigError, hexText } from '../../../../formats/index.ts';
import {
  type AddressSplit,
  BARE_FORMATS,
  type BareFormat,
  DESCRIPTOR_QUIRKS,
  type DescriptorPlace,
  decodeFaults,
  type ExplainedFault,
  type ExplainedStructure,
  explainEntry,
  explainRegister,
  explainSmmuv3,
  faultRecord,
  registerNames,
  SMMUV3_STRUCTURES,
  type Smmuv3StructureName,
  splitIova,
  splitLines,
  structureLines,
} from '../../../../traces/index.ts';
import { readText } from '../../options/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';
import { formatOf, granuleShiftOf } from './table-options.ts';

const WHAT = 'a number, NAME=VALUE, -, a file, a text, or --iova';
const AFTER_HELP = `
WHAT is
  a number                 a descriptor, read with --format, --granule and --level
  NAME=VALUE               a register: TCR, MAIR, TTBR0, VTCR, CR0, GBPA, GERROR, sCR0, FSR, FSYNR0, sGFSR, TRANSCFG, MEMATTR, LOCKADDR,
                           TRANSTAB, FAULTSTATUS, IMCTR, IMSTR ...: whatever the SMMUv3, SMMUv2, Mali and IPMMU have
  ste=W0,W1,... cd=...     an SMMUv3 stream table entry or context descriptor, by its 64-bit words
  cmd=W0,W1                a command of an SMMUv3 command queue
  event=W0,W1,W2,W3        a record of an SMMUv3 event queue
  -, a file, a text        fault lines of a kernel log, whole or damaged: with time stamps, quoted in mail, wrapped, with other lines between.
                           Sources: arm-smmu-v3, arm-smmu, adreno, panfrost, panthor, mali, ipmmu-vmsa, rk_iommu, mtk-iommu, lima,
                           exynos-sysmmu, tegra, trace. Where the kernel printed its own decoding, a disagreement with the words is said.

Under the bits a letter says which field each belongs to; a dot is no field's.

Examples:
  tablewalk explain 0x60000008090e4b --format arm-64-lpae-s1 --granule 4k --level 3
  tablewalk explain --iova 0xffff7f123000 --granule 4k --ias 48
  tablewalk explain TCR=0x3510 MAIR=0xf404ff44 LOCKADDR=0x40000014
  tablewalk explain event=0x0000021000000010,0x0000020a00000000,0x000000009b0cc000,0x0
  dmesg | tablewalk explain -
  tablewalk explain dmesg.txt --json -
  tablewalk explain 'arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=0x00000000, fsynr=0x3d0023, cbfrsynra=0x1c00, cb=13'

Exit code: 0 done, 1 no fault found in it, 2 a wrong option or file.`;

interface ExplainFlags {
  readonly json?: string;
  readonly format: BareFormat;
  readonly granule: string;
  readonly level?: string;
  readonly mtk?: true;
  readonly iova?: string;
  readonly ias?: string;
}

export function register(program: Command): void {
  program
    .command('explain')
    .description('Explain a descriptor, an address, a register, a command or the fault lines of a kernel log.')
    .argument('[what...]', 'numbers, NAME=VALUE, -, files, or the text itself')
    .addOption(
      new Option('--format <name>', 'format of a descriptor or address')
        .choices(BARE_FORMATS)
        .default('arm-64-lpae-s1'),
    )
    .option('--granule <size>', 'granule of a descriptor or address: 4k, 16k or 64k', '4k')
    .option('--level <n>', 'level of a descriptor (default: the last one)')
    .option('--mtk', "arm-v7s: MediaTek's extension of its descriptors")
    .option('--iova <address>', 'draw how this address is cut into indexes')
    .option('--ias <bits>', 'input address size for --iova (default: 48, 32 for the 32-bit formats)')
    .option('--json <file>', 'write one object per fault or value as JSON; - is standard output, instead of text')
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

function run(what: readonly string[], flags: ExplainFlags): void {
  checkWritable('--json', flags.json);
  if (what.length === 0 && flags.iova === undefined) {
    throw new ConfigError('what', null, WHAT);
  }
  const split = flags.iova === undefined ? null : splitOf(flags.iova, flags);
  const structures: ExplainedStructure[] = [];
  const texts: string[] = [];
  for (const one of what) {
    const found = structuresOf(one, flags);
    if (found === null) texts.push(textOf(one));
    else structures.push(...found);
  }
  const [text = ''] = texts;
  // Every fault line has several words: a single one was meant as something else.
  if (what.length === 1 && texts.length === 1 && text === what[0] && !/\s/.test(text.trim())) {
    throw new ConfigError('what', text, `${WHAT}; no file is called that`);
  }
  const faults = decodeFaults(texts.join('\n'));
  const splits = split === null ? [] : [split];
  writeJson(flags.json, [...splits, ...structures, ...faults.map(faultRecord)]);
  if (flags.json !== '-') {
    const parts = [...splits.map(splitLines), ...structures.map(structureLines)].map(
      (lines) => `${lines.join('\n')}\n`,
    );
    if (texts.length > 0) parts.push(faultText(faults));
    process.stdout.write(parts.join('\n'));
  }
  exitWith(texts.length === 0 || faults.length > 0 ? ExitCode.OK : ExitCode.FOUND);
}

/** What a word of the command line stands for; null when it is text or a file. */
function structuresOf(what: string, flags: ExplainFlags): ExplainedStructure[] | null {
  if (NUMBER.test(what) && !existsSync(what)) {
    const place = placeOf(flags);
    const bits = place.format === 'ARM_V7S' ? 32 : 64;
    return [explainEntry(numberOf('what', what, bits), place)];
  }
  const named = /^([a-z]\w*)=([0-9a-fx,_]+)$/i.exec(what);
  if (named === null || existsSync(what)) return null;
  const [, name = '', values = ''] = named;
  const words = values.split(',').map((value) => numberOf(name, value, 64));
  const key = name.toLowerCase();
  if (Object.hasOwn(SMMUV3_STRUCTURES, key)) {
    const structure = key as Smmuv3StructureName;
    const most = SMMUV3_STRUCTURES[structure];
    if (words.length > most) throw new ConfigError(name, values, `at most ${most} words of 64 bits`);
    return [explainSmmuv3(structure, words)];
  }
  const [value = 0n] = words;
  if (words.length > 1) throw new ConfigError(name, values, 'one value; words in a row are for ste, cd, cmd and event');
  const found = explainRegister(name, value);
  if (found.length === 0) {
    throw new ConfigError('register', name, `ste, cd, cmd, event, ${registerNames().join(', ')}`);
  }
  return found;
}

const NUMBER = /^(0x[0-9a-f_]+|\d+)$/i;

function numberOf(field: string, text: string, bits: number): bigint {
  const plain = text.replaceAll('_', '');
  if (/^(0x[0-9a-f]+|\d+)$/i.test(plain)) {
    const value = BigInt(plain);
    if (value < 1n << BigInt(bits)) return value;
  }
  throw new ConfigError(field, text, `a number below 2^${bits}, such as 0x60000008090e4b`);
}

function placeOf(flags: ExplainFlags): DescriptorPlace {
  const format = formatOf(flags.format);
  const [first, last] = format === 'ARM_V7S' ? [1, 2] : [0, 3];
  const level = flags.level === undefined ? last : Number(flags.level);
  if (!Number.isInteger(level) || level < first || level > last) {
    throw new ConfigError('--level', flags.level, `${first} to ${last}`);
  }
  const quirks = flags.mtk === true ? DESCRIPTOR_QUIRKS.mtk : 0;
  return { format, level, granuleShift: granuleShiftOf(flags.granule, format), quirks };
}

function splitOf(text: string, flags: ExplainFlags): AddressSplit {
  const format = formatOf(flags.format);
  const granuleShift = granuleShiftOf(flags.granule, format);
  const narrow = format === 'ARM_V7S' || format.startsWith('ARM_32');
  const most = format === 'ARM_V7S' ? 32 : format.startsWith('ARM_32') ? 40 : granuleShift === 16 ? 52 : 48;
  const ias = flags.ias === undefined ? (narrow ? 32 : 48) : Number(flags.ias);
  const least = format === 'ARM_V7S' ? 21 : granuleShift + 1;
  if (!Number.isInteger(ias) || ias < least || ias > most)
    throw new ConfigError('--ias', flags.ias, `${least} to ${most}`);
  return splitIova(numberOf('--iova', text, 64), { format, granuleShift, ias });
}

function textOf(what: string): string {
  return what === '-' || existsSync(what) ? readText('what', what) : what;
}

function faultText(faults: readonly ExplainedFault[]): string {
  if (faults.length === 0) return 'No fault line of a driver that is known in it.\n';
  return faults
    .map((fault) => {
      const { source, name, lines, details, suspicions } = fault;
      const at = `line ${lines[0] ?? 0}${lines.length > 1 ? ` to ${lines[lines.length - 1]}` : ''}`;
      return [
        `${source}: ${name}, ${mannerOf(fault)} (${at})`,
        ...details.map((detail) => `  ${detail}`),
        ...suspicions.map((one) => `  suspicion: ${one.name}: ${one.evidence}`),
        '',
      ].join('\n');
    })
    .join('\n');
}

function mannerOf(fault: ExplainedFault): string {
  const access = fault.instruction === true ? 'instruction fetch' : fault.write === true ? 'write' : 'read';
  const parts = [
    fault.privileged === undefined ? '' : fault.privileged ? 'privileged' : 'unprivileged',
    fault.write === undefined ? '' : access,
    fault.iova === undefined ? '' : `of ${fault.iova}`,
    fault.streamId === undefined ? '' : `by StreamID ${hexText(fault.streamId)}`,
    fault.substreamId === undefined ? '' : `SubstreamID ${hexText(fault.substreamId)}`,
    fault.addressSpace === undefined
      ? ''
      : `in ${fault.source === 'arm-smmu' ? 'context bank' : 'address space'} ${fault.addressSpace}`,
    fault.stage === undefined ? '' : `at stage ${fault.stage}`,
    fault.level === undefined ? '' : `level ${fault.level}`,
  ];
  return parts.filter((part) => part !== '').join(' ') || 'nothing more is said';
}
