/** Teardown in steps: every table once, the TLB flushed once, no callback afterwards, nothing left. */
import { describe, expect, it } from 'vitest';
import { Errno, Gfp, type IoPgtable, Prot, TeardownQueue } from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const TABLES = 1 + 1 + 1 + 20;

function grown(coherentWalk = true): { rig: LpaeRig; table: IoPgtable } {
  const rig = new LpaeRig();
  const table = rig.table({ format: 'ARM_64_LPAE_S1', pageSizes: PAGE, ias: 48, oas: 48, coherentWalk });
  for (let i = 0; i < 20; i++) table.mapPages(i * 2 ** 21, i * 2 ** 21, PAGE, 3, Prot.READ, Gfp.KERNEL);
  expect(table.liveTables).toBe(TABLES);
  return { rig, table };
}

describe('chunked teardown', () => {
  it('frees no more tables per step than its budget, and comes to the end', () => {
    const { rig, table } = grown(false);
    const live: number[] = [];
    let done = false;
    while (!done) {
      done = table.teardown(7);
      live.push(rig.live.size);
    }
    expect(live).toEqual([TABLES - 7, TABLES - 14, TABLES - 21, 0]);
    expect(table.liveTables).toBe(0);
    expect(table.stats.tableBytes).toBe(0);
    expect(table.stats.tablesFreed).toBe(table.stats.tablesAllocated);
  });

  it('flushes the TLB once, before the first table goes, and makes no callback after', () => {
    const { rig, table } = grown();
    rig.flushes.length = 0;
    rig.flushAll = () => {
      expect(rig.live.size).toBe(TABLES);
      rig.flushes.push('all');
    };
    table.teardown(1);
    expect(rig.flushes).toEqual(['all']);
    // The hardware context is gone now: whoever calls it fails.
    rig.flushAll = () => expect.fail('callback after the start');
    while (!table.teardown(1));
    expect(rig.flushes).toEqual(['all']);
  });

  it('does nothing with a budget of 0 but begin, and nothing more once it is done', () => {
    const { rig, table } = grown();
    expect(table.teardown(0)).toBe(false);
    expect(rig.live.size).toBe(TABLES);
    expect(table.teardown(1000)).toBe(true);
    expect(table.teardown(1000)).toBe(true);
    expect(table.stats.tablesFreed).toBe(TABLES);
  });

  it('goes from the root down, level by level, in index order; free() in one go goes children first', () => {
    const orders = [true, false].map((chunked) => {
      const { rig, table } = grown();
      const levels = new Map<number, number>();
      table.visitTables((pa, level) => levels.set(pa, level));
      const order: number[] = [];
      const free = rig.free.bind(rig);
      rig.free = (cookie, pa, size) => {
        order.push(pa);
        free(cookie, pa, size);
      };
      if (chunked) while (!table.teardown(3));
      else table.free();
      return order.map((pa) => [levels.get(pa), pa]);
    });
    const [chunked, atOnce] = orders;
    expect(chunked?.map(([level]) => level)).toEqual([0, 1, 2, ...new Array(20).fill(3)]);
    expect(atOnce?.map(([level]) => level)).toEqual([...new Array(20).fill(3), 2, 1, 0]);
    expect(chunked?.slice(3)).toEqual(atOnce?.slice(0, 20));
  });

  it('shares one list among trees: the roots go at once, then the others in the order in which they were found', () => {
    const queue = new TeardownQueue();
    const trees = [grown(), grown()];
    for (const { table } of trees) table.teardownInto(queue);
    const left = (): number[] => trees.map(({ table }) => table.liveTables);
    expect(left()).toEqual([TABLES - 1, TABLES - 1]);
    expect(queue.pending).toBe(2);
    expect(queue.step(1)).toBe(1);
    expect(left()).toEqual([TABLES - 2, TABLES - 1]);
    expect(queue.step(2)).toBe(2);
    expect(left()).toEqual([TABLES - 3, TABLES - 2]);
    expect(queue.step(1000)).toBe(2 * TABLES - 5);
    expect(left()).toEqual([0, 0]);
  });

  it('free() finishes what steps began, of its own tree', () => {
    const { rig, table } = grown();
    table.teardown(4);
    table.free();
    expect(rig.live.size).toBe(0);
  });

  it('ends mapping: edits are refused and nothing is found, between steps and after', () => {
    const { rig, table } = grown();
    table.teardown(2);
    expect(table.mapPages(0, 0, PAGE, 1, Prot.READ, Gfp.KERNEL)).toBe(-Errno.ERANGE);
    expect(table.unmapPages(0, PAGE, 1, null)).toBe(0);
    expect(table.iovaToPhys(0)).toBe(0);
    expect(table.readAndClearDirty(0, PAGE, 0, { record: () => expect.fail('a page') })).toBe(-Errno.EINVAL);
    table.visitTables(() => expect.fail('a table'));
    expect(rig.live.size).toBe(TABLES - 2);
  });
});
