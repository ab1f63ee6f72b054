import { describe, expect, it } from 'vitest';
import { ReplayRun, type Report, readRunConfig } from '../../../traces/index.ts';

function check(name: string, config: Record<string, unknown>, limit: number): Promise<Report> {
  const file = `traces/samples/${name}.ftrace.txt.gz`;
  return new ReplayRun([file], readRunConfig({ access: { pattern: 'probe', verify: true }, ...config }), {
    limit,
  }).run();
}

describe('a correct driver, on captures of real kernels', () => {
  it.each([
    ['small-strict', 'coherent', '6.1', 2000],
    ['vfio-dump', 'non-coherent', '6.12', 4000],
  ] as const)('raises nothing: %s, %s walk, Linux %s', async (name, walk, linux, limit) => {
    const { sanitizer, capture: read } = await check(name, { table: { walk, linux } }, limit);
    expect(sanitizer.byKind).toEqual({});
    expect(read.refused).toBe(0);
  });

  it.each([
    ['no range invalidation', { smmu: { rangeInvalidation: false } }],
    ['no break-before-make level', { smmu: { breakBeforeMakeLevel: 0 } }],
    ['a pool of tables', { table: { allocator: 'pool' } }],
    ['tables reserved before each operation', { table: { allocator: 'reserve' } }],
    ['a stage 2', { table: { format: 'arm-64-lpae-s2' } }],
    ['unmap and remap', { table: { split: 'unmap-and-remap' } }],
    ["gem5's MMU", { preset: 'gem5' }],
  ])('raises nothing with %s', async (_, config) => {
    const input = { ...config, access: { pattern: 'touch' } };
    expect((await check('vfio-dump', input, 1200)).sanitizer.byKind).toEqual({});
  });

  it('of the real lazy kernel holds IOVAs back, so that windows are all there is', async () => {
    const { sanitizer } = await check('small-lazy', { invalidation: { mode: 'lazy' } }, 3000);
    expect(sanitizer.staleWindows).toBeGreaterThan(0);
    expect(Object.keys(sanitizer.byKind).sort()).toEqual(['stale-tlb-hit', 'stale-window']);
  });

  it('of a strict kernel replayed lazy is not blamed for addresses that come too early', async () => {
    const { sanitizer } = await check('small-strict', { invalidation: { mode: 'lazy' } }, 2000);
    expect(sanitizer.reusedBeforeFlush).toBeGreaterThan(0);
    expect(Object.keys(sanitizer.byKind).sort()).toEqual(['stale-tlb-hit', 'stale-window']);
  });
});
