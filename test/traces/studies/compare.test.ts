import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../formats/index.ts';
import { CompareRun, METRICS, runConfig } from '../../../traces/index.ts';

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

  it('measures what each way to size a first-level table wastes', async () => {
    const values = ['whole-page', 'exact', 'slab'].map((policy) => `sizing:policy=${policy}`);
    const { columns, best } = await new CompareRun(
      ['traces/samples/vfio-dump.ftrace.txt.gz'],
      runConfig({ table: { granule: '64k' }, access: { pattern: 'none' } }),
      [{ name: 'allocator', field: 'table.allocator', values }],
    ).run();
    const row = (key: string) => columns.map(({ metrics }) => metrics[key]);
    // Eight domains with first-level tables of 512 bytes; in the slab the last of one page is wasted at the most.
    expect(row('peakWastedBytes')).toEqual([8 * (65536 - 512), 8 * (4096 - 512), 4096 - 512]);
    expect(best['allocatorCycles']).toEqual([2]);
    expect(row('findings')).toEqual([0, 0, 0]);
  });

  it('runs through VM_BIND what asks for it, and fills the rows that such a run has', async () => {
    const report = await new CompareRun([capture], base, [
      { name: 'bind', field: 'bind.mode', values: ['direct', 'async'] },
      { name: 'delay', field: 'bind.runDelay', values: ['0', '5e6'] },
    ]).run();
    const row = (key: string) => report.columns.map(({ metrics }) => metrics[key]);
    expect(row('runCycles').map((value) => value === null)).toEqual([true, true, false, false]);
    // The constant price of preparing a job is no result.
    expect(row('reservingCycles')).toEqual([null, null, 0, 0]);
    expect(row('prepareCycles')).toEqual([undefined, undefined, undefined, undefined]);
    expect(row('softwareCycles').map((value) => value === null)).toEqual([false, false, false, false]);
    expect(row('allocations')).toEqual([24, 24, 24, 24]);
    expect(row('findings')).toEqual([0, 0, 18, 18]);
    expect(report.best['findings']).toEqual([0, 1]);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('fills in what the base leaves open after each variation, and refuses a preset that has nothing to fill', async () => {
    const presets = { name: 'preset', field: 'preset', values: ['gem5', 'ideal'] };
    const open = await new CompareRun([capture], {}, [presets], { limit: 100 }).run();
    expect(new Set(open.columns.map(({ metrics }) => metrics['meanLatency'])).size).toBe(2);
    expect(() => new CompareRun([capture], runConfig(), [presets])).toThrow(/leaves fields of mmu open/);
  });

  it('finds a machine that cannot be built before any other has run', async () => {
    const run = new CompareRun([capture], base, [
      { name: 'banks', field: 'memory.banks', values: ['[{"base":0,"size":8388608}]', '[{"base":0,"size":65536}]'] },
    ]);
    let events = 0;
    await expect(
      run.run((_, sofar) => {
        events = sofar;
      }),
    ).rejects.toThrow(/memory.banks/);
    expect(events).toBe(0);
  });

  it('refuses a field, a value or a source that cannot work, before it runs anything', () => {
    const vary =
      (field: string, ...values: string[]) =>
      () =>
        new CompareRun([capture], base, [{ name: field, field, values }]);
    expect(vary('table.colour', 'red')).toThrow(ConfigError);
    expect(vary('table.granule', '4k', '5k')).toThrow(/table.granule/);
    const twice = { name: 'seed', field: 'seed', values: ['1', '2'] };
    expect(() => new CompareRun([capture], base, [twice, twice])).toThrow(/each field once/);
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
    expect(new Set(METRICS.map(({ key }) => key)).size).toBe(METRICS.length);
  });
});
