/** Figures of a history: how large mappings were, how long they lived, what could have been huge. */
import type { Mapping, MappingHistory } from './history.ts';

export interface HistoryFigures {
  /** Mappings by size in bytes, rounded down to a power of two. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Mappings that ended, by lifetime in microseconds, rounded down to a power of two; 0 for less than one. */
  readonly lifetimes: Readonly<Record<string, number>>;
  /** Mappings that never ended. */
  readonly unended: number;
}

const MICROSECONDS = 1e6;

export function historyFigures({ mappings }: MappingHistory): HistoryFigures {
  const sizes = new Map<number, number>();
  const lifetimes = new Map<number, number>();
  let unended = 0;
  for (const { start, end, made, gone } of mappings) {
    count(sizes, end - start);
    if (gone === null) unended++;
    else count(lifetimes, (gone.time - made.time) * MICROSECONDS);
  }
  return { sizes: sorted(sizes), lifetimes: sorted(lifetimes), unended };
}

/** What lived in a domain at a time, in the order of its addresses. */
export function livingAt({ mappings }: MappingHistory, domain: number, time: number): Mapping[] {
  return mappings
    .filter((one) => one.domain === domain && one.made.time <= time && (one.gone === null || one.gone.time > time))
    .sort((a, b) => a.start - b.start);
}

function count(into: Map<number, number>, value: number): void {
  const step = value < 1 ? 0 : 2 ** Math.floor(Math.log2(value));
  into.set(step, (into.get(step) ?? 0) + 1);
}

function sorted(from: ReadonlyMap<number, number>): Record<string, number> {
  return Object.fromEntries([...from].sort(([a], [b]) => a - b));
}

const HUGE = 2 ** 21;

/**
 * Bytes of mappings, in the order of their addresses, that could stand in leaves of 2 MiB: whole aligned 2 MiB whose
 * physical addresses follow one another from an aligned one, however many mappings they were made with.
 */
export function couldBeHuge(living: readonly Mapping[]): number {
  let bytes = 0;
  let start = 0;
  let end = -1;
  let offset = 0;
  const close = (): void => {
    const first = Math.ceil(start / HUGE) * HUGE;
    if (end > first && offset % HUGE === 0) bytes += Math.floor((end - first) / HUGE) * HUGE;
  };
  for (const one of living) {
    if (one.start !== end || one.pa - one.start !== offset) {
      close();
      start = one.start;
      offset = one.pa - one.start;
    }
    end = one.end;
  }
  close();
  return bytes;
}
