import { readFileSync } from 'node:fs';
import { InputError } from '../input-error.ts';
import { type Experiment, parseExperiment } from '../reference/index.ts';
import { reasonOf } from './whole-file.ts';

/**
 * Reads an experiment file.
 *
 * @throws InputError
 */
export function readExperiment(file: string): Experiment {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new InputError(file, '', missing ? 'no such file' : reasonOf(error), 'a JSON file of an experiment');
  }
  return parseExperiment(file, text);
}
