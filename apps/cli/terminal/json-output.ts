import { checkOutput, writeWholeFile } from '../../../traces/index.ts';

/**
 * Writes a result where `--json` says: `-` is standard output, undefined is nowhere. A file is replaced only by a whole one.
 * @throws ConfigError when the file cannot be written.
 */
export function writeJson(file: string | undefined, value: unknown): void {
  if (file === undefined) return;
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (file === '-') process.stdout.write(text);
  else writeWholeFile('--json', file, text);
}

/**
 * A long run must not end with a file that cannot be written, nor overwrite what it reads.
 * @param file undefined and `-` are fine
 * @param inputs files of the same run
 * @throws ConfigError naming the option
 */
export function checkWritable(option: string, file: string | undefined, inputs: readonly string[] = []): void {
  checkOutput(option, file, inputs);
}
