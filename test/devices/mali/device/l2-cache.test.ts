import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { L2Cache } from '../../../../devices/index.ts';

const WAYS = 2;
const SETS = 4;
const LINE = 64;

/** The same cache as lists, least recently used first. */
class PlainCache {
  readonly sets: { line: number; dirty: boolean }[][] = Array.from({ length: SETS }, () => []);

  access(line: number, write: boolean): boolean {
    const set = this.sets[line % SETS] ?? [];
    const at = set.findIndex((entry) => entry.line === line);
    const [entry = { line, dirty: false }] = at < 0 ? [] : set.splice(at, 1);
    if (at < 0 && set.length === WAYS) set.shift();
    entry.dirty ||= write;
    set.push(entry);
    return at >= 0;
  }

  flush(invalidate: boolean): [dirty: number, held: number] {
    const held = this.sets.flat();
    const dirty = held.filter((entry) => entry.dirty).length;
    for (const entry of held) entry.dirty = false;
    if (invalidate) for (const set of this.sets) set.length = 0;
    return [dirty, held.length];
  }
}

describe("a GPU's L2 cache", () => {
  it('hits, replaces and writes back as a plain list of lines does, however often it is flushed', () => {
    const step = fc.record({ line: fc.nat(20), write: fc.boolean(), flush: fc.constantFrom(0, 0, 0, 0, 1, 2) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const cache = new L2Cache({ size: SETS * WAYS * LINE, line: LINE, ways: WAYS, hit: 1, miss: 2 });
        const plain = new PlainCache();
        for (const { line, write, flush } of steps) {
          if (flush === 0) {
            expect(cache.access(line * LINE + 8, write)).toBe(plain.access(line, write) ? 1 : 2);
            continue;
          }
          const before = cache.invalidated;
          const [dirty, held] = plain.flush(flush === 2);
          expect(cache.flush(flush === 2)).toBe(dirty);
          expect(cache.invalidated - before).toBe(flush === 2 ? held : 0);
        }
      }),
    );
  });
});
