/** A trace and an IOMMU's own log of the same run, as one stream of events in the order of their times. */

import type { ClockOffset } from '../capture-feed.ts';
import { type CaptureReader, openSources, type ReaderOptions } from '../capture-reader.ts';
import { copyEvent, EventKind, TraceEvent } from '../events/index.ts';
import type { ByteSource } from '../sources/index.ts';
import { clockOffset, promptOffset, RangeLog } from './clock-offset.ts';
import { LiveMaps, Verdict } from './live-maps.ts';

/**
 * Seconds by which an access may lie outside the life of its mapping, as the two clocks see it: the log is written by another program than the one that
 * runs, which may be stopped in between. In real runs all translations lie within this.
 */
export const LIFE_TOLERANCE = 0.002;

/** What a check of a log of translations against a capture found. */
export interface AccessCheck extends ClockOffset {
  readonly maps: number;
  readonly accesses: number;
  /** Accesses whose translation is what a mapping that lived then says. */
  readonly right: number;
  /** Accesses to addresses that were mapped to something else then, or not at all. */
  readonly otherAddress: number;
  readonly notMapped: number;
  /** Accesses after the capture's last event, of which nothing can be said. */
  readonly after: number;
  /** The first accesses that are not right. */
  readonly wrong: readonly { readonly line: number; readonly iova: number; readonly pa: number }[];
}
const WRONG_KEPT = 20;

/**
 * Finds how far the log's clock is ahead. Reads both once, or twice where the kernel was lazy.
 * @param capture maps and unmaps of the run
 * @param log the IOMMU's own
 * @throws InputError when they are not of one run
 */
export async function findClockOffset(capture: ByteSource, log: ByteSource): Promise<ClockOffset> {
  const unmaps = await rangesOf(capture, EventKind.UNMAP);
  const invalidations = await rangesOf(log, EventKind.INVALIDATE);
  if (invalidations.length >= unmaps.length / FEW) return clockOffset(unmaps, invalidations, log.name);
  return promptOffset(await firstTimes(capture, EventKind.MAP), await firstTimes(log, EventKind.ACCESS), log.name);
}

/** A log with fewer invalidations than one for so many unmaps is of a lazy kernel. */
const FEW = 1000;
const PAGE = 4096;

/**
 * When each pair of pages was first accessed, by the page of the IOVA and the distance to the physical one; or when it was mapped, which is NaN for what is
 * mapped more than once. Of large mappings the first pages.
 */
async function firstTimes(source: ByteSource, kind: EventKind): Promise<Map<number, Map<number, number>>> {
  const times = new Map<number, Map<number, number>>();
  const reader = await openSources([source]);
  while (await reader.fill()) {
    while (reader.next()) {
      const { event } = reader;
      if (event.kind !== kind) continue;
      const distance = event.pa - event.iova;
      const pages = kind === EventKind.ACCESS ? 1 : Math.min(event.size / PAGE, 64);
      for (let index = 0; index < pages; index++) {
        const page = Math.floor(event.iova / PAGE) + index;
        let distances = times.get(page);
        if (distances === undefined) {
          distances = new Map();
          times.set(page, distances);
        }
        if (!distances.has(distance)) distances.set(distance, event.time);
        else if (kind === EventKind.MAP) distances.set(distance, Number.NaN);
      }
    }
  }
  return times;
}

async function rangesOf(source: ByteSource, kind: EventKind): Promise<RangeLog> {
  const ranges = new RangeLog();
  const reader = await openSources([source]);
  while (await reader.fill()) {
    while (reader.next()) {
      const { event } = reader;
      // An invalidation of more than last-level entries belongs to a table that is freed.
      if (event.kind === kind && event.iova >= 0 && event.prot !== 0) ranges.add(event.time, event.iova, event.size);
    }
  }
  return ranges;
}

/**
 * Both as one stream, in the clock of the capture:
 *
 *     const merged = await MergedEvents.open(capture, log, offset);
 *     while (await merged.next()) use(merged.event, merged.fromLog);
 */
export class MergedEvents {
  /** The event that {@link next} moved to; valid until the next call. */
  readonly event = new TraceEvent();
  /** Whether it is the log's. Its line is then one of the log, its device unknown. */
  fromLog = false;
  readonly capture: CaptureReader;
  readonly log: CaptureReader;
  readonly #offset: number;
  readonly #ahead: number;
  #captureHas = false;
  #logHas = false;
  #begun = false;

