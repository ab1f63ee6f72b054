import {
  EventPacking,
  type ParetoAxes,
  type SweepFolder,
  type SweepPlan,
  type SweepRun,
  type SweepSummary,
  summarize,
  sweepPage,
} from '../../../../traces/index.ts';
import { SWEEP_ASSETS } from '../../html/index.ts';
import type { Engine, SweepProgress } from './engine.ts';

/** Reads the captures, has an engine run what is not finished, and puts what there is side by side. */
export class Sweep {
  readonly #folder: SweepFolder;
  readonly #plan: SweepPlan;
  readonly #runs: readonly SweepRun[];
  readonly #captures: readonly string[];
  readonly #engine: Engine;
  readonly #pareto: ParetoAxes;
  #packing: EventPacking | null = null;
  #stopped = false;

  /** @param captures the plan's, as they are found from here */
  constructor(
    folder: SweepFolder,
    plan: SweepPlan,
    runs: readonly SweepRun[],
    captures: readonly string[],
    engine: Engine,
    pareto: ParetoAxes,
  ) {
    this.#folder = folder;
    this.#plan = plan;
    this.#runs = runs;
    this.#captures = captures;
    this.#engine = engine;
    this.#pareto = pareto;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.#packing?.stop();
    this.#engine.stop();
  }

  async run(onProgress: SweepProgress): Promise<SweepSummary> {
    const unfinished = this.#runs.filter((run) => ['missing', 'failed'].includes(this.#folder.result(run).status));
    if (unfinished.length > 0) await this.#runAll(unfinished, onProgress);
    return collect(this.#folder, this.#plan, this.#runs, this.#pareto);
  }

  async #runAll(runs: readonly SweepRun[], onProgress: SweepProgress): Promise<void> {
    this.#engine.prepare?.(runs.length);
    let packed = false;
    try {
      packed = await this.#pack(onProgress);
    } finally {
      if (!packed) this.#engine.stop();
    }
    if (packed) await this.#engine.run(runs, onProgress);
  }

  /** @returns whether the events are there */
  async #pack(onProgress: SweepProgress): Promise<boolean> {
    if (this.#folder.hasEvents) return true;
    this.#packing = new EventPacking(this.#captures, this.#plan.reading, this.#folder.events);
    // The reading is a small part of the whole: it shows as the beginning of the first run.
    return this.#packing.run((done, events) => onProgress(done / (this.#runs.length + 1), events));
  }
}

/** Looks what there is of every run, and writes the tables and the page. */
export function collect(
  folder: SweepFolder,
  plan: SweepPlan,
  runs: readonly SweepRun[],
  pareto: ParetoAxes,
): SweepSummary {
  const results = runs.map((run) => folder.result(run));
  const summary = summarize(plan, runs, results, pareto);
  folder.summarize(summary, sweepPage(summary, SWEEP_ASSETS));
  // Standard input cannot be read again.
  if (summary.counts.missing + summary.counts.failed === 0 && !plan.captures.includes('-')) folder.dropEvents();
  return summary;
}
