import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmRanges } from '../../../../devices/index.ts';

function with3(): VmRanges {
  const ranges = new VmRanges();
  ranges.add({ start: 40, end: 50, pa: 400, prot: 3 });
  ranges.add({ start: 10, end: 20, pa: 100, prot: 1 });
  ranges.add({ start: 20, end: 30, pa: 900, prot: 1 });
  return ranges;
}

describe('the ranges of a VM', () => {
  it('are kept in order of address, neighbours apart', () => {
    expect(
      with3()
        .list()
        .map(({ start }) => start),
    ).toEqual([10, 20, 40]);
  });

  it('know what holds an address', () => {
    const ranges = with3();
    expect(ranges.find(19)?.pa).toBe(100);
    expect(ranges.find(20)?.pa).toBe(900);
    expect(ranges.find(30)).toBeNull();
    expect(ranges.find(9)).toBeNull();
  });

  it('split one range in two when its middle goes, and the next part keeps its physical address', () => {
    const ranges = with3();
    expect(ranges.overlaps(43, 46)).toEqual([
      {
        start: 43,
        end: 46,
        previous: { start: 40, end: 43, pa: 400, prot: 3 },
        next: { start: 46, end: 50, pa: 406, prot: 3 },
      },
    ]);
    ranges.cut(43, 46);
    expect(ranges.list().slice(2)).toEqual([
      { start: 40, end: 43, pa: 400, prot: 3 },
      { start: 46, end: 50, pa: 406, prot: 3 },
    ]);
  });

  it('name what a mapping over several overlaps: the tail of one, all of one, the head of one', () => {
    const parts = with3().overlaps(15, 45);
    expect(parts.map(({ start, end }) => [start, end])).toEqual([
      [15, 20],
      [20, 30],
      [40, 45],
    ]);
    expect(parts.map(({ previous, next }) => [previous?.end, next?.start])).toEqual([
      [15, undefined],
      [undefined, undefined],
      [undefined, 45],
    ]);
  });

  it('always say the same as a plain map from page to address', () => {
    const step = fc.record({
      add: fc.boolean(),
      start: fc.integer({ min: 0, max: 60 }),
      size: fc.integer({ min: 1, max: 20 }),
      pa: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ranges = new VmRanges();
        const plain = new Map<number, number>();
        for (const { add, start, size, pa } of steps) {
          ranges.cut(start, start + size);
          for (let page = start; page < start + size; page++) plain.delete(page);
          if (!add) continue;
          ranges.add({ start, end: start + size, pa, prot: 1 });
          for (let page = start; page < start + size; page++) plain.set(page, pa + page - start);
        }
        for (let page = 0; page < 90; page++) {
          const range = ranges.find(page);
          expect(range === null ? undefined : range.pa + page - range.start).toBe(plain.get(page));
        }
        const list = ranges.list();
        for (const [at, range] of list.entries()) {
          expect(range.end).toBeGreaterThan(range.start);
          expect(list[at - 1]?.end ?? 0).toBeLessThanOrEqual(range.start);
        }
      }),
    );
  });
});
