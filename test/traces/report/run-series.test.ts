import { describe, expect, it } from 'vitest';
import { ReplayRun, RunSeries, runConfig, watchRun } from '../../../traces/index.ts';

describe('the series of a run', () => {
  it('keeps every access and the state of the tables in at most 512 points, rising in time', async () => {
    let series: RunSeries | null = null as RunSeries | null;
    const report = await new ReplayRun(['traces/samples/small-strict.ftrace.txt.gz'], runConfig({}), {
      onStart: (replayer, deviceName) => {
        series = new RunSeries(replayer, deviceName);
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
    const { seconds, any, micro } = points.hits;
    expect(seconds.length).toBeGreaterThan(5);
    expect([...seconds].sort((a, b) => a - b)).toEqual(seconds);
    expect(any.every((share, at) => share >= (micro[at] ?? 1) && share <= 1)).toBe(true);
    expect(points.streamNames).toMatchObject({ 16: '0000:00:02.0' });
  });

  it('keeps every stale window by its length, those apart that an access came to', async () => {
    let series: RunSeries | null = null as RunSeries | null;
    const config = runConfig({ invalidation: { mode: 'lazy' }, access: { pattern: 'linger' } });
    const report = await new ReplayRun(['traces/samples/small-strict.ftrace.txt.gz'], config, {
      limit: 300,
      onStart: (replayer) => {
        series = new RunSeries(replayer);
        watchRun(replayer, [series]);
      },
    }).run();
    const { used = [], untouched = [] } = series?.points(report.config.clockMHz).windows ?? {};
    const many = (bars: readonly (readonly [number, number])[]): number => bars.reduce((sum, [, one]) => sum + one, 0);
    expect(many(used)).toBeGreaterThan(0);
    expect(many(used) + many(untouched)).toBe(report.sanitizer.windows.count);
    expect(Math.max(...[...used, ...untouched].map(([from]) => from))).toBeLessThanOrEqual(
      report.sanitizer.windows.cycles.max,
    );
  });
});
