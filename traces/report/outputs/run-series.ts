import { type Operation, SmallHistogram, type TranslationRequest } from '../../../emulator/index.ts';
import type { Replayer } from '../../replay/index.ts';
import { SERVED_NAMES, Served } from '../../replay/index.ts';

/** Points of a series at most; a power of two. */
const BUCKETS = 512;
/** Width that a run begins with, in cycles. */
const FIRST_WIDTH = 1024;

/** What a run was like over time, ready for plots. Index by point. */
export interface SeriesPoints {
  /** Seconds since the run began. */
  readonly seconds: readonly number[];
  /** Ranges mapped, their bytes and bytes of tables, at the first operation of each point's time; null where there was none. */
  readonly liveRanges: readonly (number | null)[];
  readonly liveBytes: readonly (number | null)[];
  readonly tableBytes: readonly (number | null)[];
  /** Share of the accesses that a TLB served, and of these the micro-TLB alone; null where there was no access. */
  readonly hitShare: readonly (number | null)[];
  readonly microShare: readonly (number | null)[];
  /** What served accesses, to translation times: lower bound in cycles, and how many. */
  readonly latencies: readonly {
    readonly served: string;
    readonly counts: readonly (readonly [from: number, count: number])[];
  }[];
}

/**
 * Watches a run and keeps what plots need of it in constant memory: a fixed number of points, whose width in time doubles whenever the run
 * outgrows them. Counts are summed then; of gauges the earlier one stays.
 */
export class RunSeries {
  readonly #replayer: Replayer;
  readonly #sums = { accesses: column(0), hits: column(0), micro: column(0) };
  readonly #gauges = { ranges: column(Number.NaN), bytes: column(Number.NaN), tables: column(Number.NaN) };
  readonly #latencies = SERVED_NAMES.map(() => new SmallHistogram());
  #width = FIRST_WIDTH;
  #last = 0;

  constructor(replayer: Replayer) {
    this.#replayer = replayer;
  }

  /** Takes an operation that is over. */
  operation({ start }: Readonly<Operation>): void {
    const at = this.#bucket(start);
    const { ranges, bytes, tables } = this.#gauges;
    if (!Number.isNaN(ranges[at] as number)) return;
    const { tracker, machine } = this.#replayer;
    ranges[at] = tracker.liveRanges;
    bytes[at] = tracker.liveBytes;
    tables[at] = machine.tables.layers[0]?.stats.liveBytes ?? 0;
  }

  /** Takes an access that is over. */
  access({ start, latency }: TranslationRequest, served: Served): void {
    const at = this.#bucket(start);
    const { accesses, hits, micro } = this.#sums;
    accesses[at] = (accesses[at] as number) + 1;
    if (served === Served.MICRO_TLB) micro[at] = (micro[at] as number) + 1;
    if (served <= Served.TLB) hits[at] = (hits[at] as number) + 1;
    this.#latencies[served]?.add(latency);
  }

  points(clockMHz: number): SeriesPoints {
    const { accesses, hits, micro } = this.#sums;
    const { ranges, bytes, tables } = this.#gauges;
    const used = Array.from({ length: this.#last + 1 }, (_, at) => at).filter(
      (at) => (accesses[at] as number) > 0 || !Number.isNaN(ranges[at] as number),
    );
    const gauge = (values: Float64Array): (number | null)[] =>
      used.map((at) => (Number.isNaN(values[at] as number) ? null : (values[at] as number)));
    const share = (part: Float64Array): (number | null)[] =>
      used.map((at) => ((accesses[at] as number) === 0 ? null : (part[at] as number) / (accesses[at] as number)));
    return {
      seconds: used.map((at) => (at * this.#width) / (clockMHz * 1e6)),
      liveRanges: gauge(ranges),
      liveBytes: gauge(bytes),
      tableBytes: gauge(tables),
      hitShare: share(hits),
      microShare: share(micro),
      latencies: SERVED_NAMES.map((served, at) => ({
        served,
        counts: [...(this.#latencies[at]?.entries() ?? [])].map(([from, , count]) => [from, count] as const),
      })).filter(({ counts }) => counts.length > 0),
    };
  }

  /** The point of a cycle, after making room for it. */
  #bucket(cycle: number): number {
    while (cycle >= this.#width * BUCKETS) this.#widen();
    const at = Math.max(0, Math.floor(cycle / this.#width));
    if (at > this.#last) this.#last = at;
    return at;
  }

  #widen(): void {
    this.#width *= 2;
    this.#last >>= 1;
    for (const sums of Object.values(this.#sums)) {
      for (let at = 0; at < BUCKETS / 2; at++) sums[at] = (sums[2 * at] as number) + (sums[2 * at + 1] as number);
      sums.fill(0, BUCKETS / 2);
    }
    for (const gauges of Object.values(this.#gauges)) {
      for (let at = 0; at < BUCKETS / 2; at++) {
        const first = gauges[2 * at] as number;
        gauges[at] = Number.isNaN(first) ? (gauges[2 * at + 1] as number) : first;
      }
      gauges.fill(Number.NaN, BUCKETS / 2);
    }
  }
}

function column(value: number): Float64Array {
  return new Float64Array(BUCKETS).fill(value);
}
