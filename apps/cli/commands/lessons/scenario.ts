/** `tablewalk scenario`: small worlds that show one thing each. */
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import {
  type BusyUnmapReport,
  runBusyUnmap,
  runStallResume,
  runTeardown,
  runVmBindDeadlock,
  type StallResumeReport,
  type TeardownReport,
  type TeardownRun,
  type VmBindDeadlockReport,
} from '../../../../traces/index.ts';
import { allocatorHelp } from '../../options/index.ts';
import { chainText, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';
import { registerGpuScenarios } from './gpu-scenarios.ts';

interface DeadlockFlags {
  readonly allocator?: string;
  readonly memory?: string;
  readonly idleBuffers?: string;
  readonly json?: string;
}

interface SmmuFlags {
  readonly kernel?: string;
  readonly answer?: string;
  readonly behind?: string;
  readonly mode?: string;
  readonly pages?: string;
  readonly interruptCycles?: string;
  readonly json?: string;
}

interface TeardownFlags {
  readonly pages?: string;
  readonly budget?: string;
  readonly budgetCycles?: string;
  readonly driver?: string;
  readonly allocator?: string;
  readonly json?: string;
}

export function register(program: Command): void {
  const scenario = program.command('scenario').description('Run a small world that shows one thing.');
  scenario
    .command('vm-bind-deadlock')
    .description('A VM_BIND job needs a table when memory is out, and reclaim waits for the job: who waits for whom.')
    .option('--allocator <stack>', 'where tables come from: page, pool, batch, reserve, ... (default: page)')
    .option('--memory <MiB>', 'RAM of the machine (default: 16)')
    .option('--idle-buffers <n>', 'buffers that no job uses, which reclaim can take (default: 0)')
    .option('--json <file>', 'write the report as JSON; - is standard output')
    .addHelpText('after', allocatorHelp)
    .addHelpText('after', '\nExit code: 0 everything completed, 1 a deadlock was found, 2 a wrong option.')
    .action(deadlock);
  scenario
    .command('teardown')
    .description('Free a tree of page tables in steps and all at once: the longest pause, the steps, the total cost.')
    .option('--pages <n>', 'tables in the tree (default: 4096)')
    .option('--budget <n>', 'tables freed per step (default: 64)')
    .option('--budget-cycles <n>', 'time per step instead, in cycles')
    .option(
      '--driver <name>',
      "whose tables they are: none, or ipmmu-xen, a guest of Xen's IPMMU driver (default: none)",
    )
    .option('--allocator <stack>', 'where tables come from and go to (default: page)')
    .option('--json <file>', 'write the report as JSON; - is standard output')
    .addHelpText('after', allocatorHelp)
    .addHelpText('after', '\nExit code: 0 every table was freed, 1 some were not, 2 a wrong option.')
    .action(teardown);
  scenario
    .command('stall-resume')
    .description(
      'A device reads a page that is not there behind an SMMUv2 whose faults stall: who waits, and for what.',
    )
    .option('--kernel <version>', 'whose driver answers: 6.12 or 7.3 (default: 7.3; 6.12 never writes RESUME)')
    .option('--answer <answer>', 'what the user of the domain does: map or refuse (default: map)')
    .option('--behind <n>', 'accesses of mapped pages that come behind it (default: 8)')
    .option('--json <file>', 'write the report as JSON; - is standard output')
    .addHelpText('after', '\nExit code: 0 every access went on or ended, 1 some wait for ever, 2 a wrong option.')
    .action(stallResume);
  scenario
    .command('busy-unmap')
    .description('Unmap a buffer that its device still writes to, behind an SMMUv2: what arrives, what is refused.')
    .option('--mode <mode>', 'strict or lazy (default: strict)')
    .option('--pages <n>', 'pages of the buffer (default: 64)')
    .option('--interrupt-cycles <n>', 'from a fault to its handler (default: 2000)')
    .option('--json <file>', 'write the report as JSON; - is standard output')
    .addHelpText('after', '\nExit code: 0 no write met the unmapped buffer, 1 some did, 2 a wrong option.')
    .action(busyUnmap);
  registerGpuScenarios(scenario);
}

function stallResume(flags: SmmuFlags): void {
  const report = runStallResume({
    ...(flags.kernel === undefined ? {} : { kernel: oneOf('--kernel', flags.kernel, ['6.12', '7.3']) }),
    ...(flags.answer === undefined ? {} : { answer: oneOf('--answer', flags.answer, ['map', 'refuse']) }),
    ...(flags.behind === undefined ? {} : { behind: whole('--behind', flags.behind) }),
  });
  writeJson(flags.json, report);
  if (flags.json !== '-') process.stdout.write(`${stallText(report)}\n`);
  exitWith(report.stuck === 0 ? ExitCode.OK : ExitCode.FOUND);
}

function stallText({ config, events, stalled, wentOn, ended, stuck, longestWait }: StallResumeReport): string {
  const lines = [ansis.bold(`A stalled access behind an SMMUv2, driver of Linux ${config.kernel}`), ''];
  for (const { cycles, what } of events) {
    lines.push(`${Math.round(cycles).toLocaleString('en').padStart(12)}  ${what}`);
  }
  lines.push('', `${stalled} accesses stalled: ${wentOn} went on, ${ended} were ended, ${stuck} still wait.`);
  if (stuck > 0) lines.push(ansis.red('Nothing of this stream will pass again until the device is reset.'));
  else lines.push(`The longest wait was ${time(longestWait)}.`);
  return lines.join('\n');
}

function busyUnmap(flags: SmmuFlags): void {
  const report = runBusyUnmap({
    ...(flags.mode === undefined ? {} : { mode: oneOf('--mode', flags.mode, ['strict', 'lazy']) }),
    ...(flags.pages === undefined ? {} : { pages: whole('--pages', flags.pages) }),
    ...(flags.interruptCycles === undefined
      ? {}
      : { interruptCycles: whole('--interrupt-cycles', flags.interruptCycles) }),
  });
  writeJson(flags.json, report);
  if (flags.json !== '-') process.stdout.write(`${busyText(report)}\n`);
  exitWith(report.stale + report.refused === 0 ? ExitCode.OK : ExitCode.FOUND);
}

function busyText(report: BusyUnmapReport): string {
  const { config, unmapCycles, windowCycles, stale, staleAfterReturn, refused, collateral } = report;
  const table = new Table({
    colAligns: ['left', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const row = (label: string, value: number): void => {
    table.push([label, Math.round(value).toLocaleString('en')]);
  };
  row('the unmap took, cycles', unmapCycles);
  row('last write through a cleared descriptor, cycles after the unmap began', windowCycles);
  row('writes to the buffer that still arrived', stale);
  row('of those, after the unmap had returned', staleAfterReturn);
  row('writes to the buffer that were refused', refused);
  row('writes to another buffer that were refused because of them', collateral);
  row('of so many', report.neighbourWrites);
  row('interrupts', report.interrupts);
  return `${ansis.bold(`An unmap of ${config.pages} pages, ${config.mode}, under a device that writes on`)}\n${table.toString()}`;
}

function deadlock(flags: DeadlockFlags): void {
  const report = runVmBindDeadlock({
    ...(flags.allocator === undefined ? {} : { allocator: flags.allocator }),
    ...(flags.memory === undefined ? {} : { memoryMib: whole('--memory', flags.memory) }),
    ...(flags.idleBuffers === undefined ? {} : { idleBuffers: whole('--idle-buffers', flags.idleBuffers) }),
  });
  writeJson(flags.json, report);
  if (flags.json !== '-') process.stdout.write(`${deadlockText(report)}\n`);
  exitWith(report.deadlock === null ? ExitCode.OK : ExitCode.FOUND);
}

function deadlockText(report: VmBindDeadlockReport): string {
  const lines = [ansis.bold(`VM_BIND under memory pressure, tables from ${report.allocation.stack}`), ''];
  for (const { cycles, what } of report.events) {
    lines.push(`${Math.round(cycles).toLocaleString('en').padStart(12)}  ${what}`);
  }
  lines.push('');
  if (report.deadlock === null) {
    lines.push(
      ansis.green(
        `No deadlock: the jobs and the GPU work that waited for them completed at ${time(report.renderedAt)}.`,
      ),
    );
  } else {
    lines.push(...chainText(report.deadlock));
  }
  const { done, submitted } = report.totals;
  if (report.deadlock === null && done < submitted) {
    lines.push(ansis.yellow(`But ${submitted - done} of ${submitted} jobs were not done, for lack of tables.`));
  }
  const inRun = report.findings.filter(({ kind }) => kind === 'allocation-in-run').length;
  if (inRun > 0)
    lines.push(ansis.yellow(`Calls to the system allocator in the run phase, which must make none: ${inRun}.`));
  return lines.join('\n');
}

function teardown(flags: TeardownFlags): void {
  const report = runTeardown({
    ...(flags.pages === undefined ? {} : { pages: whole('--pages', flags.pages) }),
    ...(flags.budget === undefined ? {} : { budget: whole('--budget', flags.budget) }),
    ...(flags.budgetCycles === undefined ? {} : { budgetCycles: whole('--budget-cycles', flags.budgetCycles) }),
    ...(flags.driver === undefined ? {} : { driver: oneOf('--driver', flags.driver, ['none', 'ipmmu-xen']) }),
    ...(flags.allocator === undefined ? {} : { allocator: flags.allocator }),
  });
  writeJson(flags.json, report);
  if (flags.json !== '-') process.stdout.write(`${teardownText(report)}\n`);
  const left = report.chunked.tablesLeft + report.atOnce.tablesLeft + report.chunked.leaks + report.atOnce.leaks;
  exitWith(left === 0 ? ExitCode.OK : ExitCode.FOUND);
}

function teardownText({ config, chunked, atOnce }: TeardownReport): string {
  const budget =
    config.budgetCycles === undefined
      ? `${config.budget} tables`
      : `${config.budgetCycles.toLocaleString('en')} cycles`;
  const table = new Table({
    head: ['', `in steps of ${budget}`, 'all at once'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  const row = (label: string, pick: (run: TeardownRun) => number): void => {
    table.push([label, ...[chunked, atOnce].map((run) => Math.round(pick(run)).toLocaleString('en'))]);
  };
  row('longest pause, cycles', (run) => run.longestPause);
  row('steps', (run) => run.steps);
  row('total, cycles', (run) => run.totalCycles);
  row('tables', (run) => run.tables);
  row('tables left', (run) => run.tablesLeft);
  row('TLB invalidations', (run) => run.flushes);
  const shorter = atOnce.longestPause / chunked.longestPause;
  const dearer = (chunked.totalCycles / atOnce.totalCycles - 1) * 100;
  return `${table.toString()}\nThe pause is ${shorter.toFixed(1)} times shorter, for ${dearer.toFixed(1)} % more work.`;
}

function time(cycles: number): string {
  return `${Math.round(cycles).toLocaleString('en')} cycles`;
}

function oneOf<const T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new ConfigError(option, text, allowed.join(', '));
  return found;
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new ConfigError(option, text, 'a whole number');
  return value;
}
