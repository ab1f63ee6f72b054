import { type AllocatorReport, ConfigError } from '../formats/index.ts';
import { type RunConfig, runConfig } from './config/run-config.ts';
import { setField } from './config/set-field.ts';
import { type ReplayOptions, ReplayRun } from './replay.ts';
import type { Report } from './report/report.ts';

export const COMPARE_SCHEMA = 'tablewalk.compare/1';

/** The most combinations of one comparison. */
const MAX_COMBINATIONS = 256;

/** One thing that is varied. */
export interface Variation {
  /** What people call it: `allocator`. */
  readonly name: string;
  /** Its field in the configuration: `table.allocator`. */
  readonly field: string;
  /** The values that it takes, as `--set` would be given them. */
  readonly values: readonly string[];
}

export interface CompareMetric {
  readonly key: string;
  readonly label: string;
  readonly unit: 'count' | 'bytes' | 'cycles' | 'share';
  /** Whether less is better; null: it is neither good nor bad. */
  readonly better: 'less' | 'more' | null;
  readonly pick: (report: Report, tables: AllocatorReport) => number;
}

/** The rows of a comparison. */
export const COMPARE_METRICS: readonly CompareMetric[] = [
  metric('allocations', 'tables allocated', 'count', null, (_, { total }) => total.allocations),
  metric('systemCalls', 'calls to the system allocator', 'count', 'less', (_, { total }) => total.systemCalls),
  metric('bulkCalls', 'of these, in bulk', 'count', null, (_, { total }) => total.bulkCalls),
  metric('callsInRun', 'calls while an operation ran', 'count', 'less', (_, { total }) => total.callsInRun),
  metric('hits', 'served from stock', 'count', 'more', (_, { total }) => total.hits),
  metric('failures', 'allocations refused', 'count', 'less', (_, { total }) => total.failures),
  metric('peakTables', 'peak tables in trees', 'count', null, (_, { total }) => total.peakTables),
  metric('peakBytes', 'peak bytes in trees', 'bytes', null, (_, { total }) => total.peakBytes),
  metric(
    'peakFootprintBytes',
    'peak bytes taken from the system',
    'bytes',
    'less',
    (_, { total }) => total.peakFootprintBytes,
  ),
  metric('peakWastedBytes', 'peak bytes wasted by sizing', 'bytes', 'less', (_, { total }) => total.peakWastedBytes),
  metric('reserved', 'tables reserved', 'count', null, (_, { total }) => total.reserved),
  metric('overReserved', 'reserved and not used', 'count', 'less', (_, { total }) => total.overReserved),
  metric('unusedShare', 'unused share', 'share', 'less', (_, { total }) => total.unusedShare),
  metric('zeroedBytes', 'bytes zeroed', 'bytes', 'less', (_, { total }) => total.zeroedBytes),
  metric('allocationCycles', 'time in allocation', 'cycles', 'less', ({ software }) => software.cycles.allocation),
  metric('allocatorCycles', 'allocator time, teardown included', 'cycles', 'less', (_, { total }) => total.cycles),
  metric(
    'worstOperationCycles',
    'worst single operation',
    'cycles',
    'less',
    (_, { total }) => total.worstOperationCycles,
  ),
  metric('descriptorsWritten', 'descriptors written', 'count', 'less', ({ table }) => table.descriptorsWritten),
  metric('blockSplits', 'block splits', 'count', 'less', ({ table }) => table.blockSplits),
  metric('refused', 'maps and unmaps refused', 'count', 'less', ({ capture }) => capture.refused),
  metric('editCycles', 'time editing tables', 'cycles', 'less', ({ software }) => software.cycles.edit),
  metric('syncCycles', 'time in cache maintenance', 'cycles', 'less', ({ software }) => software.cycles.sync),
  metric('invalidationCycles', 'time invalidating', 'cycles', 'less', ({ software }) => software.cycles.invalidation),
  metric('softwareCycles', 'CPU time in all', 'cycles', 'less', ({ software }) => software.cycles.total),
  metric('walks', 'table walks', 'count', 'less', ({ translation }) => translation.walks),
  metric('meanLatency', 'mean access latency', 'cycles', 'less', ({ translation }) => translation.cycles.mean),
  metric('staleTlbHits', 'stale TLB hits', 'count', 'less', ({ sanitizer }) => sanitizer.staleTlbHits),
  metric('staleWalks', 'stale walks', 'count', 'less', ({ sanitizer }) => sanitizer.staleWalks),
];

