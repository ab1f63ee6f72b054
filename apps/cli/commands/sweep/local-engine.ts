import { fileURLToPath } from 'node:url';
import workerpool from 'workerpool';
import type { SweepFolder, SweepRun } from '../../../../traces/index.ts';
import type { Engine, SweepProgress } from './engine.ts';
import type { RunProgress } from './worker.ts';

/**
 * Runs on threads of this machine. All read the events that were packed once; what a thread cannot survive (no memory) costs one run.
 * The threads start from the very file that this is bundled into.
 */
export class LocalEngine implements Engine {
  readonly job = '';
  readonly #folder: SweepFolder;
  readonly #workers: number;
  #pool: workerpool.Pool | null = null;
  /** Ends {@link run}; null while it does not run. */
  #stop: (() => void) | null = null;
  #stopped = false;

  constructor(folder: SweepFolder, workers: number) {
    this.#folder = folder;
    this.#workers = workers;
  }

  /** The threads load the program while this one reads the captures. */
  prepare(runs: number): void {
    this.#pool = this.#threads(runs);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#stop === null) void this.#pool?.terminate(true);
    else this.#stop();
  }

  async run(runs: readonly SweepRun[], onProgress: SweepProgress): Promise<void> {
    const pool = this.#pool ?? this.#threads(runs.length);
    const workers = Math.min(this.#workers, runs.length);
    const stopped = new Promise<void>((resolve) => {
      this.#stop = resolve;
    });
    const waiting = runs.values();
    const shares = new Float64Array(workers);
    const events = new Float64Array(workers);
    let finished = 0;
    let eventsBefore = 0;
    const tell = (): void => {
      const sum = shares.reduce((all, share) => all + share, finished);
      onProgress(
        sum / runs.length,
        events.reduce((all, some) => all + some, eventsBefore),
      );
    };
    const take = async (slot: number): Promise<void> => {
      for (const one of waiting) {
        try {
          const on = (progress: RunProgress): void => {
            shares[slot] = progress.done;
            events[slot] = progress.events;
            tell();
          };
          await pool.exec('run', [this.#folder.path, one], { on });
        } catch (error) {
          if (this.#stopped) return;
          this.#folder.fail(one, error instanceof Error ? error.message : String(error));
        }
        if (this.#stopped) return;
        finished++;
        eventsBefore += events[slot] ?? 0;
        shares[slot] = 0;
        events[slot] = 0;
        tell();
      }
    };
    try {
      if (!this.#stopped)
        await Promise.race([stopped, Promise.all(Array.from({ length: workers }, (_, slot) => take(slot)))]);
    } finally {
      // What a stopped run did is worth nothing: its files appear at its end.
      await pool.terminate(this.#stopped);
    }
  }

  #threads(runs: number): workerpool.Pool {
    const workers = Math.min(this.#workers, runs);
    const file = fileURLToPath(import.meta.url);
    return workerpool.pool(file, { workerType: 'thread', minWorkers: workers, maxWorkers: workers });
  }
}
