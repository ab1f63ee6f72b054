import { describe, expect, it } from 'vitest';
import { ReplayRun, type Report, type RunConfigInput, runConfig, streamIdOf } from '../../../traces/index.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const MEDIUM = 'traces/samples/medium-strict.ftrace.txt.gz';

const replay = (capture: string, config: RunConfigInput = {}, options = {}): Promise<Report> =>
  new ReplayRun([capture], runConfig(config), options).run();

/** As much of the larger capture as shows what a driver leaves behind. */
const PART = { limit: 6000 };

/** The larger capture with the defaults, from which several tests read: replayed once. */
const medium = replay(MEDIUM);

/** Replays lines of our own. */
function replayText(lines: readonly string[], config: RunConfigInput = {}): Promise<Report> {
  const stdin = (async function* () {
    yield new TextEncoder().encode(`${lines.join('\n')}\n`);
  })();
  return new ReplayRun(['-'], runConfig(config), { stdin }).run();
}

let clock = 0;
const at = (event: string): string =>
  `   kworker/0:1-40      [000] .....  ${(++clock / 1000 + 1).toFixed(6)}: ${event}`;
const map = (iova: number, pa: number, size: number): string =>
  at(
    `map: IOMMU: iova=0x${iova.toString(16)} - 0x${(iova + size).toString(16)} paddr=0x${pa.toString(16)} size=${size}`,
  );
const unmap = (iova: number, size: number, unmapped = size): string =>
  at(
    `unmap: IOMMU: iova=0x${iova.toString(16)} - 0x${(iova + size).toString(16)} size=${size} unmapped_size=${unmapped}`,
  );

describe('an unmap that found less than it was asked for', () => {
  for (const mode of ['strict', 'lazy'] as const) {
    it(`leaves the live neighbour alone, and nothing is found there: ${mode}`, async () => {
      const PAGE = 4096;
      const lines = [
        map(0x10_0000, 0x8000_0000, 2 * PAGE),
        map(0x10_2000, 0x9000_0000, 2 * PAGE),
        unmap(0x10_0000, 4 * PAGE, 2 * PAGE),
        map(0x20_0000, 0xa000_0000, PAGE),
        unmap(0x10_2000, 2 * PAGE),
        unmap(0x20_0000, PAGE),
      ];
      const access = { pattern: 'probe', verify: true } as const;
      const { sanitizer, capture } = await replayText(lines, { access, invalidation: { mode } });
      const kinds = Object.keys(sanitizer.byKind).filter((kind) => !(mode === 'lazy' && kind.startsWith('stale-')));
      expect(kinds).toEqual([]);
      expect(capture).toMatchObject({ bytesUnmapped: 5 * PAGE, liveBytesAtEnd: 0, refused: 0, unmatchedUnmaps: 0 });
    });
  }
});

