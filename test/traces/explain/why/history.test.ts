/** What the history of a capture's mappings is asked for, on small captures whose answers can be counted by hand. */
import { describe, expect, it } from 'vitest';
import {
  BlobSource,
  couldBeHuge,
  lazyWindow,
  livingAt,
  MappingHistory,
  mappingDifferences,
  openSources,
  tableGrowth,
} from '../../../../traces/index.ts';

const hex = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;
const line = (time: number, text: string): string => `  worker-77 [001] ..... ${time.toFixed(6)}: ${text}`;
const map = (time: number, iova: number, pa: number, size: number): string =>
  line(time, `map: IOMMU: iova=${hex(iova)} - ${hex(iova + size)} paddr=${hex(pa)} size=${size}`);
const unmap = (time: number, iova: number, size: number): string =>
  line(time, `unmap: IOMMU: iova=${hex(iova)} - ${hex(iova + size)} size=${size} unmapped_size=${size}`);

async function historyOf(...lines: readonly string[]): Promise<MappingHistory> {
  const source = new BlobSource('small', new Blob([['# tracer: nop', ...lines, ''].join('\n')]));
  return MappingHistory.read(await openSources([source]));
}

const K = 1024;
const M = 1024 * K;

describe('mappings at two times', () => {
  it('are told apart in those that came, went, stayed, and were there only in between', async () => {
    const history = await historyOf(
      map(1, 0x10000, 0x8000_0000, 4 * K),
      map(2, 0x20000, 0x8001_0000, 4 * K),
      map(3, 0x30000, 0x8002_0000, 4 * K),
      unmap(4, 0x30000, 4 * K),
      unmap(5, 0x20000, 4 * K),
      map(6, 0x40000, 0x8003_0000, 8 * K),
      map(9, 0x50000, 0x8004_0000, 8 * K),
    );
    const [difference, ...others] = mappingDifferences(history, 2.5, 7);
    expect(others).toEqual([]);
    expect(difference).toMatchObject({ kept: 1, between: 1 });
    expect(difference?.come.map(({ start }) => start)).toEqual([0x40000]);
    expect(difference?.gone.map(({ start }) => start)).toEqual([0x20000]);
  });
});

describe('what could be huge', () => {
  it('is whole aligned 2 MiB whose both addresses go on, however many mappings made them', async () => {
    const pieces = [0, 1, 2, 3].map((at) => map(1 + at, 4 * M + at * M, 0x8000_0000 + at * M, M));
    const history = await historyOf(
      ...pieces,
      // These follow in IOVA, but start at a physical address that no leaf of 2 MiB can have.
      map(6, 8 * M, 0x9000_1000, 2 * M),
      // And these are not a whole 2 MiB.
      map(7, 16 * M, 0xa000_0000, M),
    );
    expect(couldBeHuge(livingAt(history, 0, 8))).toBe(4 * M);
  });
});

describe('table memory over time', () => {
  it('grows by a table a span, keeps what is emptied page by page, and drops what one unmap takes whole', async () => {
    const history = await historyOf(
      map(1, 2 * M, 0x8000_1000, 4 * K),
      unmap(2, 2 * M, 4 * K),
      map(3, 4 * M, 0x8000_1000, 2 * M),
      unmap(4, 4 * M, 2 * M),
      map(5, 6 * M, 0x8000_0000, 2 * M),
    );
    const { points, domains } = tableGrowth(history);
    // The first-level table, one each of levels 1 and 2, then one of level 3 for each 2 MiB that is not a block.
    expect(points.map(({ tableBytes }) => tableBytes / 4096)).toEqual([4, 4, 5, 4, 4]);
    expect(points.map(({ mappedBytes }) => mappedBytes)).toEqual([4 * K, 0, 2 * M, 0, 2 * M]);
    expect(domains).toEqual([{ domain: 0, peak: 5 * 4096, end: 4 * 4096 }]);
  });
});

describe('the window of lazy invalidation', () => {
  const windowOf = async (...lines: readonly string[]) => {
    const history = await historyOf(map(1, 0x10000, 0x8000_0000, 4 * K), ...lines);
    const [first] = history.mappings;
    if (first === undefined) throw new Error('no mapping');
    return lazyWindow(history, first);
  };
  const others = (count: number): string[] => [
    ...Array.from({ length: count }, (_, at) =>
      map(1 + at / 1e4, 0x10_0000 + at * 4096, 0x9000_0000 + at * 4096, 4 * K),
    ),
    unmap(2, 0x10000, 4 * K),
    ...Array.from({ length: count }, (_, at) => unmap(2 + (at + 1) / 1e5, 0x10_0000 + at * 4096, 4 * K)),
  ];

  it('ends with the timer: ten milliseconds in ticks, and the tick under way', async () => {
    expect(await windowOf(unmap(2, 0x10000, 4 * K))).toEqual({ until: 2.016, by: 'the timer' });
  });

  it('ends when the queue of its CPU is found full', async () => {
    expect((await windowOf(...others(254)))?.by).toBe('the timer');
    expect(await windowOf(...others(255))).toEqual({ until: 2.00255, by: 'a full queue' });
  });

  it('ends when the address is mapped again, and is not there for what lives', async () => {
    const again = map(2.001, 0x10000, 0xa000_0000, 4 * K);
    expect(await windowOf(unmap(2, 0x10000, 4 * K), again)).toEqual({
      until: 2.001,
      by: 'the address being mapped again',
    });
    expect(await windowOf()).toBeNull();
  });
});
