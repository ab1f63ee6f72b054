import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from '../../formats/index.ts';

/**
 * Writes a result where `--json` says: `-` is standard output, undefined is nowhere.
 * @throws ConfigError when the file cannot be written.
 */
export function writeJson(file: string | undefined, value: unknown): void {
  if (file === undefined) return;
  const text = `${JSON.stringify(value, null, 2)}\n`;
  if (file === '-') {
    process.stdout.write(text);
    return;
  }
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new ConfigError(
      '--json',
      file,
      `a file that can be written (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
    );
  }
}

/**
 * A long run must not end with a file that cannot be written.
 * @param file undefined and `-` are fine
 * @throws ConfigError naming the option
 */
export function checkWritable(option: string, file: string | undefined): void {
  if (file === undefined || file === '-') return;
  try {
    if (existsSync(file)) accessSync(file, constants.W_OK);
    else accessSync(dirname(file), constants.W_OK);
    if (existsSync(file) && statSync(file).isDirectory())
      throw new ConfigError(option, file, 'a file, not a directory');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    throw new ConfigError(option, file, `a file that can be written (${code})`);
  }
}
