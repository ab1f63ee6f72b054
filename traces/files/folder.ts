import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from '../../formats/index.ts';
import { reasonOf } from './whole-file.ts';

/**
 * Makes the folder that an option names, if there is none. Its parents are not made: a mistyped path shall not become a tree of folders.
 * @throws ConfigError naming the option
 */
export function makeFolder(option: string, path: string): void {
  try {
    const info = statSync(path, { throwIfNoEntry: false });
    if (info === undefined) {
      statSync(dirname(path));
      mkdirSync(path);
    } else if (!info.isDirectory()) throw new ConfigError(option, path, 'a folder, not a file');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(option, path, `a folder that can be made (${reasonOf(error)})`);
  }
}
