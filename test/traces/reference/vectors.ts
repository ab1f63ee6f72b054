import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AddressList,
  type Experiment,
  loadImage,
  readAddressList,
  readExperiment,
} from '../../../traces/index.ts';

/** What gem5 was run with, and what it gave. */
export const VECTORS = join(import.meta.dirname, '..', '..', 'vectors', 'gem5');
export const image = loadImage(join(VECTORS, 'image'));
export const names: readonly string[] = readdirSync(join(VECTORS, 'runs')).map((file) => file.replace('.json', ''));
/** Experiments of which gem5 wrote every translation down too. */
export const traced: readonly string[] = readdirSync(join(VECTORS, 'traces')).map((file) =>
  file.replace('.trace.bin.gz', ''),
);

export const experimentOf = (name: string): Experiment => readExperiment(join(VECTORS, 'runs', `${name}.json`));
export const listOf = (name: string): AddressList => readAddressList(join(VECTORS, 'lists', `${name}.u64.gz`));
