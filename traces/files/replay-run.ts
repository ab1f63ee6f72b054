import { ConfigError } from '../../formats/index.ts';
import { type ByteSource, type EventFeed, MergedFeed } from '../capture/index.ts';
import type { RunConfig } from '../config/index.ts';
import type { Variation } from '../studies/index.ts';
import { Comparison, Replay, type ReplayOptions } from '../studies/index.ts';
import { fileSources } from './file-source.ts';

/** How a replay of files goes. */
export interface FileReplayOptions extends ReplayOptions {
  /** What the capture `-` reads; default the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** An IOMMU's own log of the same run, whose accesses are made; then there must be one capture, and both must be files. */
  readonly accesses?: string;
}

/** One replay of one or several capture files on one machine; `-` is standard input. */
export class ReplayRun extends Replay {
  constructor(captures: readonly string[], config: RunConfig, options: FileReplayOptions = {}) {
    super(feedOf(captures, options), config, options);
  }
}

function feedOf(captures: readonly string[], options: FileReplayOptions): readonly ByteSource[] | EventFeed {
  const { accesses } = options;
  const sources = fileSources(captures, options.stdin);
  if (accesses === undefined) return sources;
  const [capture] = sources;
  const [log] = fileSources([accesses]);
  if (capture === undefined || log === undefined || captures.length > 1) {
    throw new ConfigError('--accesses', accesses, 'one capture beside it, of the same run');
  }
  if (captures.includes('-') || accesses === '-') {
    throw new ConfigError('--accesses', accesses, 'files: the log and its capture are read twice');
  }
  return new MergedFeed(capture, log, options);
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
