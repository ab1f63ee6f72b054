/** `tablewalk check`: a replay for what the sanitizer finds. */
import type { Command } from 'commander';
import { PLANTED_BUGS, parsePlantedBugs, settingsFor } from '../../../../devices/index.ts';
import { checkReport, ReplayRun, type Report, renderCheck } from '../../../../traces/index.ts';
import { addMachineOptions, type MachineFlags, machineFrom, timeOfTrace, wholeNumber } from '../../options/index.ts';
import { checkWritable, ExitCode, supervise, writeJson } from '../../terminal/index.ts';
import { bugList, bugListText } from './bug-list.ts';

interface CheckFlags extends MachineFlags {
  readonly json?: string;
  readonly strict?: boolean;
  readonly limit?: number;
  readonly until?: number;
  readonly findings: number;
  readonly listBugs?: boolean;
}

const NAMES = PLANTED_BUGS.map(
  ({ name, value, about }) => `  ${name.padEnd(21)}${about}${value === true ? '' : ` [${value}]`}`,
);

const AFTER_HELP = `
What --break can plant (in brackets the share of the calls that go wrong, which =SHARE changes); --list-bugs tells where, and as
what each must be found:
${NAMES.join('\n')}

The device probes: besides using each mapping it reads every page once more after its unmap. --access chooses otherwise.
Bugs in cache maintenance make the walk non-coherent unless --walk says otherwise, those of flush queues the invalidation lazy.
A bug that changes nothing on an MMU, or in its driver, is refused with the reason.

What is wider than needed: a whole address space for up to 512 pages, a flush of walk caches where no table went, or more than
twice what was unmapped and 16 pages. A block that is split in place (Linux up to 6.12) breaks break-before-make on hardware
below BBML 2; smmu.breakBeforeMakeLevel is 2 by default, as in QEMU, which the bundled captures come from. In lazy mode a window
is what the mode means: stale windows and hits are counted, and are no findings.

Examples:
  tablewalk check trace.txt.gz
  tablewalk check trace.txt.gz --walk non-coherent --break drop-sync=0.05
  tablewalk check trace.txt.gz --break skip-walk-flush,late-invalidate --json -
  tablewalk check trace.txt.gz --set smmu.breakBeforeMakeLevel=0

Exit code: 0 nothing found, 1 something found, 2 a wrong option, configuration or file, 130 interrupted.`;

export function register(program: Command): void {
  const command = program
    .command('check')
    .description('Replay captured map/unmap traces and report only what the sanitizer finds: driver bugs, named.')
    .argument('[capture...]', 'captures, replayed one after the other on one machine');
  addMachineOptions(command)
    .option('--break <list>', 'bugs to plant, e.g. drop-sync=0.01,late-invalidate: see below')
    .option(
      '--list-bugs',
      'list every bug that can be planted, what it must be found as, and on which MMUs; replays nothing',
    )
    .option('--json <file>', 'write the findings as JSON; - is standard output, instead of text')
    .option('--findings <n>', 'how many findings to list', wholeNumber(0), 20)
    .option('--strict', 'stop at the first damaged record instead of counting and skipping it')
    .option('--limit <n>', 'stop after this many events', wholeNumber(1))
    .option('--until <time>', 'stop after the last event at or before this time of the trace clock', timeOfTrace)
    .addHelpText('after', AFTER_HELP)
    .action((captures: readonly string[], flags: CheckFlags) => {
      if (flags.listBugs === true) return listBugs(flags);
      if (captures.length === 0) command.error("error: missing required argument 'capture'");
      return run(captures, flags);
    });
}

function listBugs({ json }: CheckFlags): void {
  checkWritable('--json', json, []);
  writeJson(json, bugList());
  if (json !== '-') process.stdout.write(bugListText());
}

async function run(captures: readonly string[], flags: CheckFlags): Promise<void> {
  const defaults = ['access.pattern=probe', 'access.verify=true'];
  if (flags.break !== undefined) defaults.push(...settingsFor(parsePlantedBugs(flags.break)));
  const config = machineFrom(flags, defaults);
  checkWritable('--json', flags.json, captures);
  const options = {
    strict: flags.strict === true,
    limit: flags.limit ?? Number.POSITIVE_INFINITY,
    until: flags.until ?? Number.POSITIVE_INFINITY,
  };
  await supervise(new ReplayRun(captures, config, options), (report) => print(report, captures, flags));
}

function print(replayed: Report, captures: readonly string[], { json, findings }: CheckFlags): ExitCode {
  const report = checkReport(replayed, captures);
  writeJson(json, report);
  if (json !== '-') {
    const color = process.stdout.isTTY && process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb';
    process.stdout.write(renderCheck(report, { color, most: findings }));
  }
  return report.total === 0 ? ExitCode.OK : ExitCode.FOUND;
}
