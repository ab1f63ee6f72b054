import { ConfigError } from '../../../formats/index.ts';
import type { EventFeed } from '../../capture/index.ts';
import { InputError } from '../../input-error.ts';

import { Replay, type SweepRun } from '../../studies/index.ts';
import type { SweepFolder } from './sweep-folder.ts';

/**
 * Replays the captures on the machine of one run, and keeps its report or why there is none.
 * @returns whether there is a report
 * @throws InputError for captures that cannot be read, which is no matter of the run
 */
export async function runOne(
  folder: SweepFolder,
  run: SweepRun,
  feed: EventFeed,
  onProgress: (done: number, events: number) => void = () => {},
): Promise<boolean> {
  if (run.config === null) throw new ConfigError('--run', run.id, 'a run whose values make a machine');
  try {
    const report = await new Replay(feed, run.config, { captures: folder.plan().captures }).run(onProgress);
    if (feed.stopped) return false;
    folder.finish(run, report);
    return true;
  } catch (error) {
    if (error instanceof InputError) throw error;
    folder.fail(run, error instanceof Error ? error.message : String(error));
    return false;
  }
}
