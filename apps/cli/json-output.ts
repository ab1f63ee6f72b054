import { writeFileSync } from 'node:fs';
import { ConfigError } from '../../formats/index.ts';

/**
 * Writes a result where `--json` says: `-` is standard output.
 * @throws ConfigError when the file cannot be written.
 */
export function writeJson(file: string, value: unknown): void {
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
