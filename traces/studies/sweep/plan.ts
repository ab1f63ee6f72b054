import { ConfigError } from '../../../formats/index.ts';
import type { FeedOptions } from '../../capture/index.ts';
import { type RunConfig, readRunConfig, setField } from '../../config/index.ts';
import type { PointTable, Sampling } from './points.ts';
import { runId } from './run-id.ts';

export const SWEEP_SCHEMA = 'tablewalk.sweep/1';

/** A whole sweep: from it every run follows, on any machine. Plain JSON. */
export interface SweepPlan {
  readonly schema: typeof SWEEP_SCHEMA;
  /** Version of tablewalk: figures of two versions do not belong in one table. */
  readonly version: string;
  readonly captures: readonly string[];
  /** Bytes of each. */
  readonly sizes: readonly number[];
  /** The folder that names of captures start from. */
  readonly directory: string;
  readonly reading: FeedOptions;
  /** The machine that is varied, or a part of one. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly table: PointTable;
  /** How the points were chosen from all combinations; null where all of them are there. */
  readonly sampling: Sampling | null;
}

/** One run of a sweep. */
export interface SweepRun {
  /** Follows from the whole configuration and nothing else. */
  readonly id: string;
  /** Values in the order of the plan's `varied`. */
  readonly settings: readonly string[];
  /** Null where the values make no machine. */
  readonly config: RunConfig | null;
  /** Why they do not. */
  readonly refusal: string;
}

/**
 * The runs of a plan, in its order. Points that come to the same machine are one run, the first.
 * @throws ConfigError for a value that makes no machine in any run, if all combinations are there: it is a slip, and not one of the
 * combinations that do not go together
 */
export async function runsOf({ base, table: { varied, points }, sampling }: SweepPlan): Promise<SweepRun[]> {
  const runs = new Map<string, SweepRun>();
  /** Of each value that made no machine yet, what was said of it. */
  const refused = varied.map(() => new Map<string, ConfigError>());
  const worked = varied.map(() => new Set<string>());
  for (const settings of points) {
    const input = structuredClone(base) as Record<string, unknown>;
    for (const [at, { field }] of varied.entries()) setField(input, `${field}=${settings[at] ?? ''}`);
    const config = configOf(input);
    if (config instanceof ConfigError) for (const [at, value] of settings.entries()) refused[at]?.set(value, config);
    else for (const [at, value] of settings.entries()) worked[at]?.add(value);
    const isRefused = config instanceof ConfigError;
    const id = await runId(isRefused ? input : config);
    if (runs.has(id)) continue;
    runs.set(id, { id, settings, config: isRefused ? null : config, refusal: isRefused ? config.message : '' });
  }
  for (const [at, values] of refused.entries()) {
    for (const [value, error] of values) {
      if ((sampling === null || worked[at]?.size === 0) && worked[at]?.has(value) !== true) throw error;
    }
  }
  return [...runs.values()];
}

function configOf(input: Record<string, unknown>): RunConfig | ConfigError {
  try {
    return readRunConfig(input);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}
