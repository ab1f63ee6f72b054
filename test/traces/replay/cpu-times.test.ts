import { describe, expect, it } from 'vitest';
import { ReplayRun, type Report, type RunConfigInput, runConfig } from '../../../traces/index.ts';

const TWO_CPUS = 'test/vectors/captures/medium-dma-events.head.txt.gz';
const LIMIT = 600;

async function replay(input: RunConfigInput): Promise<Report> {
  return new ReplayRun([TWO_CPUS], runConfig(input), { limit: LIMIT }).run();
}

/** Everything but what several CPUs change. */
function rest({ cpus: _, config, ...other }: Report): unknown {
  return { ...other, config: { ...config, cpus: 1, cpuLoad: { by: 'cpu', backToBack: false } } };
}

function totalOf({ breakdown }: Report): number {
  return Object.values(breakdown.operations).reduce((sum, { total }) => sum + total, 0);
}

describe('a replay on several CPUs', () => {
  const one = replay({});
  const two = replay({ cpus: 'capture' });

  it('changes no table, invalidation, access or bill', async () => {
    expect(rest(await two)).toEqual(rest(await one));
  });

  it('takes one CPU exactly what the ledger has', async () => {
    const report = await one;
    const { busy, own, contention, waits, each } = report.cpus;
    expect(busy).toBeCloseTo(totalOf(report), 3);
    expect([own, contention, waits.line, each.length]).toEqual([busy, 0, 0, 1]);
    for (const kind of ['map', 'unmap']) {
      expect(report.cpus.operations[kind]?.total).toBeCloseTo(report.breakdown.operations[kind]?.total ?? -1, 3);
    }
  });

  it('puts operations on the CPUs that the capture names; what they add is waiting', async () => {
    const report = await two;
    const { each, busy, own, contention, waits, named, unnamed } = report.cpus;
    expect([each.map(({ cpus }) => cpus), named, unnamed]).toEqual([[[0], [1]], 2, 0]);
    const { maps, unmaps } = report.capture;
    const { map, unmap, other } = report.cpus.operations;
    expect([map?.count, unmap?.count]).toEqual([maps, unmaps]);
    expect(each.reduce((sum, { operations }) => sum + operations, 0)).toBe(maps + unmaps + (other?.count ?? 0));
    expect(own).toBeCloseTo(totalOf(report), 3);
    expect(busy).toBeCloseTo(own + contention + waits.line, 3);
    for (const { working, polling, waits: waited, total } of each) {
      expect(working + polling + Object.values(waited).reduce((sum, time) => sum + time, 0)).toBeCloseTo(total, 3);
    }
    expect(waits.line).toBeGreaterThan(0);
  });

  it('waits for each other where each domain has a CPU and pauses are left out, and is over sooner than one after the other', async () => {
    const report = await replay({ cpus: 'capture', cpuLoad: { by: 'domain', backToBack: true } });
    expect(rest(report)).toEqual(rest(await one));
    const { used, own, span, busy, contention, waits } = report.cpus;
    expect([used, contention > 0]).toEqual([report.capture.domains, true]);
    expect(busy).toBeCloseTo(own + contention + waits.line, 3);
    expect(span).toBeLessThan(own);
    expect(span).toBeGreaterThan(own / used);
  });

  it.each<[string, RunConfigInput]>([
    ['SMMUv2', { iommu: { model: 'smmuv2' } }],
    ['panthor', { iommu: { model: 'mali', driver: 'panthor-6.12' } }],
    ['IPMMU', { iommu: { model: 'ipmmu-vmsa' } }],
    ['lazy', { invalidation: { mode: 'lazy' } }],
    ['VM_BIND', { bind: { mode: 'async' } }],
  ])('adds up for every MMU and mode: %s', async (_name, input) => {
    const report = await new ReplayRun([TWO_CPUS], runConfig({ ...input, cpus: 'capture' }), { limit: 150 }).run();
    const { busy, own, contention, waits } = report.cpus;
    expect(own).toBeCloseTo(totalOf(report), 3);
    expect(busy).toBeCloseTo(own + contention + waits.line, 3);
  });
});