describe('replay of a real strict capture', () => {
  it('counts what the capture has', async () => {
    const { capture } = await replay(SMALL);
    expect(capture).toMatchObject({
      events: 1110,
      maps: 852,
      unmaps: 242,
      other: 16,
      damaged: 0,
      unmatchedUnmaps: 0,
      refused: 0,
      firstTime: 4.610481,
    });
    expect(capture.bytesMapped - capture.bytesUnmapped).toBe(capture.liveBytesAtEnd);
  });

  it('maps every page once, leaves nothing stale and loses no table', async () => {
    const { capture, table, sanitizer, translation, invalidation } = await medium;
    expect(table.leavesMappedBySize).toEqual({ '4096': capture.bytesMapped / 4096 });
    expect(table.descriptorsCleared).toBe(capture.bytesUnmapped / 4096);
    expect(table.liveTables).toBe(table.allocations - table.frees);
    expect(sanitizer.byKind).toEqual({});
    expect(translation.faults).toBe(0);
    expect(invalidation.byAddress).toBe(capture.unmaps);
    expect(table.warnings).toEqual({});
  });

  it('reads each page after its map and before its unmap, and not otherwise', async () => {
    const { capture, translation } = await medium;
    expect(translation.requests).toBe((capture.bytesMapped + capture.bytesUnmapped) / 4096);
    const none = await replay(MEDIUM, { access: { pattern: 'none' } });
    expect(none.translation.requests).toBe(0);
  });

  it('gives every probe after an unmap a fault', async () => {
    const { capture, translation, sanitizer } = await replay(SMALL, { access: { pattern: 'probe' } });
    expect(translation.faults).toBe(capture.bytesUnmapped / 4096);
    expect(sanitizer.byKind).toEqual({});
  });

  it('replayed lazily, leaves stale windows of at most the flush timeout, and says that IOVAs were reused too early', async () => {
    const { sanitizer, invalidation } = await replay(MEDIUM, { invalidation: { mode: 'lazy' } }, PART);
    expect(sanitizer.staleWindows).toBeGreaterThan(0);
    expect(sanitizer.longestWindow.seconds).toBeGreaterThan(0);
    expect(sanitizer.longestWindow.seconds).toBeLessThanOrEqual(0.0161);
    expect(sanitizer.reusedBeforeFlush).toBeGreaterThan(0);
    expect(invalidation.byAddress).toBe(0);
    expect(invalidation.all).toBeGreaterThan(0);
    const probed = await replay(MEDIUM, { invalidation: { mode: 'lazy' }, access: { pattern: 'probe' } }, PART);
    expect(probed.sanitizer.staleTlbHits).toBeGreaterThan(sanitizer.staleTlbHits);
  });

  it('replayed lazily, flushes when the timer ran out, not when the next event came', async () => {
    const { sanitizer } = await replayText(
      [map(0x1000, 0x8000, 4096), unmap(0x1000, 4096), map(0x9000, 0x8000, 4096)].map((line, i) =>
        line.replace(/ [0-9.]+: /, ` ${[1, 2, 3][i]}.000000: `),
      ),
      { invalidation: { mode: 'lazy' } },
    );
    expect(sanitizer.staleWindows).toBe(1);
    expect(sanitizer.longestWindow.seconds).toBeCloseTo(0.016, 4);
  });

  it('finds nothing stale on a non-coherent walk with every sync in place, and names walks of what a dropped sync left behind', async () => {
    const whole = await replay(MEDIUM, { table: { walk: 'non-coherent' } });
    expect(whole.sanitizer.byKind).toEqual({});
    expect(whole.translation.faults).toBe(0);
    expect(whole.dma.syncs).toBeGreaterThan(whole.capture.maps);
    const dropped = await replay(MEDIUM, { table: { walk: 'non-coherent' }, plantedBugs: { dropSync: 0.01 } }, PART);
    expect(dropped.sanitizer.staleWalks).toBeGreaterThan(0);
    const finding = dropped.sanitizer.findings.find(({ kind }) => kind === 'stale-walk');
    expect(finding?.operation).toBeGreaterThan(0);
    expect(finding?.detail).toMatch(/descriptor 0x[0-9a-f]{16} at 0x[0-9a-f]+/);
  });

  it('gives the same bytes for the same seed, and other findings for another', async () => {
    const config = { table: { walk: 'non-coherent' }, plantedBugs: { dropSync: 0.05 } } as const;
    const [first, again, other] = [
      await replay(SMALL, config),
      await replay(SMALL, config),
      await replay(SMALL, { ...config, seed: 2 }),
    ];
    expect(JSON.stringify(again)).toBe(JSON.stringify(first));
    expect(other.sanitizer.findings).not.toEqual(first.sanitizer.findings);
  });

  it('stops after a number of events, or at a time, and says that it is not complete', async () => {
    const limited = await replay(SMALL, {}, { limit: 100 });
    expect([limited.capture.events, limited.complete]).toEqual([100, false]);
    const timed = await replay(SMALL, {}, { until: 6 });
    expect(timed.capture.lastTime).toBeLessThanOrEqual(6);
    expect(timed.complete).toBe(false);
    expect((await replay(SMALL)).complete).toBe(true);
  });

  it('gives the bill as items that add up to the software total and the device total', async () => {
    const { costs, software, translation } = await medium;
    const of = (which: 'cpu' | 'device') => costs.filter(({ side }) => side === which);
    const sum = (which: 'cpu' | 'device'): number => of(which).reduce((total, { cycles }) => total + cycles, 0);
    expect(sum('device')).toBeCloseTo(translation.cycles.total, 3);
    // Starting the SMMU costs commands before the first event; they belong to no operation.
    expect(sum('cpu') - software.cycles.total).toBeGreaterThanOrEqual(0);
    expect(sum('cpu') - software.cycles.total).toBeLessThan(20_000);
    for (const items of [of('cpu'), of('device')]) {
      expect([...items].sort((a, b) => b.cycles - a.cycles)).toEqual(items);
    }
  });

  it('tells the same costs apart by operation, domain and size, each adding up to the whole', async () => {
    const { breakdown, capture, software, translation } = await medium;
    const { map, unmap } = breakdown.operations;
    expect([map?.count, unmap?.count]).toEqual([capture.maps, capture.unmaps]);
    const whole = (map?.total ?? 0) + (unmap?.total ?? 0);
    expect(whole).toBeCloseTo(software.cycles.total, 3);
    const sum = (items: readonly { readonly total: number }[]): number =>
      items.reduce((all, { total }) => all + total, 0);
    expect(sum(breakdown.domains.map(({ cpu }) => cpu))).toBeCloseTo(whole, 3);
    expect(sum(breakdown.sizes.map(({ cpu }) => cpu))).toBeCloseTo(whole, 3);
    expect(sum(breakdown.streams.map(({ accesses }) => accesses))).toBeCloseTo(translation.cycles.total, 3);
  });
});