/** One combination and what it came to. Plain JSON. */
export interface CompareColumn {
  /** Name of each thing varied to the value it had. */
  readonly settings: Readonly<Record<string, string>>;
  /** Layers of the table allocator that ran. */
  readonly stack: string;
  /** Key of each metric to its value. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Several runs of the same captures side by side. Plain JSON. */
export interface CompareReport {
  readonly schema: typeof COMPARE_SCHEMA;
  readonly captures: readonly string[];
  /** False when it was stopped: the combinations that are missing were not run, and none is in part. */
  readonly complete: boolean;
  readonly varied: readonly { readonly name: string; readonly field: string; readonly values: readonly string[] }[];
  readonly columns: readonly CompareColumn[];
  /** Key of each metric to the columns that are best in it; empty where all are equal or no value is better than another. */
  readonly best: Readonly<Record<string, readonly number[]>>;
  /** The machine that everything else was the same in. */
  readonly config: RunConfig;
}

/** Replays the same captures once per combination of what is varied. */
export class CompareRun {
  readonly #captures: readonly string[];
  readonly #base: RunConfig;
  readonly #variations: readonly Variation[];
  readonly #options: ReplayOptions;
  readonly #settings: readonly string[][];
  readonly #configs: readonly RunConfig[];
  #running: ReplayRun | null = null;
  #stopped = false;

  /**
   * Checks every combination before the first is run.
   * @throws ConfigError for a value that the configuration does not take, too many combinations, or standard input, which can be read but once.
   */
  constructor(
    captures: readonly string[],
    base: RunConfig,
    variations: readonly Variation[],
    options: ReplayOptions = {},
  ) {
    if (captures.includes('-')) throw new ConfigError('capture', '-', 'a file: standard input cannot be read twice');
    const settings = combinationsOf(variations);
    if (settings.length > MAX_COMBINATIONS) {
      throw new ConfigError('--vary', `${settings.length} combinations`, `at most ${MAX_COMBINATIONS}`);
    }
    this.#captures = captures;
    this.#base = base;
    this.#variations = variations;
    this.#options = options;
    this.#settings = settings;
    this.#configs = settings.map((values) =>
      variations.reduce((config, { field }, at) => withField(config, field, values[at] ?? ''), base),
    );
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

  /** @param onProgress told the share done (0 to 1) of all combinations, and the events of the one under way. */
  async run(onProgress: (done: number, events: number) => void = () => {}): Promise<CompareReport> {
    const columns: CompareColumn[] = [];
    for (const [at, config] of this.#configs.entries()) {
      const replay = new ReplayRun(this.#captures, config, this.#options);
      this.#running = replay;
      const report = await replay.run((done, events) => onProgress((at + done) / this.combinations, events));
      if (this.#stopped) break;
      columns.push(this.#column(at, report, replay));
    }
    return {
      schema: COMPARE_SCHEMA,
      captures: this.#captures,
      complete: !this.#stopped,
      varied: this.#variations.map(({ name, field, values }) => ({ name, field, values })),
      columns,
      best: Object.fromEntries(COMPARE_METRICS.map((row) => [row.key, bestOf(row, columns)])),
      config: this.#base,
    };
  }

  #column(at: number, report: Report, replay: ReplayRun): CompareColumn {
    const tables = replay.replayer?.machine.tables.report();
    if (tables === undefined) throw new Error('a replay that ran has a machine');
    return {
      settings: Object.fromEntries(
        this.#variations.map(({ name }, which) => [name, this.#settings[at]?.[which] ?? '']),
      ),
      stack: tables.stack,
      metrics: Object.fromEntries(COMPARE_METRICS.map(({ key, pick }) => [key, pick(report, tables)])),
    };
  }
}

/** The configuration with one field changed. A value such as 6.12 is tried as a number first, then as a word. */
function withField(config: RunConfig, field: string, value: string): RunConfig {
  const tried = (text: string): RunConfig => {
    const input = structuredClone(config) as unknown as Record<string, unknown>;
    setField(input, `${field}=${text}`);
    return runConfig(input);
  };
  try {
    return tried(value);
  } catch (error) {
    try {
      return tried(JSON.stringify(value));
    } catch {
      // What was found is best told as it was written.
      throw error;
    }
  }
}

function metric(
  key: string,
  label: string,
  unit: CompareMetric['unit'],
  better: CompareMetric['better'],
  pick: CompareMetric['pick'],
): CompareMetric {
  return { key, label, unit, better, pick };
}

/** Every choice of one value from each variation; the last varies fastest. */
function combinationsOf(variations: readonly Variation[]): string[][] {
  let combinations: string[][] = [[]];
  for (const { values } of variations) {
    combinations = combinations.flatMap((begun) => values.map((value) => [...begun, value]));
  }
  return combinations;
}

function bestOf({ key, better }: CompareMetric, columns: readonly CompareColumn[]): number[] {
  const values = columns.map(({ metrics }) => metrics[key] ?? 0);
  const best = better === 'less' ? Math.min(...values) : Math.max(...values);
  // Sums of the same parts in another order differ in their last bits.
  const isBest = (value: number): boolean => Math.abs(value - best) <= Math.abs(best) * 1e-9;
  if (better === null || values.every(isBest)) return [];
  return values.flatMap((value, at) => (isBest(value) ? [at] : []));
}
