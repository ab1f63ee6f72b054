/** `tablewalk explain`: what fault lines of a kernel's log say. */
import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ConfigError } from '../../formats/index.ts';
import { decodeFaults, type ExplainedFault, faultRecord } from '../../traces/index.ts';
import { ExitCode, exitWith } from './exit.ts';
import { checkWritable, writeJson } from './json-output.ts';

const AFTER_HELP = `
WHAT is - for standard input, a file, or the text itself in quotes. Fault lines may be whole or damaged: with time stamps, quoted in mail,
wrapped, with other lines between. Sources: arm-smmu-v3, arm-smmu, adreno, panfrost, panthor, mali, ipmmu-vmsa, rk_iommu, mtk-iommu, lima,
exynos-sysmmu, tegra, trace. Where the kernel printed its own decoding, a disagreement with the raw words is said.

Examples:
  dmesg | tablewalk explain -
  tablewalk explain dmesg.txt --json -
  tablewalk explain 'arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=0x00000000, fsynr=0x3d0023, cbfrsynra=0x1c00, cb=13'

Exit code: 0 done, 1 no fault found in it, 2 a wrong option or file.`;

export function register(program: Command): void {
  program
    .command('explain')
    .description('Explain what the fault lines of a kernel log mean, and what may be behind them.')
    .argument('<what...>', '-, a file, or the text itself')
    .option('--json <file>', 'write one object per fault as JSON; - is standard output, instead of text')
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

function run(what: readonly string[], flags: { readonly json?: string }): void {
  checkWritable('--json', flags.json);
  const faults = decodeFaults(what.map(textOf).join('\n'));
  writeJson(flags.json, faults.map(faultRecord));
  if (flags.json !== '-') process.stdout.write(faultText(faults));
  exitWith(faults.length > 0 ? ExitCode.OK : ExitCode.FOUND);
}

function textOf(what: string): string {
  try {
    if (what === '-') return readFileSync(0, 'utf8');
    return existsSync(what) ? readFileSync(what, 'utf8') : what;
  } catch (error) {
    throw new ConfigError('what', what, `a readable file (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
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
    fault.streamId === undefined ? '' : `by StreamID 0x${fault.streamId.toString(16)}`,
    fault.substreamId === undefined ? '' : `SubstreamID 0x${fault.substreamId.toString(16)}`,
    fault.addressSpace === undefined
      ? ''
      : `in ${fault.source === 'arm-smmu' ? 'context bank' : 'address space'} ${fault.addressSpace}`,
    fault.stage === undefined ? '' : `at stage ${fault.stage}`,
    fault.level === undefined ? '' : `level ${fault.level}`,
  ];
  return parts.filter((part) => part !== '').join(' ') || 'nothing more is said';
}
