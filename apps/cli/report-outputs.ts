import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { ConfigError } from '../../formats/index.ts';
import { checkOutputs, csvFiles, type Report, reasonOf, statsText, writeWholeFile } from '../../traces/index.ts';

/** What commander hands to an action for {@link addOutputOptions}. */
export interface OutputFlags {
  readonly json?: string;
  readonly csv?: string;
  readonly stats?: string;
}

/** Adds the options that write a report in other forms. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--csv <folder>', 'write metrics, operations, accesses, costs and findings as CSV files into a folder')
    .option('--stats <file>', 'write every figure by its stable name, in the layout of gem5’s stats.txt');
}

/**
 * Checks before a run that everything can be written after it.
 * @throws ConfigError naming the option
 */
export function checkReportOutputs(flags: OutputFlags, captures: readonly string[]): void {
  checkOutputs([['--stats', flags.stats]], captures);
  if (flags.csv !== undefined) makeFolder(flags.csv);
}

/** Writes every form that was asked for. @throws ConfigError naming the option when a file cannot be written */
export function writeOutputs(flags: OutputFlags, report: Report, captures: readonly string[]): void {
  const { csv, stats } = flags;
  if (csv !== undefined) {
    for (const { name, text } of csvFiles(report)) writeWholeFile('--csv', join(csv, name), text, captures);
  }
  if (stats === '-') process.stdout.write(statsText(report));
  else if (stats !== undefined) writeWholeFile('--stats', stats, statsText(report), captures);
}

/** The folder itself is made, its parents are not: a mistyped path shall not become a tree of folders. */
function makeFolder(path: string): void {
  try {
    const info = statSync(path, { throwIfNoEntry: false });
    if (info === undefined) {
      statSync(dirname(path));
      mkdirSync(path);
    } else if (!info.isDirectory()) throw new ConfigError('--csv', path, 'a folder, not a file');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError('--csv', path, `a folder that can be made (${reasonOf(error)})`);
  }
}
