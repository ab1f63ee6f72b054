import { describe, expect, it } from 'vitest';
import { ReplayRun, RunSeries, runConfig, watchRun } from '../../../traces/index.ts';

describe('the series of a run', () => {
  it('keeps every access and the state of the tables in at most 512 points, rising in time', async () => {
    let series: RunSeries | null = null as RunSeries | null;
    const report = await new ReplayRun(['traces/samples/small-strict.ftrace.txt.gz'], runConfig({}), {
      onStart: (replayer) => {
        series = new RunSeries(replayer);
        watchRun(replayer, [series]);
      },
    }).run();
    const points = series?.points(report.config.clockMHz);
    if (points === undefined) throw new Error('nothing watched');
    expect(points.seconds.length).toBeLessThanOrEqual(512);
    expect([...points.seconds].sort((a, b) => a - b)).toEqual(points.seconds);
    const { firstTime, lastTime } = report.capture;
    expect(points.seconds.at(-1)).toBeGreaterThan((lastTime - firstTime) * 0.9);
    expect(points.seconds.at(-1)).toBeLessThanOrEqual(lastTime - firstTime + 1e-3);
    const byServed = Object.fromEntries(
      points.latencies.map(({ served, counts }) => [served, counts.reduce((sum, [, count]) => sum + count, 0)]),
    );
    for (const { side, name, count } of report.costs) if (side === 'device') expect(byServed[name]).toBe(count);
    const tables = points.tableBytes.filter((bytes) => bytes !== null);
    expect(Math.max(...tables)).toBe(report.table.peakBytes);
    for (const share of points.hitShare) if (share !== null) expect(share >= 0 && share <= 1).toBe(true);
  });
});
