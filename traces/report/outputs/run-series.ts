import { type ClosedWindow, type Operation, SmallHistogram, type TranslationRequest } from '../../../emulator/index.ts';
import type { Replayer } from '../../replay/index.ts';
import { SERVED_NAMES, Served } from '../../replay/index.ts';
import type { RunWatcher } from './watch-run.ts';

/** Points of a series at most; a power of two. */
const BUCKETS = 512;
/** Width that a run begins with, in cycles. */
const FIRST_WIDTH = 1024;
/** A share of fewer accesses than this, and than this part of all, says little: points are joined until they have as many. */
const SHARE_ACCESSES = 32;
const SHARE_PART = 256;

/** What a run was like over time, ready for plots. Index by point. */
export interface SeriesPoints {
  /** Seconds since the run began. */
  readonly seconds: readonly number[];
  /** Ranges mapped, their bytes and bytes of tables, at the first operation of each point's time; null where there was none. */
  readonly liveRanges: readonly (number | null)[];
  readonly liveBytes: readonly (number | null)[];
  readonly tableBytes: readonly (number | null)[];
  /** Share of the accesses that a TLB served, and of these the micro-TLB alone, at times of its own: see {@link SHARE_ACCESSES}. */
  readonly hits: {
    readonly seconds: readonly number[];
    readonly any: readonly number[];
    readonly micro: readonly number[];
  };
  /** What served accesses, to translation times. */
  readonly latencies: readonly { readonly served: string; readonly counts: readonly HistogramBar[] }[];
  /** How long stale windows stood open: those that no access came to, and those that one did. */
  readonly windows: { readonly untouched: readonly HistogramBar[]; readonly used: readonly HistogramBar[] };
  /** Streams whose device the capture names. */
  readonly streamNames: Readonly<Record<number, string>>;
}

/** Lower bound in cycles, and how many. */
export type HistogramBar = readonly [from: number, count: number];

/**
 * Watches a run and keeps what plots need of it in constant memory: a fixed number of points, whose width in time doubles whenever the run
 * outgrows them. Counts are summed then; of gauges the earlier one stays.
 */
export class RunSeries implements RunWatcher {
  readonly #replayer: Replayer;
  readonly #sums = { accesses: column(0), hits: column(0), micro: column(0) };
  readonly #gauges = { ranges: column(Number.NaN), bytes: column(Number.NaN), tables: column(Number.NaN) };
  readonly #latencies = SERVED_NAMES.map(() => new SmallHistogram());
  readonly #windows = { untouched: new SmallHistogram(), used: new SmallHistogram() };
  readonly #deviceName: (device: number) => string;
  #width = FIRST_WIDTH;
  #last = 0;

  constructor(replayer: Replayer, deviceName: (device: number) => string = (device) => `device ${device}`) {
    this.#replayer = replayer;
    this.#deviceName = deviceName;
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

  /** Takes a stale window that is over. */
  window({ cycles, hits }: Readonly<ClosedWindow>): void {
    this.#windows[hits > 0 ? 'used' : 'untouched'].add(cycles);
  }

  points(clockMHz: number): SeriesPoints {
    const { accesses } = this.#sums;
    const { ranges, bytes, tables } = this.#gauges;
    const { untouched, used: touched } = this.#windows;
    const used = Array.from({ length: this.#last + 1 }, (_, at) => at).filter(
      (at) => (accesses[at] as number) > 0 || !Number.isNaN(ranges[at] as number),
    );
    const gauge = (values: Float64Array): (number | null)[] =>
      used.map((at) => (Number.isNaN(values[at] as number) ? null : (values[at] as number)));
    return {
      seconds: used.map((at) => (at * this.#width) / (clockMHz * 1e6)),
      liveRanges: gauge(ranges),
      liveBytes: gauge(bytes),
      tableBytes: gauge(tables),
      hits: this.#hitShares(clockMHz),
      latencies: SERVED_NAMES.map((served, at) => ({ served, counts: barsOf(this.#latencies[at]) })).filter(
        ({ counts }) => counts.length > 0,
      ),
      windows: { untouched: barsOf(untouched), used: barsOf(touched) },
      streamNames: Object.fromEntries(
        [...this.#replayer.domains.deviceOfStream].map(([stream, device]) => [stream, this.#deviceName(device)]),
      ),
    };
  }

  /** Shares of as many accesses as say something, each at the middle of its time. */
  #hitShares(clockMHz: number): SeriesPoints['hits'] {
    const { accesses, hits, micro } = this.#sums;
    const least = Math.max(SHARE_ACCESSES, accesses.reduce((sum, one) => sum + one, 0) / SHARE_PART);
    const shares: { seconds: number[]; any: number[]; micro: number[] } = { seconds: [], any: [], micro: [] };
    let first = -1;
    const sums = { all: 0, any: 0, micro: 0 };
    for (let at = 0; at <= this.#last; at++) {
      if (accesses[at] === 0) continue;
      if (first < 0) first = at;
      sums.all += accesses[at] as number;
      sums.any += hits[at] as number;
      sums.micro += micro[at] as number;
      if (sums.all < least && !(at === this.#last && shares.any.length === 0)) continue;
      shares.seconds.push((((first + at + 1) / 2) * this.#width) / (clockMHz * 1e6));
      shares.any.push(sums.any / sums.all);
      shares.micro.push(sums.micro / sums.all);
      first = -1;
      sums.all = 0;
      sums.any = 0;
      sums.micro = 0;
    }
    return shares;
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

function barsOf(histogram: SmallHistogram | undefined): HistogramBar[] {
  return [...(histogram?.entries() ?? [])].map(([from, , count]) => [from, count] as const);
}

function column(value: number): Float64Array {
  return new Float64Array(BUCKETS).fill(value);
}
