import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GpuVa, type GpuVaOverlap, GpuVaSpace, type GpuVaSteps } from '../../../../devices/index.ts';
import { Errno } from '../../../../formats/index.ts';

function va(start: number, end: number, object: string | null, offset: number): GpuVa<string> {
  return { start, end, object, offset, flags: 0 };
}

function with3(): GpuVaSpace<string> {
  const space = new GpuVaSpace<string>(0, 100);
  space.add(va(40, 50, 'c', 400));
  space.add(va(10, 20, 'a', 100));
  space.add(va(20, 30, 'b', 900));
  return space;
}

/** Writes down the steps; the `failing`-th, from 1, fails. */
class Steps implements GpuVaSteps<string> {
  readonly seen: string[] = [];
  readonly #failing: number;

  constructor(failing = 0) {
    this.#failing = failing;
  }

  map({ start, end, object }: GpuVa<string>): number {
    return this.#note(`map ${start}-${end} ${object}`);
  }

  unmap({ start, end }: GpuVa<string>, keep: boolean): number {
    return this.#note(`unmap ${start}-${end}${keep ? ' keep' : ''}`);
  }

  remap({ start, end, previous, next }: GpuVaOverlap<string>, keep: boolean): number {
    const part = (kept: GpuVa<string> | null): string => (kept === null ? '-' : `${kept.start}+${kept.offset}`);
    return this.#note(`remap ${start}-${end} ${part(previous)} ${part(next)}${keep ? ' keep' : ''}`);
  }

  #note(step: string): number {
    this.seen.push(step);
    return this.seen.length === this.#failing ? -Errno.ENOMEM : 0;
  }
}

describe('the mappings of a VM', () => {
  it('are kept in order of address, neighbours apart', () => {
    expect(
      with3()
        .list()
        .map(({ start }) => start),
    ).toEqual([10, 20, 40]);
  });

  it('know what holds an address', () => {
    const space = with3();
    expect(space.find(19)?.object).toBe('a');
    expect(space.find(20)?.object).toBe('b');
    expect([space.find(30), space.find(9)]).toEqual([null, null]);
  });

  it('map over the tail of one, all of one and the head of one, in order of address', () => {
    const space = with3();
    const steps = new Steps();
    expect(space.smMap(va(15, 45, 'd', 0), steps)).toBe(0);
    expect(steps.seen).toEqual(['remap 15-20 10+100 -', 'unmap 20-30', 'remap 40-45 - 45+405', 'map 15-45 d']);
    expect(space.list().map(({ start, end, object, offset }) => [start, end, object, offset])).toEqual([
      [10, 15, 'a', 100],
      [15, 45, 'd', 0],
      [45, 50, 'c', 405],
    ]);
  });

  it('split one in two when its middle goes', () => {
    const space = with3();
    const steps = new Steps();
    expect(space.smUnmap(43, 46, steps)).toBe(0);
    expect(steps.seen).toEqual(['remap 43-46 40+400 46+406']);
    expect(
      space
        .list()
        .slice(2)
        .map(({ start, end, offset }) => [start, end, offset]),
    ).toEqual([
      [40, 43, 400],
      [46, 50, 406],
    ]);
  });

  it('say "keep" when the new mapping shows the same bytes of the same object there', () => {
    const steps = new Steps();
    with3().smMap(va(12, 30, 'a', 102), steps);
    expect(steps.seen).toEqual(['remap 12-20 10+100 - keep', 'unmap 20-30', 'map 12-30 a']);
    const without = new GpuVaSpace<string>(0, 100);
    without.add(va(0, 10, null, 0));
    const other = new Steps();
    without.smMap(va(0, 10, null, 0), other);
    expect(other.seen[0]).toBe('unmap 0-10');
  });

  it.each([1, 2, 3, 4])('keep what was done before step %d failed, and nothing after', (failing) => {
    const space = with3();
    const steps = new Steps(failing);
    expect(space.smMap(va(15, 45, 'd', 0), steps)).toBe(-Errno.ENOMEM);
    expect(steps.seen).toHaveLength(failing);
    const cut = [space.find(15), space.find(20), space.find(40)].map((left) => left === null);
    expect(cut).toEqual([failing > 1, failing > 2, failing > 3]);
  });

  it.each([
    ['below the space', 8, 12],
    ['past its end', 100, 120],
    ['over the range of the kernel', 80, 95],
    ['inside the range of the kernel', 92, 94],
  ])('refuse a request %s without a step', (_what, start, end) => {
    const space = new GpuVaSpace<string>(10, 100, 90, 10);
    const steps = new Steps();
    expect(space.smMap(va(start, end, 'a', 0), steps)).toBe(-Errno.EINVAL);
    expect(space.smUnmap(start, end, steps)).toBe(-Errno.EINVAL);
    expect(steps.seen).toEqual([]);
  });

  it('always say the same as a plain map from page to byte of an object', () => {
    const step = fc.record({
      add: fc.boolean(),
      start: fc.integer({ min: 0, max: 60 }),
      size: fc.integer({ min: 1, max: 20 }),
      object: fc.constantFrom('a', 'b', 'c'),
      offset: fc.integer({ min: 0, max: 1000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const space = new GpuVaSpace<string>(0, 100);
        const plain = new Map<number, string>();
        const quiet = new Steps();
        for (const { add, start, size, object, offset } of steps) {
          if (add) space.smMap(va(start, start + size, object, offset), quiet);
          else space.smUnmap(start, start + size, quiet);
          for (let page = start; page < start + size; page++) {
            if (add) plain.set(page, `${object}${offset + page - start}`);
            else plain.delete(page);
          }
        }
        for (let page = 0; page < 90; page++) {
          const found = space.find(page);
          expect(found === null ? undefined : `${found.object}${found.offset + page - found.start}`).toBe(
            plain.get(page),
          );
        }
        const list = space.list();
        for (const [at, { start, end }] of list.entries()) {
          expect(end).toBeGreaterThan(start);
          expect(list[at - 1]?.end ?? 0).toBeLessThanOrEqual(start);
        }
      }),
    );
  });
});
