import { describe, expect, it } from 'vitest';
import type { IoPgtable } from '../../../formats/index.ts';
import { openCaptures, Replayer, ReplayRun, type RunConfigInput, runConfig } from '../../../traces/index.ts';

/** Every table and every leaf of a tree: what covers what, wherever in memory it stands. */
function shapeOf(table: IoPgtable): string[] {
  const lines: string[] = [];
  table.visitTables((_pa, level, size, iova) => lines.push(`table ${iova} ${level} ${size}`));
  table.visitLeaves((iova, pa, size, level, low, high) =>
    lines.push(`leaf ${[iova, pa, size, level, low, high].join(' ')}`),
  );
  return lines;
}

async function feed(capture: string, take: Replayer['take']): Promise<void> {
  const reader = await openCaptures([capture]);
  while (await reader.fill()) while (reader.next()) take(reader.event);
}

async function direct(capture: string, config: ReturnType<typeof runConfig>): Promise<string[][]> {
  const replayer = new Replayer(config, () => -1);
  await feed(capture, (event) => replayer.take(event));
  replayer.end();
  return replayer.domains.all.map((one) => (one === undefined ? [] : shapeOf(one.domain.table)));
}

describe.each(['in-place', 'unmap-and-remap'] as const)('a capture through VM_BIND, with %s splits', (split) => {
  it.each(['small-strict', 'vfio-dump'])('%s: leaves the very tables that the direct path leaves', async (name) => {
    const capture = `traces/samples/${name}.ftrace.txt.gz`;
    const table = { split, allocator: 'reserve' } as const;
    const config = runConfig({ table, bind: { mode: 'async', runDelay: 250_000 } });
    const replayer = new Replayer(config, () => -1);
    await feed(capture, (event) => replayer.take(event));
    replayer.end();
    const bound = replayer.domains.all.map((one) => (one === undefined ? [] : shapeOf(one.domain.table)));
    expect(bound).toEqual(await direct(capture, runConfig({ table, access: { pattern: 'none' } })));

    const report = await new ReplayRun([capture], config).run();
    expect(report.complete).toBe(true);
    const { bind, allocation } = report;
    const totals = bind?.totals ?? expect.fail('no bind section');
    expect(totals.submitted).toBe(totals.done + totals.refused);
    expect(totals.reserved).toBe(totals.used + totals.returned);
    expect(allocation.total.callsInRun).toBe(0);
    expect(allocation.total.frees).toBe(allocation.total.allocations);
    expect([bind?.deadlocks, report.sanitizer.byKind]).toEqual([[], {}]);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});

describe('a capture through VM_BIND', () => {
  const capture = 'traces/samples/small-strict.ftrace.txt.gz';
  const config = (input: RunConfigInput = {}) => runConfig({ bind: { mode: 'async' }, ...input });

  it('has more tables reserved at once the longer jobs wait', async () => {
    const peak = async (runDelay: number) =>
      (
        await new ReplayRun(
          [capture],
          config({ table: { allocator: 'reserve' }, bind: { mode: 'async', runDelay } }),
        ).run()
      ).bind?.totals.peakReserved ?? -1;
    expect(await peak(10_000_000)).toBeGreaterThan(await peak(0));
  });

  it('is told when tables come from the system in the run phase, by the number of the map or unmap', async () => {
    const report = await new ReplayRun([capture], config()).run();
    expect(report.sanitizer.byKind['allocation-in-run']).toBe(18);
    expect(report.allocation.total.callsInRun).toBe(18);
    const replayer = new Replayer(config(), () => -1);
    await feed(capture, (event) => replayer.take(event));
    const { findings } = replayer.machine.sanitizer;
    // The first map of each domain needs three tables.
    const first = ['1 of 0', '2 of 1', '45 of 2', '56 of 3', '67 of 4', '73 of 5'];
    const where = findings.map(({ operation, domain }) => `${operation} of ${domain}`);
    expect(where).toEqual(first.flatMap((one) => [one, one, one]));
  });

  it('takes the price of a descriptor from the same place as the direct path', async () => {
    const cycles = async (writeDescriptor: number) =>
      (await new ReplayRun([capture], config({ editCosts: { writeDescriptor } })).run()).bind?.totals.runCycles ?? 0;
    const { descriptorsWritten } = (await new ReplayRun([capture], config()).run()).table;
    expect((await cycles(101)) - (await cycles(1))).toBeCloseTo(100 * descriptorsWritten);
  });

  it('says which line of the capture was refused, and why', async () => {
    const table = { split: 'refuse', ias: 40 } as const;
    const report = await new ReplayRun(['traces/samples/vfio-dump.ftrace.txt.gz'], config({ table })).run();
    const { refused = 0, failed = 0 } = report.bind?.totals ?? {};
    expect(refused).toBeGreaterThan(0);
    expect(report.capture.refused).toBe(refused + failed);
    expect(report.capture.refusals.length).toBe(Math.min(100, refused + failed));
    for (const { line, request, reason } of report.capture.refusals) {
      expect(line).toBeGreaterThan(0);
      expect(request).toMatch(/^(map|unmap) iova 0x[0-9a-f]+ size 0x[0-9a-f]+$/);
      expect(reason).toMatch(/beyond the 40 bits|stopped at/);
    }
  });

  it('stops where it is told to', async () => {
    const report = await new ReplayRun([capture], config(), { limit: 100 }).run();
    expect([report.complete, report.capture.events]).toEqual([false, 100]);
  });

  it('is seen by the device and the TLBs: what a job unmapped is invalidated before the job is over, and its probes fault', async () => {
    const probe = { pattern: 'probe' } as const;
    const table = { allocator: 'reserve' } as const;
    for (const runDelay of [0, 1_000_000]) {
      const bound = await new ReplayRun(
        [capture],
        config({ access: probe, table, bind: { mode: 'async', runDelay } }),
      ).run();
      const direct = await new ReplayRun([capture], runConfig({ access: probe, table })).run();
      expect(bound.sanitizer.byKind).toEqual({});
      expect(bound.translation.requests).toBe(direct.translation.requests);
      expect(bound.translation.faults).toBe(direct.translation.faults);
      expect(bound.invalidation.byAddress).toBe(direct.invalidation.byAddress);
    }
  });

  it('without its invalidations is found out by the sanitizer, job by job', async () => {
    const input = { plantedBugs: { skipInvalidation: 1 }, access: { pattern: 'probe' } } as const;
    const { sanitizer } = await new ReplayRun([capture], config(input)).run();
    expect(sanitizer.byKind['missing-invalidation']).toBeGreaterThan(0);
    expect(sanitizer.byKind['stale-tlb-hit']).toBeGreaterThan(0);
  });
});