  private constructor(capture: CaptureReader, log: CaptureReader, offset: number, ahead: number) {
    this.capture = capture;
    this.log = log;
    this.#offset = offset;
    this.#ahead = ahead;
  }

  /**
   * @param offset seconds that the log's clock is ahead
   * @param ahead seconds by which events of the capture come earlier than those of the log; less than 0: by which those of the log do
   * @throws InputError
   */
  static async open(
    capture: ByteSource,
    log: ByteSource,
    offset: number,
    ahead = 0,
    options: ReaderOptions = {},
  ): Promise<MergedEvents> {
    return new MergedEvents(await openSources([capture], options), await openSources([log], options), offset, ahead);
  }

  /** Moves to the next event; false at the end. @throws InputError */
  async next(): Promise<boolean> {
    if (!this.#begun) {
      this.#begun = true;
      this.#captureHas = await advance(this.capture);
      this.#logHas = await advance(this.log);
    }
    if (!this.#captureHas && !this.#logHas) return false;
    const logTime = this.#logHas ? this.log.event.time - this.#offset : Number.POSITIVE_INFINITY;
    this.fromLog = !this.#captureHas || logTime + this.#ahead < this.capture.event.time;
    if (this.fromLog) {
      copyEvent(this.log.event, this.event);
      this.event.time = logTime;
      this.#logHas = this.log.next() || (await advance(this.log));
    } else {
      copyEvent(this.capture.event, this.event);
      this.#captureHas = this.capture.next() || (await advance(this.capture));
    }
    return true;
  }

  /** Whether all of the capture has been given out. */
  get captureEnded(): boolean {
    return !this.#captureHas;
  }

  async close(): Promise<void> {
    await this.capture.close();
    await this.log.close();
  }
}

/** Moves a reader on, bringing input in as needed. */
async function advance(reader: CaptureReader): Promise<boolean> {
  for (;;) {
    if (reader.next()) return true;
    if (!(await reader.fill())) return false;
  }
}

/**
 * Checks every translation that the log holds against the mappings of the capture: each must be to the address that a mapping says which lived then, within
 * {@link LIFE_TOLERANCE}. Constant memory, two passes.
 *
 * @param domainOf which domain a map or unmap is of; by default what the capture says, which of plain lines is nothing: then an address counts as
 *   mapped until all domains that may have it have unmapped it
 * @throws InputError when the two are not of one run
 */
export async function checkAccesses(
  capture: ByteSource,
  log: ByteSource,
  domainOf: (event: TraceEvent) => number = ({ domain }) => domain,
): Promise<AccessCheck> {
  const clock = await findClockOffset(capture, log);
  const merged = await MergedEvents.open(capture, log, clock.offset, 2 * LIFE_TOLERANCE);
  const live = new LiveMaps(LIFE_TOLERANCE);
  const check = new Tally();
  const { event } = merged;
  let maps = 0;
  let last = Number.NEGATIVE_INFINITY;
  while (await merged.next()) {
    if (!merged.fromLog) {
      const domain = domainOf(event);
      last = Math.max(last, event.time);
      if (event.kind === EventKind.MAP) {
        maps++;
        live.map(event.time, event.iova, event.pa, event.size, domain);
      } else if (event.kind === EventKind.UNMAP) live.unmap(event.time, event.iova, event.size, domain);
    } else if (event.kind === EventKind.ACCESS) {
      const ended = merged.captureEnded && event.time > last;
      check.count(event, ended ? null : live.check(event.time, event.iova, event.pa));
    }
  }
  await merged.close();
  return { ...clock, maps, ...check.result() };
}

/** Counts verdicts. */
class Tally {
  readonly #verdicts = [0, 0, 0];
  #after = 0;
  readonly #wrong: { line: number; iova: number; pa: number }[] = [];

  /** @param verdict null when nothing can be said */
  count({ line, iova, pa }: TraceEvent, verdict: Verdict | null): void {
    if (verdict === null) {
      this.#after++;
      return;
    }
    this.#verdicts[verdict] = (this.#verdicts[verdict] as number) + 1;
    if (verdict !== Verdict.RIGHT && this.#wrong.length < WRONG_KEPT) this.#wrong.push({ line, iova, pa });
  }

  result(): Omit<AccessCheck, keyof ClockOffset | 'maps'> {
    const [right = 0, otherAddress = 0, notMapped = 0] = this.#verdicts;
    const accesses = right + otherAddress + notMapped + this.#after;
    return { accesses, right, otherAddress, notMapped, after: this.#after, wrong: this.#wrong };
  }
}
