import { describe, expect, it } from 'vitest';
import { type AllocatorCounters, createAllocatorStack, Gfp, NO_PAGES } from '../../../formats/index.ts';
import { FakeSystem, FlatMemory } from './fake-system.ts';

const TABLE = 4096;
const ZEROED = Gfp.KERNEL | Gfp.ZERO;

function rig(spec: string, left = Number.POSITIVE_INFINITY) {
  const memory = new FlatMemory(2 << 20);
  const system = new FakeSystem(memory);
  system.left = left;
  const stack = createAllocatorStack(spec, { system, memory, tableSize: TABLE });
  const take = (count: number, size = TABLE): number[] =>
    Array.from({ length: count }, () => stack.alloc('a', size, ZEROED)).filter((pa) => pa !== NO_PAGES);
  const give = (pages: readonly number[], size = TABLE): void => {
    for (const pa of pages) stack.free('a', pa, size);
  };
  /** What a layer counted, without what is zero. */
  const counted = (kind: string): Partial<AllocatorCounters> => {
    const layer = stack.report().layers.find((one) => one.kind === kind);
    return Object.fromEntries(
      Object.entries(layer ?? {})
        .filter(([name, value]) => value !== 0 && name !== 'kind')
        .map(([name, value]) => [name, typeof value === 'number' ? Math.round(value * 10) / 10 : value]),
    );
  };
  return { stack, system, take, give, counted };
}

