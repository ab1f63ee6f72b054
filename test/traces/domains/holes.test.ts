import { describe, expect, it } from 'vitest';
import { Holes } from '../../../traces/domains/holes.ts';
import { TraceEvent } from '../../../traces/index.ts';

function doubted(holes: Holes, line: number, since: number): void {
  holes.doubted(Object.assign(new TraceEvent(), { line, time: line / 10 }), since);
}

describe('a hole of a capture', () => {
  it('is before the first of the calls that have lines before them in common', () => {
    const holes = new Holes();
    doubted(holes, 30, 20);
    for (let at = 0; at < 4; at++) doubted(holes, 105 + at, 10 * at);
    for (let at = 0; at < 3; at++) doubted(holes, 120 + at, -1);
    expect(holes.find()).toEqual([{ line: 105, time: 10.5, calls: 7 }]);
  });

  it('is none where every call points somewhere else, or only at the beginning', () => {
    const holes = new Holes();
    for (let at = 0; at < 40; at++) doubted(holes, 20 * at + 15, 20 * at);
    expect(holes.find()).toEqual([]);
    const late = new Holes();
    for (let at = 0; at < 40; at++) doubted(late, 100 + at, -1);
    expect(late.find()).toEqual([]);
  });
});
