/** A thread of the local engine: takes runs one after the other. */
import workerpool from 'workerpool';
import { packedEvents, runOne, SweepFolder, type SweepRun } from '../../../../traces/index.ts';

/** What a worker tells of the run under way. */
export interface RunProgress {
  /** Share of it that is done, 0 to 1. */
  readonly done: number;
  readonly events: number;
}

/** Milliseconds between two words of progress. */
const PAUSE = 100;

/** Begins to take runs. */
export function startWorker(): void {
  workerpool.worker({ run });
}

async function run(folder: string, one: SweepRun): Promise<boolean> {
  const place = new SweepFolder(folder);
  let told = performance.now();
  return runOne(place, one, packedEvents(place.events), (done, events) => {
    if (performance.now() - told < PAUSE) return;
    told = performance.now();
    workerpool.workerEmit({ done, events } satisfies RunProgress);
  });
}
