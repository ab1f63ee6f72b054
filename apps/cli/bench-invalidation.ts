/** `tablewalk bench-invalidation`: the price of TLB invalidations, beside what has been published. */
import { writeFile } from 'node:fs/promises';
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { ConfigError } from '../../formats/index.ts';
import { benchInvalidation, type InvalidationTable } from '../../traces/index.ts';
import { ExitCode, exitWith } from './exit.ts';

export function register(program: Command): void {
  program
    .command('bench-invalidation')
    .description(
      'What TLB invalidations cost in the model, beside the figures that have been published, with the error.',
    )
    .option('--json <file>', 'write JSON; "-" is standard output')
    .action(bench);
}

async function bench({ json }: { readonly json?: string }): Promise<void> {
  const tables = benchInvalidation();
  if (json !== '-') process.stdout.write(`${tables.map(tableText).join('\n\n')}\n`);
  if (json !== undefined) {
    const text = `${JSON.stringify({ tables }, null, 2)}\n`;
    if (json === '-') {
      process.stdout.write(text);
    } else {
      try {
        await writeFile(json, text);
      } catch (error) {
        throw new ConfigError('--json', json, `a file that can be written (${(error as Error).message})`);
      }
    }
  }
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
