import type { Command } from 'commander';
import { MMUS } from '../../../../devices/index.ts';
import { ConfigError } from '../../../../formats/index.ts';
import {
  captureImage,
  type Replayer,
  ReplayRun,
  type Report,
  renderReport,
  writeImage,
  writeStreamLeaves,
} from '../../../../traces/index.ts';
import {
  addMachineOptions,
  addOutputOptions,
  allocatorHelp,
  type MachineFlags,
  machineFrom,
  type OutputFlags,
  ReportOutputs,
  timeOfTrace,
  wholeNumber,
} from '../../options/index.ts';
import {
  chainText,
  checkWritable,
  ExitCode,
  type LogLevel,
  logLevel,
  openLog,
  supervise,
  writeJson,
} from '../../terminal/index.ts';

interface ReplayFlags extends MachineFlags, OutputFlags {
  readonly leaves?: string;
  readonly image?: string;
  readonly accesses?: string;
  readonly strict?: boolean;
  readonly limit?: number;
  readonly logLevel: LogLevel;
  readonly until?: number;
}

const AFTER_HELP = `
A capture is the text of /sys/kernel/tracing/trace, of trace_pipe, of trace-cmd report or of perf script, gzipped or not;
- is standard input. tablewalk record-script prints a script that records one.

Examples:
  tablewalk replay trace.txt
  tablewalk replay trace.txt.gz --invalidation lazy --access probe
  tablewalk replay trace.txt --walk non-coherent --drop-sync 0.01
  tablewalk replay trace.txt --bind async --allocator reserve --bind-delay 100000
  tablewalk replay trace.txt --until 23.942338 --leaves leaves.jsonl
  tablewalk replay trace.txt --until 23.942338 --image image && tablewalk walk image
  tablewalk replay trace.txt --set mmu.tbu.mainTlb.entries=512 --json report.json
  tablewalk replay trace.txt --accesses qemu-smmu.log
  tablewalk replay trace.txt --csv tables --stats stats.txt --html report.html
  tablewalk replay trace.txt --access probe --db run.duckdb && tablewalk sql run.duckdb --ready longest-windows

What a device does with its buffers is in no capture of maps and unmaps. --access touch shows cold and warm translations of each buffer; sequential
and random how hit rates depend on order; probe that a stale window is there, but not how likely it is to be hit; linger how many accesses of a device
that goes on after the unmap (access.lingerTime, access.lingerRate) a window lets through.

Exit code: 0 done, 1 --bind async found a deadlock, 2 a wrong option, configuration or file, 130 interrupted (the report so far is printed).`;

export function register(program: Command): void {
  const command = program
    .command('replay')
    .description(
      'Replay captured map/unmap traces through a page table, an SMMU and a device, and report what they cost.',
    )
    .argument('<capture...>', 'captures, replayed one after the other on one machine');
  addOutputOptions(
    addMachineOptions(command).option(
      '--json <file>',
      'write the report as JSON; - is standard output, instead of the terminal report',
    ),
  )
    .option(
      '--leaves <file>',
      'write the leaves of every stream at the end, one JSON object per line, as walk --leaves does',
    )
    .option(
      '--image <folder>',
      'write a memory image of stream table, context descriptors and tables at the end, which walk reads (SMMUv3)',
    )
    .option(
      '--accesses <file>',
      "QEMU's -trace smmu* log of the same run: its accesses are made, and each translation is held against it",
    )
    .option('--strict', 'stop at the first damaged record instead of counting and skipping it')
    .option('--log-level <level>', 'log on standard error: silent, error, warn, info or debug', logLevel, 'silent')
    .option('--limit <n>', 'stop after this many events', wholeNumber(1))
    .option('--until <time>', 'stop after the last event at or before this time of the trace clock', timeOfTrace)
    .addHelpText('after', allocatorHelp)
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

async function run(captures: readonly string[], flags: ReplayFlags): Promise<void> {
  const { accesses } = flags;
  if (accesses !== undefined && flags['access'] !== undefined) {
    throw new ConfigError('--accesses', accesses, 'no --access beside it: the log says what the devices do');
  }
  const config = machineFrom(flags, accesses === undefined ? [] : ['access.pattern=none']);
  checkWritable('--json', flags.json, captures);
  checkWritable('--leaves', flags.leaves, captures);
  const outputs = new ReportOutputs(flags, captures);
  if (flags.leaves === '-') throw new ConfigError('--leaves', '-', 'a file: standard output has the report');
  const { leaves, image } = flags;
  const { imageRegisters } = MMUS[config.iommu.model];
  if (image !== undefined && imageRegisters === undefined) {
    const able = Object.values(MMUS).filter((model) => model.imageRegisters !== undefined);
    const titles = able.map(({ title }) => title).join(' or ');
    throw new ConfigError('--image', image, `a machine with ${titles}: its registers lead to all tables`);
  }
  const options = {
    strict: flags.strict === true,
    log: openLog(flags.logLevel),
    ...(accesses === undefined ? {} : { accesses }),
    limit: flags.limit ?? Number.POSITIVE_INFINITY,
    until: flags.until ?? Number.POSITIVE_INFINITY,
    onStart: (replayer: Replayer, deviceName: (device: number) => string) => outputs.watch(replayer, deviceName),
    beforeReport: (replayer: Replayer) => {
      outputs.captureEnded();
      if (leaves !== undefined) writeStreamLeaves(replayer, leaves);
      if (image === undefined || imageRegisters === undefined) return;
      const { device, memory } = replayer.machine;
      writeImage('--image', image, captureImage(device, imageRegisters, memory));
    },
  };
  if (flags['bindDelay'] !== undefined && config.bind.mode !== 'async') {
    throw new ConfigError('--bind-delay', flags['bindDelay'], '--bind async beside it');
  }
  await supervise(new ReplayRun(captures, config, options), async (report) => {
    for (const record of report.capture.damage) options.log.debug(record, 'damaged record skipped');
    await outputs.write(report, titleOf(captures));
    return print(report, captures, flags);
  });
}

/** The report where it was asked for: JSON in a file or on standard output, else text. */
function print(report: Report, captures: readonly string[], { json, stats, html }: OutputFlags): ExitCode {
  writeJson(json, report);
  const deadlocks = report.bind?.deadlocks ?? [];
  const code = deadlocks.length === 0 ? ExitCode.OK : ExitCode.FOUND;
  if ([json, stats, html].includes('-')) return code;
  const title = titleOf(captures);
  process.stdout.write(
    renderReport(report, {
      title,
      color: process.stdout.isTTY && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb',
    }),
  );
  for (const deadlock of deadlocks) process.stdout.write(`${chainText(deadlock).join('\n')}\n`);
  return code;
}

function titleOf(captures: readonly string[]): string {
  return captures.map((name) => (name === '-' ? 'standard input' : name)).join(', ');
}
