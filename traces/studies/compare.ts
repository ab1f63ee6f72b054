import { Machine } from '../../devices/index.ts';
import { ConfigError } from '../../formats/index.ts';
import type { ByteSource } from '../capture/index.ts';
import { type RunConfig, readRunConfig, setField } from '../config/index.ts';
import { bestOf, METRICS, metricsOf } from '../report/index.ts';
import { Replay, type ReplayOptions } from './replay.ts';
import { combinationsOf, type Variation } from './variation/index.ts';

const COMPARE_SCHEMA = 'tablewalk.compare/1';

/** The most combinations of one comparison. */
const MAX_COMBINATIONS = 256;

/** One combination and what it came to. Plain JSON. */
export interface CompareColumn {
  /** Name of each thing varied to the value it had. */
  readonly settings: Readonly<Record<string, string>>;
  /** Layers of the table allocator that ran. */
  readonly stack: string;
  /** Key of each metric to its value; null where it does not apply. */
  readonly metrics: Readonly<Record<string, number | null>>;
}

/** Several runs of the same captures side by side. Plain JSON. */
export interface CompareReport {
  readonly schema: typeof COMPARE_SCHEMA;
  readonly captures: readonly string[];
  /** The captures are declared workloads, not recordings. */
  readonly synthetic: boolean;
  /** False when it was stopped: the combinations that are missing were not run, and none is in part. */
  readonly complete: boolean;
  readonly varied: readonly { readonly name: string; readonly field: string; readonly values: readonly string[] }[];
  readonly columns: readonly CompareColumn[];
  /** Key of each metric to the columns that are best in it; empty where all are equal or no value is better than another. */
  readonly best: Readonly<Record<string, readonly number[]>>;
  /** The machine that everything else was the same in. */
  readonly config: RunConfig;
}

/** Replays the same captures once per combination of what is varied. Of files it is a `CompareRun`. */
export class Comparison {
  readonly #captures: readonly string[];
  readonly #open: (captures: readonly string[]) => readonly ByteSource[];
  readonly #base: RunConfig;
  readonly #variations: readonly Variation[];
  readonly #options: ReplayOptions;
  readonly #settings: readonly string[][];
  readonly #configs: readonly RunConfig[];
  #running: Replay | null = null;
  #stopped = false;