describe('replay of captures with kprobe events', () => {
  it('uses the domains and devices that the capture names', async () => {
    const { capture, sanitizer } = await replay('traces/samples/vfio-dump.ftrace.txt.gz');
    expect(capture.domainsInferred).toBe(0);
    expect(capture.refused).toBe(0);
    expect(sanitizer.byKind).toEqual({});
  });

  it('maps 2 MiB and 1 GiB leaves where alignment allows', async () => {
    const { table } = await replay('traces/samples/vfio-dump.ftrace.txt.gz');
    expect(Object.keys(table.leavesMappedBySize)).toEqual(['4096', '2097152', '1073741824']);
  });
});

describe('replay of what goes wrong', () => {
  it('puts a map that collides with a live one into another domain', async () => {
    const { capture } = await replayText([
      map(0x10000, 0x8000_0000, 8192),
      map(0x11000, 0x9000_0000, 4096),
      unmap(0x10000, 8192),
    ]);
    expect(capture).toMatchObject({ domains: 2, domainsInferred: 2, refused: 0, unmatchedUnmaps: 0, liveAtEnd: 1 });
  });

  it('counts an unmap of nothing', async () => {
    const { capture } = await replayText([map(0x10000, 0x8000_0000, 4096), unmap(0x50000, 4096)]);
    expect(capture).toMatchObject({ unmatchedUnmaps: 1, liveAtEnd: 1 });
  });

  it('lets an unmap larger than its map take what is there', async () => {
    const { capture, table, sanitizer } = await replayText([map(0x10000, 0x8000_0000, 4096), unmap(0x10000, 16384)]);
    expect(capture).toMatchObject({ partialUnmaps: 0, liveAtEnd: 0, refused: 0 });
    expect(table.descriptorsCleared).toBe(1);
    expect(sanitizer.byKind).toEqual({});
  });

  it('says of an address above the ias, and of an unaligned one, which line asked for it and why not', async () => {
    const { capture } = await replayText([map(2 ** 40, 0x8000_0000, 4096), map(0x1000, 0x8000_0200, 4096)], {
      table: { ias: 36 },
    });
    expect(capture.refused).toBe(2);
    expect(capture.refusals.map(({ line, reason }) => [line, reason])).toEqual([
      [1, 'ERANGE, beyond the 36 bits of ias'],
      [2, 'EINVAL, not a multiple of the granule (4k)'],
    ]);
  });

  it('splits a block when a part of it is unmapped', async () => {
    const { table, capture } = await replayText([map(0x20_0000, 0x4000_0000, 0x20_0000), unmap(0x20_0000, 4096)]);
    expect(table.blockSplits).toBe(1);
    expect(capture.partialUnmaps).toBe(1);
    expect(table.descriptorsWritten).toBeGreaterThan(511);
  });
});

describe('streamIdOf', () => {
  it.each([
    ['0000:01:00.0', 0x100],
    ['0000:00:05.0', 0x28],
    ['00:1f.7', 0xff],
    ['ffc00000.gpu', -1],
    ['', -1],
  ])('is, of %s, %d', (name, id) => {
    expect(streamIdOf(name)).toBe(id);
  });
});
