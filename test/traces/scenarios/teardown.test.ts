import { describe, expect, it } from 'vitest';
import { runTeardown } from '../../../traces/index.ts';

describe('freeing a tree of tables', () => {
  it('in steps keeps the processor for a fraction of the time, and frees as much as all at once', () => {
    const { chunked, atOnce } = runTeardown({ pages: 2000, budget: 100 });
    expect(chunked.tables).toBe(atOnce.tables);
    expect([chunked.tablesLeft, chunked.leaks, atOnce.tablesLeft, atOnce.leaks]).toEqual([0, 0, 0, 0]);
    expect(chunked.steps).toBe(Math.ceil(chunked.tables / 100));
    expect(atOnce.steps).toBe(1);
    expect(chunked.longestPause).toBeLessThan(atOnce.longestPause / 15);
    expect(atOnce.longestPause).toBe(atOnce.totalCycles);
    expect(chunked.totalCycles).toBeCloseTo(atOnce.totalCycles + (chunked.steps - 1) * 1000);
  });

  it('invalidates the TLB once, at the start', () => {
    const { chunked, atOnce } = runTeardown({ pages: 600, budget: 7 });
    expect([chunked.flushes, atOnce.flushes]).toEqual([1, 1]);
  });

  it('ends a step at a time budget, give or take one table', () => {
    const { chunked } = runTeardown({ pages: 1000, budgetCycles: 5000 });
    expect(chunked.longestPause).toBeGreaterThanOrEqual(5000);
    expect(chunked.longestPause).toBeLessThan(5000 + 256 + 60 + 1);
    expect(chunked.tablesLeft).toBe(0);
  });

  it.each([4, 515, 516, 517, 2000])('has the %i tables that were asked for, or one or two more', (pages) => {
    const { tables } = runTeardown({ pages }).atOnce;
    expect(tables).toBeGreaterThanOrEqual(pages);
    expect(tables).toBeLessThanOrEqual(pages + 2);
  });

  it.each(['page', 'pool', 'generic-cache', 'reserve', 'batch', 'carve-out'])(
    'works with tables from %s',
    (allocator) => {
      const { chunked } = runTeardown({ pages: 700, budget: 50, allocator });
      expect([chunked.tablesLeft, chunked.leaks]).toEqual([0, 0]);
    },
  );

  it("frees a guest's tables under Xen's IPMMU driver: its context first, with one flush, then the list", () => {
    const { chunked, atOnce } = runTeardown({ pages: 2000, budget: 100, driver: 'ipmmu-xen' });
    for (const run of [chunked, atOnce]) expect([run.tablesLeft, run.leaks, run.flushes]).toEqual([0, 0, 1]);
    expect([chunked.steps, atOnce.steps]).toEqual([Math.ceil(chunked.tables / 100), 1]);
    expect(chunked.longestPause).toBeLessThan(atOnce.longestPause / 15);
  });

  it('refuses a wrong field by name', () => {
    expect(() => runTeardown({ budget: 0 })).toThrow(/budget/);
    expect(() => runTeardown({ allocator: 'accounting:limitBytes=8K' })).toThrow(/allocator/);
  });
});
