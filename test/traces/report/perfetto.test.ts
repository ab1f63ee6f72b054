import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  PerfettoTrace,
  ReplayRun,
  type Report,
  type RunConfigInput,
  runConfig,
  watchRun,
} from '../../../traces/index.ts';
import { readTimeline, type Slice, type Timeline } from './decode-perfetto.ts';

async function bytesOf(config: RunConfigInput, limit: number, deflate?: (bytes: Uint8Array) => Uint8Array) {
  const pieces: Uint8Array[] = [];
  let written: PerfettoTrace | null = null as PerfettoTrace | null;
  const report = await new ReplayRun(['traces/samples/small-strict.ftrace.txt.gz'], runConfig(config), {
    limit,
    onStart: (replayer, deviceName) => {
      written = new PerfettoTrace(
        replayer,
        { write: (bytes) => pieces.push(bytes), ...(deflate && { deflate }) },
        deviceName,
      );
      watchRun(replayer, [written]);
    },
  }).run();
  written?.end();
  return { report, bytes: Buffer.concat(pieces) };
}

async function trace(config: RunConfigInput = {}, limit = 400): Promise<Timeline & { report: Report }> {
  const { report, bytes } = await bytesOf(config, limit, deflateSync);
  return { report, ...readTimeline(bytes) };
}

const named = (slices: readonly Slice[], name: string): Slice[] => slices.filter((one) => one.name === name);
const sum = (slices: readonly Slice[]): number => slices.reduce((all, { duration }) => all + duration, 0);

describe('a Perfetto trace', () => {
  it('draws operations of several CPUs where they ran at once, besides those of the ledger', async () => {
    const { report, tracks, slices } = await trace(
      { cpus: 'capture', cpuLoad: { by: 'domain', backToBack: true } },
      200,
    );
    const atOnce = [...tracks].filter(([, parent]) => parent === 'CPUs at once').map(([name]) => name);
    expect(atOnce).toHaveLength(report.cpus.used);
    const jobs = slices.filter(({ track, inside }) => atOnce.includes(track) && inside.length === 0);
    expect(Math.abs(sum(jobs) - report.cpus.busy)).toBeLessThan(jobs.length);
    expect(named(slices, 'claims of the queue').length).toBeGreaterThan(0);
  });

  it('has every operation on its CPU, what it spends time on inside it, and every access on its stream', async () => {
    const { report, tracks, slices, counters } = await trace(
      { table: { walk: 'non-coherent' } },
      Number.POSITIVE_INFINITY,
    );
    const maps = named(slices, 'map');
    expect(maps).toHaveLength(report.capture.maps);
    expect(named(slices, 'unmap')).toHaveLength(report.capture.unmaps);
    expect(new Set(maps.map(({ track }) => track))).toEqual(new Set(['CPU 0']));
    expect(maps.every(({ inside }) => inside.length === 0)).toBe(true);
    expect(maps[0]?.details).toMatchObject({ operation: 1, line: expect.any(Number), iova: expect.any(Number) });
    const waits = named(slices, 'SYNC wait').filter(({ inside }) => inside.join() === 'unmap');
    const waited = report.breakdown.operations['unmap']?.byCause['wait'] ?? 0;
    expect(waited).toBeGreaterThan(0);
    expect(Math.abs(sum(waits) - waited)).toBeLessThan(waits.length);
    expect(named(slices, 'cache maintenance').length).toBeGreaterThan(0);
    for (const { side, name, count } of report.costs) {
      if (side === 'device') expect(named(slices, name)).toHaveLength(count);
    }
    expect(tracks.get('CPU 0')).toBe('CPUs');
    const devices = [...tracks].filter(([, parent]) => parent === 'devices').map(([name]) => name);
    expect(devices).toContain('stream 0x10, 0000:00:02.0');
    const streams = devices.map((name) => Number(/^stream (0x[\da-f]+)/u.exec(name)?.[1])).sort((a, b) => a - b);
    expect(streams).toEqual(report.breakdown.streams.map(({ stream }) => stream));
    expect(Math.max(...(counters.get('page-table memory') ?? []))).toBe(report.table.peakBytes);
    expect(counters.get('mapped')?.at(-1)).toBe(report.capture.liveBytesAtEnd);
    const rates = counters.get('TLB hit rate, all levels') ?? [];
    expect(rates.length).toBe(Math.floor(report.translation.requests / 64));
    expect(rates.every((rate) => rate >= 0 && rate <= 100)).toBe(true);
  });

  it('is the same without packing, several times as large', async () => {
    const { bytes } = await bytesOf({}, 60);
    const packed = await bytesOf({}, 60, deflateSync);
    expect(packed.bytes.length).toBeLessThan(bytes.length / 3);
    expect(readTimeline(packed.bytes)).toEqual(readTimeline(bytes));
  });

  it('leads from each strict unmap to its own TLBI, with what that dropped', async () => {
    const { slices } = await trace();
    const unmaps = named(slices, 'unmap');
    const tlbis = new Map(named(slices, 'TLBI').map((one) => [one.flows[0], one]));
    for (const { flows, details, start, duration } of unmaps) {
      const tlbi = tlbis.get(details['operation'] as number);
      expect(flows).toEqual([details['operation']]);
      expect(tlbi).toMatchObject({ inside: ['unmap'], details: { scope: 'range', iova: details['iova'] } });
      expect(tlbi?.start).toBeGreaterThanOrEqual(start);
      expect(tlbi?.start).toBeLessThanOrEqual(start + duration);
    }
  });

  it('leads from each lazy unmap to the flush that drops it, by way of the last use of its stale translation', async () => {
    const { report, slices } = await trace({ invalidation: { mode: 'lazy' }, access: { pattern: 'linger' } });
    const flushed = named(slices, 'TLBI').flatMap(({ flows, inside }) => (inside[0] === 'flush' ? flows : []));
    expect(new Set(flushed).size).toBe(flushed.length);
    expect(flushed.length).toBe(report.capture.unmaps);
    const ends = new Map(named(slices, 'TLBI').flatMap((one) => one.flows.map((flow) => [flow, one.start])));
    const uses = named(slices, 'last stale use');
    expect(uses.length).toBeGreaterThan(0);
    for (const { track, flows, start } of uses) {
      expect(track).toMatch(/^stream /u);
      expect(start).toBeLessThanOrEqual(ends.get(flows[0] ?? 0) ?? 0);
    }
    expect(named(slices, 'stale-tlb-hit').length).toBe(report.sanitizer.byKind['stale-tlb-hit']);
  });

  it('has the waits of accesses that come to a region which the driver of a Mali has locked', async () => {
    const { slices } = await trace({ iommu: { model: 'mali' }, bind: { mode: 'async' } });
    const waits = named(slices, 'wait on a locked region');
    expect(waits.length).toBeGreaterThan(0);
    for (const { track, start, duration } of waits) {
      const served = slices.find((one) => one.track === track && one.start === start + duration);
      expect(served?.details).toHaveProperty('iova');
    }
  });

  it('has findings with what they say, where they were found', async () => {
    const { report, slices } = await trace({ table: { walk: 'non-coherent' }, plantedBugs: { dropSync: 0.05 } });
    const [first] = named(slices, 'stale-walk');
    const record = report.sanitizer.findings.find(({ kind }) => kind === 'stale-walk');
    expect(first).toMatchObject({
      track: 'findings',
      details: { operation: record?.operation, detail: record?.detail },
    });
  });
});