  /**
   * Checks every combination.
   * @param open opens the captures by their names, anew for each combination
   * @param base the machine that is varied, or a part of one: what it leaves open is filled in after each variation
   * @throws ConfigError for a value that the configuration does not take, a field that is varied twice or to no effect, too many
   * combinations, or standard input, which can be read but once.
   */
  constructor(
    captures: readonly string[],
    open: (captures: readonly string[]) => readonly ByteSource[],
    base: Readonly<Record<string, unknown>>,
    variations: readonly Variation[],
    options: ReplayOptions = {},
  ) {
    if (captures.includes('-')) throw new ConfigError('capture', '-', 'a file: standard input cannot be read twice');
    const fields = variations.map(({ field }) => field);
    const twice = fields.find((field, at) => fields.indexOf(field) !== at);
    if (twice !== undefined) throw new ConfigError('--vary', twice, 'each field once');
    const combinations = variations.reduce((product, { values }) => product * values.length, 1);
    if (combinations > MAX_COMBINATIONS) {
      throw new ConfigError('--vary', `${combinations} combinations`, `at most ${MAX_COMBINATIONS}`);
    }
    this.#captures = captures;
    this.#open = open;
    this.#base = readRunConfig(base);
    this.#variations = variations;
    this.#options = options;
    this.#settings = combinationsOf(variations);
    this.#configs = this.#settings.map((values) => configOf(base, variations, values));
    refuseIdlePresets(variations, this.#configs);
  }

  /** How many combinations there are. */
  get combinations(): number {
    return this.#configs.length;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Ends the run under way; what it did is not reported. */
  stop(): void {
    this.#stopped = true;
    this.#running?.stop();
  }

  /**
   * Builds every machine once, to see that it can work, and then runs one after the other.
   * @param onProgress told the share done (0 to 1) of all combinations, and the events of those so far
   * @throws InputError for captures that cannot be read, ConfigError for a machine that cannot work
   */
  async run(onProgress: (done: number, events: number) => void = () => {}): Promise<CompareReport> {
    const columns: CompareColumn[] = [];
    let synthetic = false;
    await this.#build();
    let before = 0;
    for (const [at, config] of this.#configs.entries()) {
      if (this.#stopped) break;
      const replay = new Replay(this.#open(this.#captures), config, this.#options);
      this.#running = replay;
      let events = 0;
      const report = await replay.run((done, sofar) => {
        events = sofar;
        onProgress((at + done) / this.combinations, before + sofar);
      });
      before += events;
      synthetic ||= report.capture.synthetic === true;
      if (this.#stopped) break;
      columns.push({ settings: this.#settingsOf(at), stack: report.allocation.stack, metrics: metricsOf(report) });
    }
    return {
      schema: COMPARE_SCHEMA,
      captures: this.#captures,
      synthetic,
      complete: !this.#stopped,
      varied: this.#variations.map(({ name, field, values }) => ({ name, field, values })),
      columns,
      best: bestColumns(columns),
      config: this.#base,
    };
  }

  /** A machine that cannot be built must not show after an hour of others. */
  async #build(): Promise<void> {
    for (const config of this.#configs) {
      // Whoever wants to stop this gets a chance between two machines.
      await new Promise((resolve) => setTimeout(resolve));
      if (this.#stopped) return;
      new Machine(config).createDomain();
    }
  }

  #settingsOf(at: number): Record<string, string> {
    return Object.fromEntries(this.#variations.map(({ name }, which) => [name, this.#settings[at]?.[which] ?? '']));
  }
}

/**
 * Which columns are best in each figure. A column that refused more than another did less work: it is compared in nothing but that, or
 * it would win by its failures.
 */
function bestColumns(columns: readonly CompareColumn[]): Record<string, number[]> {
  const least = Math.min(...columns.map(unfinishedWork));
  return Object.fromEntries(
    METRICS.map((metric) => {
      const values = columns.map((column) => {
        const counts = unfinishedWork(column) === least || REFUSALS.includes(metric.key);
        return counts ? (column.metrics[metric.key] ?? null) : null;
      });
      return [metric.key, bestOf(metric, values)];
    }),
  );
}

/** Figures of work that was asked for and not done. */
const REFUSALS: readonly string[] = ['refused', 'failedInRun'];

/** Maps and unmaps of the capture that one run did not do, or not wholly. */
export function unfinishedWork({ metrics }: Pick<CompareColumn, 'metrics'>): number {
  return REFUSALS.reduce((sum, key) => sum + (metrics[key] ?? 0), 0);
}

/** The base with the fields of one combination set. */
function configOf(
  base: Readonly<Record<string, unknown>>,
  variations: readonly Variation[],
  values: readonly string[],
): RunConfig {
  const input = structuredClone(base) as Record<string, unknown>;
  for (const [at, { field }] of variations.entries()) setField(input, `${field}=${values[at] ?? ''}`);
  return readRunConfig(input);
}

/** A preset stands below the fields of `mmu`: where all of them are given, it changes nothing. */
function refuseIdlePresets(variations: readonly Variation[], configs: readonly RunConfig[]): void {
  const preset = variations.find(({ field }) => field === 'preset');
  if (preset === undefined || preset.values.length < 2) return;
  const machines = new Set(configs.map(({ mmu }) => JSON.stringify(mmu)));
  if (machines.size === 1) {
    throw new ConfigError(
      '--vary',
      `preset=${preset.values.join(',')}`,
      'a configuration that leaves fields of mmu open',
    );
  }
}
