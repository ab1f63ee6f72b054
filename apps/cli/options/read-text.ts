import { readFileSync } from 'node:fs';
import { ConfigError } from '../../../formats/index.ts';
import { reasonOf } from '../../../traces/index.ts';

/** The text of a file that an option names; `-` is standard input. @throws ConfigError */
export function readText(option: string, file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ConfigError(option, file, `a readable file (${missing ? 'no such file' : reasonOf(error)})`);
  }
}
