/** `tablewalk validate`: every published figure beside the model. */
import ansis from 'ansis';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { type ValidationReport, type ValidationRow, type ValidationTable, validate } from '../../../../traces/index.ts';
import { checkWritable, ExitCode, exitWith, wrapped, writeJson } from '../../terminal/index.ts';

const AFTER_HELP = `
fitted     prices of the model were set so that this figure comes out: it proves nothing
predicted  nothing was set for it: its error is what the model is worth`;

export function register(program: Command): void {
  program
    .command('validate')
    .description('Every published figure beside the model, fitted or predicted, with source and error.')
    .option('--json <file>', 'write JSON; "-" is standard output')
    .addHelpText('after', AFTER_HELP)
    .action(run);
}

function run({ json }: { readonly json?: string }): void {
  checkWritable('--json', json);
  const report = validate();
  if (json !== '-') process.stdout.write(`${reportText(report)}\n`);
  writeJson(json, report);
  exitWith(ExitCode.OK);
}

function reportText({ tables, predicted, fitted, notCompared }: ValidationReport): string {
  const mean = (error: number): string => `${(100 * error).toFixed(1)} %`;
  return [
    ...tables.map(tableText),
    ansis.bold(
      `Mean absolute error of the ${predicted.rows} predicted rows: ${mean(predicted.meanAbsoluteError)} (of the ${fitted.rows} fitted ones: ${mean(fitted.meanAbsoluteError)}).`,
    ),
    [
      'Published, and not compared:',
      ...notCompared.map(({ what, source, why }) => wrapped(`${what} (${source}): ${why}`, '- ', '  ')),
    ].join('\n'),
  ].join('\n\n');
}

function tableText({ title, source, basis, misses, rows }: ValidationTable): string {
  const table = new Table({
    head: ['', 'published', 'model', 'error', ''],
    colAligns: ['left', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const { what, unit, published, ours, error, standing } of rows) {
    const sign = error < 0 ? '' : '+';
    table.push([
      what,
      quantity(published, unit),
      quantity(ours, unit),
      `${sign}${(100 * error).toFixed(1)} %`,
      standing === 'predicted' ? ansis.cyan(standing) : standing,
    ]);
  }
  return [
    ansis.bold(title),
    wrapped(`source: ${source}`),
    wrapped(`model: ${basis}`),
    table.toString(),
    ...(misses === undefined ? [] : [wrapped(`misses: ${misses}`)]),
  ].join('\n');
}

function quantity(value: number, unit: ValidationRow['unit']): string {
  if (unit === 'count') return value.toLocaleString('en');
  if (unit === 'bytes') return `${(value / 2 ** 30).toFixed(2)} GiB`;
  if (value < 1000) return `${value.toFixed(0)} ns`;
  return value < 1e6 ? `${(value / 1000).toFixed(2)} us` : `${(value / 1e6).toFixed(2)} ms`;
}
