import type { Command } from 'commander';
import { check, compare, generate, missCurve, recordScript, replay, sql, tables, why } from './captures/index.ts';
import { explain, explorer, layout, scenario, walk } from './lessons/index.ts';
import { config, conform, device, translate, validate } from './model/index.ts';
import * as sweep from './sweep/index.ts';

export { startWorker } from './sweep/index.ts';

/** Every command, in the order in which `--help` lists them. */
export const COMMANDS: readonly { readonly register: (program: Command) => void }[] = [
  replay,
  recordScript,
  check,
  compare,
  sweep,
  missCurve,
  config,
  explain,
  why,
  sql,
  layout,
  tables,
  walk,
  conform,
  scenario,
  explorer,
  generate,
  translate,
  validate,
  device,
];
