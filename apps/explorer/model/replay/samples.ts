import type { TranslationRequest } from '../../../../emulator/index.ts';
import { type Replayer, type RunWatcher, Served } from '../../../../traces/browser.ts';

/** Points of a plot at most. */
const MOST_POINTS = 600;

/** What a replay was like, point by point, ready for plots. Columns of one length; null where there was nothing to say. */
export interface Samples {
  /** Number of the event behind which the point was taken. */
  readonly event: number[];
  readonly seconds: number[];
  readonly liveBytes: number[];
  readonly tableBytes: number[];
  /** Share of the accesses since the point before that a TLB served. */
  readonly hitShare: (number | null)[];
  /** 99 of 100 accesses since then took no longer, in cycles. */
  readonly p99: (number | null)[];
}

/** Takes a point every so many events. */
export class Sampler implements RunWatcher {
  readonly samples: Samples = { event: [], seconds: [], liveBytes: [], tableBytes: [], hitShare: [], p99: [] };
  readonly #every: number;
  #latencies: number[] = [];
  #hits = 0;

  /** @param events of the whole capture */
  constructor(events: number) {
    this.#every = Math.max(1, Math.ceil(events / MOST_POINTS));
  }

  operation(): void {}

  access({ latency }: TranslationRequest, served: Served): void {
    this.#latencies.push(latency);
    if (served <= Served.TLB) this.#hits++;
  }

  /** An event is over. */
  event(number: number, last: boolean, { machine, tracker, lastTime, firstTime }: Replayer): void {
    if (number % this.#every !== 0 && !last) return;
    const { samples } = this;
    samples.event.push(number);
    samples.seconds.push(lastTime - firstTime);
    samples.liveBytes.push(tracker.liveBytes);
    samples.tableBytes.push(machine.tables.layers[0]?.stats.liveBytes ?? 0);
    const sorted = this.#latencies.sort((a, b) => a - b);
    const { length } = sorted;
    samples.hitShare.push(length === 0 ? null : this.#hits / length);
    samples.p99.push(length === 0 ? null : (sorted[Math.max(0, Math.ceil(0.99 * length) - 1)] ?? null));
    this.#latencies = [];
    this.#hits = 0;
  }
}
