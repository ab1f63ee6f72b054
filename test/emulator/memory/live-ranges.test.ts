import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coverage, LiveRanges } from '../../../emulator/index.ts';

/** The plain model: one entry per unit, holding the number of its range. */
class Model {
  readonly units = new Map<number, number>();
  inserted = 0;

  free(start: number, end: number): boolean {
    for (let unit = start; unit < end; unit++) if (this.units.has(unit)) return false;
    return true;
  }

  insert(start: number, end: number): void {
    this.inserted++;
    for (let unit = start; unit < end; unit++) this.units.set(unit, this.inserted);
  }

  remove(start: number, end: number): number {
    let removed = 0;
    for (let unit = start; unit < end; unit++) if (this.units.delete(unit)) removed++;
    return removed;
  }

  /** Whether one range holds both units. */
  #joined(a: number, b: number): boolean {
    return this.units.has(a) && this.units.get(a) === this.units.get(b);
  }

  coverage(start: number, end: number): Coverage {
    let covered = 0;
    for (let unit = start; unit < end; unit++) if (this.units.has(unit)) covered++;
    if (covered === 0) return Coverage.NONE;
    if (covered < end - start) return Coverage.SOME;
    return this.#joined(start - 1, start) || this.#joined(end - 1, end) ? Coverage.INSIDE : Coverage.WHOLE;
  }
}

const SCALE = 2 ** 36; // addresses far beyond 32 bits

describe('the live ranges of a domain', () => {
  it('agree with a plain map of units, whatever is inserted and removed', () => {
    const step = fc.record({
      insert: fc.boolean(),
      start: fc.integer({ min: 1, max: 900 }),
      length: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 60 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 900 }), (steps) => {
        const ranges = new LiveRanges();
        const model = new Model();
        for (const { insert, start, length } of steps) {
          const end = start + length;
          expect(ranges.overlaps(start * SCALE, end * SCALE)).toBe(!model.free(start, end));
          expect(ranges.coverage(start * SCALE, end * SCALE)).toBe(model.coverage(start, end));
          if (!insert) expect(ranges.remove(start * SCALE, end * SCALE)).toBe(model.remove(start, end) * SCALE);
          else if (model.free(start, end)) {
            model.insert(start, end);
            ranges.insert(start * SCALE, end * SCALE, model.inserted);
          }
          expect(ranges.bytes).toBe(model.units.size * SCALE);
          expect(ranges.tagAt(start * SCALE)).toBe(model.units.get(start) ?? -1);
        }
        let bytes = 0;
        let count = 0;
        let last = -1;
        ranges.forEach((start, end) => {
          expect(start).toBeGreaterThanOrEqual(last);
          last = end;
          bytes += end - start;
          count++;
        });
        expect([bytes, count]).toEqual([ranges.bytes, ranges.count]);
      }),
      { numRuns: 60 },
    );
  });

  it('hold many thousand ranges, inserted in any order', () => {
    const ranges = new LiveRanges();
    const count = 20_000;
    for (let index = 0; index < count; index++) {
      const place = (index * 7919) % count;
      ranges.insert(place * 8192, place * 8192 + 4096, place);
    }
    expect(ranges.count).toBe(count);
    for (let place = 0; place < count; place += 37) {
      expect(ranges.tagAt(place * 8192 + 4095)).toBe(place);
      expect(ranges.coverage(place * 8192, place * 8192 + 4096)).toBe(Coverage.WHOLE);
      expect(ranges.overlaps(place * 8192 + 4096, place * 8192 + 8192)).toBe(false);
    }
    expect(ranges.remove(0, count * 8192)).toBe(count * 4096);
    expect(ranges.count).toBe(0);
    ranges.insert(0, 4096, 1);
    ranges.clear();
    expect(ranges.overlaps(0, 2 ** 48)).toBe(false);
  });
});
