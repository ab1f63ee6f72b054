import { describe, expect, it } from 'vitest';
import type { IoPgtable } from '../../formats/index.ts';
import { BindReplay, openCaptures, Replayer, runConfig, streamIdOf } from '../../traces/index.ts';

/** Every table and every leaf of a tree: what covers what, wherever in memory it stands. */
function shapeOf(table: IoPgtable): string[] {
  const lines: string[] = [];
  table.visitTables((_pa, level, size, iova) => lines.push(`table ${iova} ${level} ${size}`));
  table.visitLeaves((iova, pa, size, level, low, high) =>
    lines.push(`leaf ${[iova, pa, size, level, low, high].join(' ')}`),
  );
  return lines;
}

async function direct(capture: string, config: ReturnType<typeof runConfig>): Promise<string[][]> {
  const reader = await openCaptures([capture]);
  const replayer = new Replayer(config, (device) => streamIdOf(reader.devices.name(device)));
  while (await reader.fill()) while (reader.next()) replayer.take(reader.event);
  return replayer.domains.map((one) => (one === undefined ? [] : shapeOf(one.domain.table)));
}

describe.each(['in-place', 'unmap-and-remap'])('a capture through VM_BIND, with %s splits', (split) => {
  it.each(['small-strict', 'vfio-dump'])('%s: leaves the very tables that the direct path leaves', async (name) => {
    const capture = `traces/samples/${name}.ftrace.txt.gz`;
    const config = runConfig({ table: { split, allocator: 'reserve' }, access: { pattern: 'none' } });
    const replay = new BindReplay([capture], config, { runDelay: 250_000 });
    const report = await replay.run();
    expect(report.complete).toBe(true);
    const bound = replay.domains.map((domain) => (domain === undefined ? [] : shapeOf(domain.table)));
    expect(bound).toEqual(await direct(capture, config));
    const { totals, allocation } = report;
    expect(totals.submitted).toBe(totals.done + totals.refused);
    expect(totals.reserved).toBe(totals.used + totals.returned);
    expect(allocation.total.callsInRun).toBe(0);
    expect(report.deadlocks).toEqual([]);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});

describe('a capture through VM_BIND', () => {
  const capture = 'traces/samples/small-strict.ftrace.txt.gz';

  it('has more tables reserved at once the longer jobs wait', async () => {
    const peak = async (runDelay: number) =>
      (await new BindReplay([capture], runConfig({ table: { allocator: 'reserve' } }), { runDelay }).run()).totals
        .peakReserved;
    expect(await peak(10_000_000)).toBeGreaterThan(await peak(0));
  });

  it('is told when tables come from the system in the run phase', async () => {
    const report = await new BindReplay([capture], runConfig(), {}).run();
    expect(report.findings['allocation-in-run']).toBe(18);
    expect(report.allocation.total.callsInRun).toBe(18);
  });

  it('stops where it is told to', async () => {
    const report = await new BindReplay([capture], runConfig(), {}, { limit: 100 }).run();
    expect([report.complete, report.events]).toEqual([false, 100]);
  });
});
