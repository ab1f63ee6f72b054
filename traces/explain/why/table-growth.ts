/** What the tables of a capture's domains take while it runs. */
import type { Mapping, MappingHistory } from './history.ts';

/** Table memory at a time. */
export interface TableMemoryPoint {
  /** Seconds of the trace clock, or its ticks. */
  readonly time: number;
  readonly mappedBytes: number;
  /** All domains together. */
  readonly tableBytes: number;
}

export interface TableGrowth {
  /** In the order of time, at most so many as were asked for; the highest of each stretch. */
  readonly points: readonly TableMemoryPoint[];
  /** Bytes of tables by domain: the most there were, and what is left at the end. */
  readonly domains: readonly { readonly domain: number; readonly peak: number; readonly end: number }[];
}

const TABLE_BYTES = 4096;
/** log2 of what a table of level 1, 2 and 3 is responsible for, with a granule of 4 KiB. */
const SPANS = [2 ** 39, 2 ** 30, 2 ** 21];
const BLOCKS = [Number.POSITIVE_INFINITY, 2 ** 30, 2 ** 21];

/** The tables of one domain: the numbers of the spans that have one, by level. */
class DomainTables {
  /** The first-level table is there from the beginning. */
  bytes = TABLE_BYTES;
  peak = TABLE_BYTES;
  readonly #levels = SPANS.map(() => new Set<number>());

  map({ start, end, pa }: Mapping): void {
    for (let at = start; at < end; ) {
      const left = end - at;
      const block = BLOCKS.findIndex((size) => at % size === 0 && (pa + at - start) % size === 0 && left >= size);
      const deepest = block < 0 ? SPANS.length - 1 : block - 1;
      for (let level = 0; level <= deepest; level++) this.#add(level, Math.floor(at / (SPANS[level] as number)));
      const step = block < 0 ? (SPANS.at(-1) as number) : (BLOCKS[block] as number);
      at = Math.min(end, at - (at % step) + step);
    }
    if (this.bytes > this.peak) this.peak = this.bytes;
  }

  /** Linux frees a table when one unmap takes all that its entry in the table above maps; one that is emptied page by page stays. */
  unmap(start: number, end: number): void {
    for (const [level, span] of SPANS.entries()) {
      if (level === 0) continue;
      for (let number = Math.ceil(start / span); (number + 1) * span <= end; number++) this.#remove(level, number);
    }
  }

  #add(level: number, number: number): void {
    const tables = this.#levels[level];
    if (tables === undefined || tables.has(number)) return;
    tables.add(number);
    this.bytes += TABLE_BYTES;
  }

  #remove(level: number, number: number): void {
    if (this.#levels[level]?.delete(number) === true) this.bytes -= TABLE_BYTES;
  }
}

/**
 * Follows the tables that Linux 6.12 would keep: 64-bit LPAE stage 1, 4 KiB granule, 48 bits, one table a domain, blocks where both
 * addresses allow them (drivers/iommu/io-pgtable-arm.c: a table goes with the unmap of the whole range of its entry, and not before).
 *
 * Does not: split blocks that an unmap takes in part (a table more for each).
 *
 * @param most how many points to keep
 */
export function tableGrowth(history: MappingHistory, most = 40): TableGrowth {
  const edits = history.mappings
    .flatMap((mapping) => [
      { time: mapping.made.time, line: mapping.made.line, mapping, isMap: true },
      ...(mapping.gone === null ? [] : [{ time: mapping.gone.time, line: mapping.gone.line, mapping, isMap: false }]),
    ])
    .sort((a, b) => a.time - b.time || a.line - b.line);
  const domains = history.devices.map(() => new DomainTables());
  const every = Math.max(1, Math.ceil(edits.length / most));
  const points: TableMemoryPoint[] = [];
  let mappedBytes = 0;
  let tableBytes = 0;
  let highest: TableMemoryPoint | null = null;
  for (const [index, { time, mapping, isMap }] of edits.entries()) {
    const tables = domains[mapping.domain];
    if (tables === undefined) continue;
    const before = tables.bytes;
    if (isMap) tables.map(mapping);
    else tables.unmap(mapping.start, mapping.end);
    mappedBytes += isMap ? mapping.end - mapping.start : mapping.start - mapping.end;
    tableBytes += tables.bytes - before;
    const point = { time, mappedBytes, tableBytes: tableBytes + domains.length * TABLE_BYTES };
    if (highest === null || point.mappedBytes >= highest.mappedBytes) highest = point;
    if ((index + 1) % every !== 0 && index + 1 < edits.length) continue;
    points.push(highest);
    highest = null;
  }
  return { points, domains: domains.map(({ peak, bytes }, domain) => ({ domain, peak, end: bytes })) };
}
