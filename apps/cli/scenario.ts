/** `tablewalk scenario`: small worlds that show one thing each. */
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { ConfigError } from '../../formats/index.ts';
import {
  runTeardown,
  runVmBindDeadlock,
  type TeardownReport,
  type TeardownRun,
  type VmBindDeadlockReport,
} from '../../traces/index.ts';
import { allocatorHelp } from './allocator-help.ts';
import { chainText } from './chain-text.ts';
import { ExitCode, exitWith } from './exit.ts';
import { writeJson } from './json-output.ts';

interface DeadlockFlags {
  readonly allocator?: string;
  readonly memory?: string;
  readonly idleBuffers?: string;
  readonly json?: string;
}

interface TeardownFlags {
  readonly pages?: string;
  readonly budget?: string;
  readonly budgetCycles?: string;
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
    .option('--allocator <stack>', 'where tables come from and go to (default: page)')
    .option('--json <file>', 'write the report as JSON; - is standard output')
    .addHelpText('after', allocatorHelp)
    .addHelpText('after', '\nExit code: 0 every table was freed, 1 some were not, 2 a wrong option.')
    .action(teardown);
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

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new ConfigError(option, text, 'a whole number');
  return value;
}
