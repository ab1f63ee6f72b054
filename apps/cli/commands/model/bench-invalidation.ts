/** `tablewalk bench-invalidation`: the price of TLB invalidations, beside what has been published. */
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { benchInvalidation, type InvalidationTable } from '../../../../traces/index.ts';
import { checkWritable, ExitCode, exitWith, writeJson } from '../../terminal/index.ts';

export function register(program: Command): void {
  program
    .command('bench-invalidation')
    .description(
      'What TLB invalidations cost in the model, beside the figures that have been published, with the error.',
    )
    .option('--json <file>', 'write JSON; "-" is standard output')
    .action(bench);
}

function bench({ json }: { readonly json?: string }): void {
  checkWritable('--json', json);
  const tables = benchInvalidation();
  if (json !== '-') process.stdout.write(`${tables.map(tableText).join('\n\n')}\n`);
  writeJson(json, { tables });
  exitWith(ExitCode.OK);
}

function tableText({ title, source, calibrated, rows }: InvalidationTable): string {
  const table = new Table({
    head: ['', 'published', 'model', 'error'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const { what, published, ours, error } of rows) {
    table.push([what, duration(published), duration(ours), `${error < 0 ? '' : '+'}${(100 * error).toFixed(1)} %`]);
  }
  return [
    ansis.bold(title),
    `source: ${source}; set to meet it (the split is assumed): ${calibrated}`,
    table.toString(),
  ].join('\n');
}

function duration(nanoseconds: number): string {
  return nanoseconds < 1000 ? `${nanoseconds.toFixed(0)} ns` : `${(nanoseconds / 1000).toFixed(2)} us`;
}
