import { describe, expect, it } from 'vitest';
import { Machine } from '../../../devices/index.ts';
import { ReplayRun, type Report, runConfig } from '../../../traces/index.ts';

const CAPTURE = 'traces/samples/vfio-dump.ftrace.txt.gz';
const MIB = 2 ** 20;

/** A machine whose memory is all but full once the SMMU is up. */
const tight = (allocator: string, share: number, granule: '4k' | '64k' = '4k') =>
  runConfig({
    table: { allocator, granule },
    access: { pattern: 'none' },
    memory: { banks: [{ base: 0x8000_0000, size: 64 * MIB, node: 0 }] },
    occupied: { share },
  });

const replay = (config: ReturnType<typeof runConfig>): Promise<Report> => new ReplayRun([CAPTURE], config).run();

describe('memory pressure in a replay', () => {
  it('makes a pool give its stock back, and the replay goes on', async () => {
    // 64 MiB have a low watermark of 1.25 MiB: with 2.2 MiB left, tables do not fit beside full pools.
    const report = await replay(tight('pool:low=8:high=256:batch=64', 0.965));
    expect(report.memory.wakeups).toBeGreaterThan(0);
    expect(report.memory.shrunkPages).toBeGreaterThan(0);
    expect(report.capture.refused).toBe(0);
    expect(report.sanitizer.byKind).toEqual({});
  });

  it('refuses maps, and says so, when nothing is left to give back', async () => {
    const report = await replay(tight('page', 0.985));
    expect(report.memory.reclaims).toBeGreaterThan(0);
    expect(report.memory.shrunkPages).toBe(0);
    expect(report.capture.refused).toBeGreaterThan(0);
    expect(report.capture.refusals[0]?.reason).toContain('ENOMEM');
    expect(report.allocation.total.failures).toBeGreaterThan(0);
  });

  it('does not touch a carved-out region', async () => {
    const report = await replay(tight('carve-out:size=4M', 0.97));
    expect(report.capture.refused).toBe(0);
    expect(report.allocation.total).toMatchObject({ systemCalls: 0, failures: 0, findings: 0 });
    expect(report.memory.assignedPages).toBe(report.allocation.total.allocations);
  });

  it('reaches VM_BIND jobs at prepare, never at run, when they reserve', async () => {
    const config = runConfig({ ...tight('reserve', 0.97), bind: { mode: 'async' } });
    const report = await new ReplayRun([CAPTURE], config).run();
    expect(report.bind?.totals.refused).toBeGreaterThan(0);
    expect(report.bind?.totals.failed).toBe(0);
    expect(report.capture.refusals.every(({ reason }) => /no memory/.test(reason))).toBe(true);
    expect(report.sanitizer.byKind).toEqual({});
  });

  it('reclaims enough for a table of several pages', () => {
    const config = tight('pool:low=0:batch=0', 0, '64k');
    const machine = new Machine({ ...config, pages: { ...config.pages, minFreeKib: 0 } });
    const { pages, tables } = machine;
    const taken = Array.from({ length: 40 }, () => tables.alloc('a', 65536, 0));
    for (const pa of taken) tables.free('a', pa, 65536);
    pages.occupy(1, 0, 1);
    // Without the background shrinker, which would be there first.
    pages.onPressure = null;
    expect(pages.allocOrder(6, 0)).toBe(-1);
    expect(pages.allocOrder(4, 0)).toBeGreaterThan(0);
    const { reclaims, shrunkPages } = machine.memoryMeter.report();
    expect([reclaims, shrunkPages]).toEqual([1, 64]);
  });
});

describe('a domain that gets no first-level table', () => {
  it.each(['direct', 'async'] as const)(
    'is refused what is asked of it, by line and reason, in a %s replay',
    async (mode) => {
      const config = runConfig({
        table: { allocator: 'failing:nth=1' },
        access: { pattern: 'none' },
        bind: { mode },
      });
      const capture = ['traces/samples/small-strict.ftrace.txt.gz'];
      const { refused: count, refusals: kept } = (await new ReplayRun(capture, config).run()).capture;
      expect(count).toBe(1);
      expect(kept).toEqual([
        {
          line: 15,
          request: 'map iova 0xfffff000 size 0x1000',
          reason: 'ENOMEM, no memory for the first-level table of its domain',
        },
      ]);
    },
  );
});
