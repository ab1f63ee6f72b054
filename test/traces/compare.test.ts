import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../formats/index.ts';
import { COMPARE_METRICS, CompareRun, runConfig } from '../../traces/index.ts';

const capture = 'traces/samples/small-strict.ftrace.txt.gz';
const base = runConfig({ access: { pattern: 'none' } });
const allocators = {
  name: 'allocator',
  field: 'table.allocator',
  values: ['page', 'pool', 'batch', 'reserve', 'generic-cache'],
};

describe('a comparison', () => {
  it('runs the capture once per allocator, marks the best of each row, and does the same every time', async () => {
    const report = await new CompareRun([capture], base, [allocators]).run();
    expect(report.complete).toBe(true);
    expect(report.columns.map(({ settings, stack }) => [Object.values(settings), stack])).toEqual([
      [['page'], 'page'],
      [['pool'], 'pool/page'],
      [['batch'], 'batch/page'],
      [['reserve'], 'reserve/pool/page'],
      [['generic-cache'], 'generic-cache/page'],
    ]);
    const best = (key: string) => report.best[key];
    const row = (key: string) => report.columns.map(({ metrics }) => metrics[key]);
    expect(row('allocations')).toEqual([24, 24, 24, 24, 24]);
    expect(row('systemCalls')).toEqual([24, 6, 1, 6, 24]);
    expect(best('systemCalls')).toEqual([2]);
    expect(row('callsInRun')).toEqual([18, 0, 0, 0, 18]);
    expect(best('callsInRun')).toEqual([1, 2, 3]);
    expect(row('reserved')[3]).toBe((row('overReserved')[3] ?? 0) + 18);
    expect(best('peakFootprintBytes')).toEqual([0, 4]);
    expect(best('allocations')).toEqual([]);
    expect(best('descriptorsWritten')).toEqual([]);
    expect(await new CompareRun([capture], base, [allocators]).run()).toEqual(report);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('runs every combination of several things varied, the last fastest', async () => {
    const run = new CompareRun(
      [capture],
      base,
      [
        { name: 'walk', field: 'table.walk', values: ['coherent', 'non-coherent'] },
        { name: 'linux', field: 'table.linux', values: ['6.1', '6.12'] },
      ],
      { limit: 50 },
    );
    expect(run.combinations).toBe(4);
    const { columns } = await run.run();
    expect(columns.map(({ settings }) => Object.values(settings).join(' '))).toEqual([
      'coherent 6.1',
      'coherent 6.12',
      'non-coherent 6.1',
      'non-coherent 6.12',
    ]);
    const key = 'syncCycles';
    expect(columns.map(({ metrics }) => (metrics[key] ?? 0) > 0)).toEqual([false, false, true, true]);
  });

  it('refuses a field, a value or a source that cannot work, before it runs anything', () => {
    const vary =
      (field: string, ...values: string[]) =>
      () =>
        new CompareRun([capture], base, [{ name: field, field, values }]);
    expect(vary('table.colour', 'red')).toThrow(ConfigError);
    expect(vary('table.granule', '4k', '5k')).toThrow(/table.granule/);
    expect(vary('seed', ...Array.from({ length: 300 }, (_, i) => String(i)))).toThrow(/--vary/);
    expect(() => new CompareRun(['-'], base, [allocators])).toThrow(/standard input/);
  });

  it('leaves out the combination in which it was stopped', async () => {
    const run = new CompareRun([capture], base, [allocators]);
    const report = await run.run((done) => {
      if (done > 0.2) run.stop();
    });
    expect(report.complete).toBe(false);
    expect(report.columns.length).toBeLessThan(5);
  });

  it('has one label for each figure', () => {
    expect(new Set(COMPARE_METRICS.map(({ key }) => key)).size).toBe(COMPARE_METRICS.length);
  });
});
