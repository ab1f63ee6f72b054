import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { type AccessConfig, AccessSchema, AccessStream } from '../../../../traces/index.ts';

const PAGE = 4096;
const config = (fields: Partial<AccessConfig>): AccessConfig => ({ ...v.parse(AccessSchema, {}), ...fields });

function drain(stream: AccessStream): (readonly [number, number])[] {
  const out: (readonly [number, number])[] = [];
  while (stream.next()) out.push([stream.iova, stream.size]);
  return out;
}

describe('what the device does with a mapping', () => {
  const iova = 0x1_0000_0000;
  const perPage = [0, 1, 2].map((page) => [iova + page * PAGE, 64]);

  it('touch: one cache line per page after the map and before the unmap, nothing afterwards', () => {
    const stream = new AccessStream(config({ pattern: 'touch' }), PAGE);
    stream.afterMap(iova, 3 * PAGE);
    expect(drain(stream)).toEqual(perPage);
    stream.beforeUnmap(iova, 3 * PAGE);
    expect(drain(stream)).toEqual(perPage);
    stream.afterUnmap(iova, 3 * PAGE);
    expect(drain(stream)).toEqual([]);
  });

  it('probe: touch, and every page again after its unmap', () => {
    const stream = new AccessStream(config({ pattern: 'probe' }), PAGE);
    stream.afterMap(iova, 3 * PAGE);
    expect(drain(stream)).toEqual(perPage);
    stream.afterUnmap(iova, 3 * PAGE);
    expect(drain(stream)).toEqual(perPage);
  });

  it('touch: of a range of more than 2^18 pages as many at most, spread evenly from its first on', () => {
    const stream = new AccessStream(config({ pattern: 'touch' }), PAGE);
    stream.afterMap(iova, (2 ** 18 + 1) * PAGE);
    const places = drain(stream);
    expect(places).toHaveLength(2 ** 17 + 1);
    expect(places.at(-1)).toEqual([iova + 2 ** 18 * PAGE, 64]);
    stream.afterMap(iova, 2 ** 18 * PAGE);
    expect(drain(stream)).toHaveLength(2 ** 18);
  });

  it('none: nothing', () => {
    const stream = new AccessStream(config({ pattern: 'none' }), PAGE);
    stream.afterMap(iova, 3 * PAGE);
    expect(drain(stream)).toEqual([]);
  });

  it('sequential: ascending, again from the front at the end, only after the map', () => {
    const stream = new AccessStream(config({ pattern: 'sequential', accessSize: 2048, accessesPerMap: 5 }), PAGE);
    stream.afterMap(iova, 2 * PAGE);
    expect(drain(stream).map(([at]) => at - iova)).toEqual([0, 2048, 4096, 6144, 0]);
    stream.beforeUnmap(iova, 2 * PAGE);
    expect(drain(stream)).toEqual([]);
  });

  it('random: the same seed gives the same places, another seed others', () => {
    const run = (seed: number): unknown => {
      const stream = new AccessStream(config({ pattern: 'random', accessesPerMap: 40, seed }), PAGE);
      stream.afterMap(iova, 64 * PAGE);
      return drain(stream);
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  it('no access leaves its mapping or crosses a page', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('touch', 'sequential', 'random', 'probe', 'linger'),
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 0, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 2 ** 35 }),
        (pattern, sizeBits, accessesPerMap, pages, at) => {
          const stream = new AccessStream(config({ pattern, accessSize: 2 ** sizeBits, accessesPerMap }), PAGE);
          const start = at * PAGE;
          stream.afterMap(start, pages * PAGE);
          for (const [address, size] of drain(stream)) {
            expect(address).toBeGreaterThanOrEqual(start);
            expect(address + size).toBeLessThanOrEqual(start + pages * PAGE);
            expect(Math.floor(address / PAGE)).toBe(Math.floor((address + size - 1) / PAGE));
          }
        },
      ),
    );
  });

  it('a size that is no power of two, an unknown pattern or field is refused', () => {
    expect(v.safeParse(AccessSchema, { accessSize: 48 }).success).toBe(false);
    expect(v.safeParse(AccessSchema, { pattern: 'tuch' }).success).toBe(false);
    expect(v.safeParse(AccessSchema, { acessSize: 64 }).success).toBe(false);
    expect(v.parse(AccessSchema, {})).toEqual({
      pattern: 'touch',
      accessSize: 64,
      accessesPerMap: 16,
      lingerTime: 0.005,
      lingerRate: 1000,
      verify: false,
      seed: 1,
    });
  });
});
