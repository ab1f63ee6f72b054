import type { RunConfig } from '../config/index.ts';
import type { Variation } from '../studies/index.ts';
import { Comparison, Replay, type ReplayOptions } from '../studies/index.ts';
import { fileSources } from './file-source.ts';

/** How a replay of files goes. */
export interface FileReplayOptions extends ReplayOptions {
  /** What the capture `-` reads; default the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/** One replay of one or several capture files on one machine; `-` is standard input. */
export class ReplayRun extends Replay {
  constructor(captures: readonly string[], config: RunConfig, options: FileReplayOptions = {}) {
    super(fileSources(captures, options.stdin), config, options);
  }
}

/** Replays the same capture files once per combination of what is varied. */
export class CompareRun extends Comparison {
  /** @throws ConfigError; see {@link Comparison} */
  constructor(
    captures: readonly string[],
    base: Readonly<Record<string, unknown>>,
    variations: readonly Variation[],
    options: ReplayOptions = {},
  ) {
    super(captures, fileSources, base, variations, options);
  }
}