/** Every counter of a layer, after a few calls that one can follow with a pencil; those that are zero are left out. */
describe('what a layer counts', () => {
  it('pool: refills, hits, a release, a refill that comes short, and what passes through', () => {
    const { take, give, counted } = rig('pool:low=0:high=4:batch=3', 7);
    give(take(5));
    expect([take(9).length, take(1, 2 * TABLE).length]).toEqual([7, 0]);
    expect(counted('pool')).toEqual({
      ...{ allocations: 12, frees: 5, liveTables: 7, peakTables: 7, liveBytes: 28672, peakBytes: 28672 },
      ...{ systemCalls: 7, bulkCalls: 6, hits: 8, failures: 3, peakFootprintBytes: 28672 },
      ...{ zeroedBytes: 12 * TABLE, cycles: 17 * 5.4 + 12 * 256 },
    });
    expect(counted('page')).toEqual({
      ...{ allocations: 10, frees: 3, liveTables: 7, peakTables: 7, liveBytes: 28672, peakBytes: 28672 },
      ...{ systemCalls: 7, bulkCalls: 6, failures: 4, peakFootprintBytes: 28672 },
      cycles: 7 * 100 + 6 * 35 + 3 * 60,
    });
  });

  it('pool: a bulk request from the stock, from below for the rest, and one that comes short', () => {
    const { stack, take, give, counted } = rig('pool:low=0:batch=0', 4);
    give(take(2));
    const pool = stack.layers.find(({ kind }) => kind === 'pool');
    const out = new Float64Array(6);
    expect(pool?.allocBulk('a', TABLE, 3, ZEROED, out, 1)).toBe(3);
    expect(counted('pool')).toMatchObject({
      hits: 2,
      systemCalls: 3,
      bulkCalls: 1,
      allocations: 5,
      zeroedBytes: 5 * TABLE,
    });
    expect(counted('pool').failures).toBeUndefined();
    expect(out.slice(1, 4).every((pa) => pa > 0) && out[0] === 0 && out[4] === 0).toBe(true);
    expect(pool?.allocBulk('a', TABLE, 2, ZEROED, out, 4)).toBe(1);
    expect(counted('pool')).toMatchObject({ failures: 1, liveTables: 4, peakFootprintBytes: 4 * TABLE });
  });

  it('batch: whole batches, the last one short', () => {
    const { take, give, counted } = rig('batch:tables=3', 7);
    give(take(4));
    expect([take(9).length, take(1, 2 * TABLE).length]).toEqual([7, 0]);
    expect(counted('batch')).toEqual({
      ...{ allocations: 11, frees: 4, liveTables: 7, peakTables: 7, liveBytes: 28672, peakBytes: 28672 },
      ...{ systemCalls: 7, bulkCalls: 6, hits: 7, failures: 3, peakFootprintBytes: 28672 },
      ...{ zeroedBytes: 11 * TABLE, cycles: 11 * 5.4 + 11 * 256 },
    });
  });

  it('generic-cache: what is kept by size up to the limit, and what pressure takes of each', () => {
    const { stack, take, give, counted } = rig('generic-cache:limitBytes=16K', 7);
    give(take(1, 2 * TABLE), 2 * TABLE);
    give(take(4));
    expect(take(9)).toHaveLength(6);
    expect(counted('generic-cache')).toEqual({
      ...{ allocations: 11, frees: 5, liveTables: 6, peakTables: 6, liveBytes: 24576, peakBytes: 24576 },
      ...{ systemCalls: 12, hits: 2, failures: 3, heldBytes: 2 * TABLE, peakFootprintBytes: 32768 },
      ...{ zeroedBytes: 2 * TABLE, cycles: 5 * 5.4 + 2 * 256 },
    });
    expect([stack.shrink(1), stack.shrink(1)]).toEqual([2 * TABLE, 0]);
    expect(counted('generic-cache').heldBytes).toBeUndefined();
  });

  it('reserve: what is set aside, used and returned, and a reservation that memory cannot serve', () => {
    const { stack, take, give, counted } = rig('reserve/pool:low=0:high=6:batch=2', 7);
    stack.beginOperation(1, 3, 'a');
    const got = take(2);
    stack.endOperation();
    give(got);
    expect(stack.beginOperation(2, 9, 'a')).toBe(false);
    expect(counted('reserve').peakFootprintBytes).toBe(3 * TABLE);
    expect(counted('reserve')).toEqual({
      ...{ allocations: 2, frees: 2, peakTables: 2, peakBytes: 2 * TABLE, peakFootprintBytes: 3 * TABLE },
      ...{ systemCalls: 3, bulkCalls: 2, hits: 2, reserved: 3, returned: 1, failures: 1 },
      ...{ zeroedBytes: 2 * TABLE, cycles: 2 * 5.4 + 2 * 256 },
    });
    expect(stack.report().total).toMatchObject({ reserved: 3, overReserved: 1, unusedShare: 1 / 3, worstOperation: 1 });
  });

  it('reserve: memory set aside counts at its height though nothing of it is used', () => {
    const { stack, counted } = rig('reserve/page');
    stack.beginOperation(1, 5, 'a');
    stack.endOperation();
    expect(counted('reserve')).toMatchObject({ peakFootprintBytes: 5 * TABLE, reserved: 5, returned: 5 });
    expect(stack.report().total.callsInRun).toBe(0);
  });

  it('page: calls while an operation runs apart from those outside', () => {
    const { stack, take, counted } = rig('page');
    take(2);
    stack.beginOperation(1, 0, 'a');
    take(3);
    stack.endOperation();
    take(1);
    expect(counted('page')).toMatchObject({ systemCalls: 6, callsInRun: 3 });
  });

  it('accounting: refusals, to the owner and in all', () => {
    const { stack, take, give, counted } = rig('accounting:limitBytes=12K');
    give(take(5).slice(0, 1));
    expect(stack.accounts()).toMatchObject([{ tables: 2, bytes: 2 * TABLE, totalTables: 3, refused: 2 }]);
    expect(counted('accounting')).toMatchObject({ allocations: 3, frees: 1, failures: 2, cycles: 6 * 4 });
    expect(counted('checked')).toMatchObject({ allocations: 3, frees: 1, failures: 2 });
  });

  it('sizing in slabs: half a page is an object, more is a block', () => {
    const { take, counted } = rig('sizing:policy=slab');
    take(2, 2048);
    expect(counted('page')).toMatchObject({ allocations: 1 });
    take(2, 2304);
    expect(counted('page')).toMatchObject({ allocations: 3, liveBytes: 3 * 4096 });
    expect(counted('sizing')).toMatchObject({ wastedBytes: 2 * (4096 - 2304) });
  });

  it('sizing in slabs: objects, pages and waste', () => {
    const { take, give, counted } = rig('sizing:policy=slab', 2);
    const objects = take(5, 1000);
    expect(take(5, 1024)).toHaveLength(3);
    expect(counted('sizing')).toMatchObject({
      ...{ allocations: 8, liveTables: 8, liveBytes: 8192, hits: 6, systemCalls: 4, failures: 2 },
      ...{ wastedBytes: 8192 - 5 * 1000 - 3 * 1024, peakWastedBytes: 4096 - 1000 + 96 },
      ...{ zeroedBytes: 8192, cycles: 8 * 5.4 + 8 * 64 },
    });
    give(objects, 1000);
    expect(counted('sizing')).toMatchObject({ frees: 5, liveBytes: 3072, heldBytes: 1024, wastedBytes: 1024 });
    expect(counted('page')).toMatchObject({ allocations: 2, frees: 1, failures: 2, systemCalls: 4 });
  });

  it('failing: what it refuses never asks below', () => {
    const { take, counted } = rig('failing:nth=2');
    expect(take(3)).toHaveLength(2);
    expect(counted('failing')).toMatchObject({ allocations: 2, failures: 1, systemCalls: 2 });
    expect(counted('page')).toMatchObject({ allocations: 2, systemCalls: 2 });
  });

  it('a table at address 0 like any other', () => {
    const region = 'carve-out:base=0:size=16K';
    for (const layer of ['accounting', 'pool:low=0:batch=0', 'batch:tables=2', 'generic-cache', 'sizing']) {
      const { stack, take, give, counted } = rig(`${layer}/${region}`);
      const pages = take(4);
      expect([layer, ...[...pages].sort((a, b) => a - b)]).toEqual([layer, 0, TABLE, 2 * TABLE, 3 * TABLE]);
      if (layer === 'accounting') expect(stack.accounts()).toMatchObject([{ tables: 4, bytes: 4 * TABLE }]);
      give(pages.slice(1, 2));
      expect(take(1)).toEqual(pages.slice(1, 2));
      expect(counted('checked')).toMatchObject({ allocations: 5, frees: 1, liveTables: 4 });
    }
  });

  it('checked: every block that is out, however many there are', () => {
    const { stack, take, give, counted } = rig('page');
    const pages = take(300);
    give(pages.slice(0, 100));
    expect(counted('checked')).toMatchObject({ frees: 100, liveTables: 200 });
    give(pages.slice(100));
    expect([stack.report().total.findings, stack.close()]).toEqual([0, 0]);
  });

  it('reserve: a block of another size is no part of a reservation', () => {
    const { stack, take, counted } = rig('reserve/page');
    stack.beginOperation(1, 2, 'a');
    expect([take(1, 2 * TABLE).length, take(1).length]).toEqual([0, 1]);
    expect(counted('reserve')).toMatchObject({ failures: 1, allocations: 1 });
  });
});
