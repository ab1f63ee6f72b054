import type { Replayer } from '../replay/index.ts';
import { forEachStreamLeaf } from '../replay/index.ts';
import { WholeFile } from './whole-file.ts';

/**
 * Writes every leaf of every stream as one JSON object per line.
 * @param inputs files of the same run, none of which may be overwritten
 * @returns how many
 * @throws ConfigError when the file cannot be written; what was there before is unharmed
 */
export function writeStreamLeaves(replayer: Replayer, file: string, inputs: readonly string[] = []): number {
  const out = new WholeFile('--leaves', file, inputs);
  try {
    const { leaves } = forEachStreamLeaf(replayer, (leaf) => out.write(`${JSON.stringify(leaf)}\n`));
    out.commit();
    return leaves;
  } finally {
    out.abandon();
  }
}
