import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeCover } from '../../../../../devices/smmuv3/driver/invalidation/range-cover.ts';

interface Covered {
  address: number;
  num: number;
  scale: number;
  ttl: number;
  tg: number;
  bytes: number;
}

function cover(of: RangeCover, iova: number, size: number, granule: number, leaf: boolean): Covered[] {
  const commands: Covered[] = [];
  of.begin(iova, size, granule, leaf);
  while (of.next()) {
    const { address, num, scale, ttl, tg, bytes } = of;
    commands.push({ address, num, scale, ttl, tg, bytes });
  }
  return commands;
}

describe('RangeCover', () => {
  const ranges = new RangeCover(12, true);

  it('takes one command for one page, with its level', () => {
    expect(cover(ranges, 0xffffc000, 4096, 4096, true)).toEqual([
      { address: 0xffffc000, num: 0, scale: 0, ttl: 3, tg: 1, bytes: 4096 },
    ]);
    expect(cover(ranges, 0x4000_0000, 2 ** 21, 2 ** 21, true)).toMatchObject([{ num: 0, scale: 9, ttl: 2 }]);
    expect(cover(ranges, 0x4000_0000, 2 ** 30, 2 ** 30, true)).toMatchObject([{ num: 0, scale: 18, ttl: 1 }]);
  });

  it('knows the levels of the other granules', () => {
    expect(cover(new RangeCover(14, true), 0, 2 ** 25, 2 ** 25, true)).toMatchObject([{ ttl: 2, tg: 2 }]);
    expect(cover(new RangeCover(16, true), 0, 2 ** 29, 2 ** 29, true)).toMatchObject([{ ttl: 2, tg: 3 }]);
    expect(cover(new RangeCover(16, true), 0, 2 ** 16, 2 ** 16, true)).toMatchObject([{ ttl: 3, tg: 3 }]);
  });

  it('takes five bits of the page count at a time, lowest first', () => {
    // 0x421 pages: 1, then 0x420 = 33 << 5, of which 1 << 5 and 1 << 10.
    expect(cover(ranges, 0, 0x421 * 4096, 4096, true).map(({ num, scale }) => [num, scale])).toEqual([
      [0, 0],
      [0, 5],
      [0, 10],
    ]);
    expect(cover(ranges, 0, 31 * 4096, 4096, true)).toMatchObject([{ num: 30, scale: 0 }]);
  });

  it('leaves the level open when a table went away, and never uses the reserved NUM = SCALE = TTL = 0', () => {
    expect(cover(ranges, 0, 4096, 4096, false)).toMatchObject([{ num: 0, scale: 1, ttl: 0, bytes: 8192 }]);
    expect(cover(ranges, 0x20_0000, 2 ** 21, 4096, false)).toMatchObject([{ num: 0, scale: 9, ttl: 0 }]);
  });

  it('takes one command per leaf without range invalidation', () => {
    const single = new RangeCover(12, false);
    expect(cover(single, 0x1000, 3 * 4096, 4096, true)).toEqual([
      { address: 0x1000, num: 0, scale: 0, ttl: 0, tg: 0, bytes: 4096 },
      { address: 0x2000, num: 0, scale: 0, ttl: 0, tg: 0, bytes: 4096 },
      { address: 0x3000, num: 0, scale: 0, ttl: 0, tg: 0, bytes: 4096 },
    ]);
    expect(cover(single, 0, 2 ** 22, 2 ** 21, true)).toHaveLength(2);
  });

  it('covers any range without a gap, and at most one page more than asked, within the encodable fields', () => {
    const granules = fc.constantFrom(12, 14, 16);
    fc.assert(
      fc.property(
        granules,
        fc.nat(2 ** 20),
        fc.integer({ min: 1, max: 2 ** 36 }),
        fc.boolean(),
        (shift, at, pages, leaf) => {
          const page = 2 ** shift;
          const commands = cover(new RangeCover(shift, true), at * page, pages * page, page, leaf);
          let next = at * page;
          for (const command of commands) {
            expect(command.address).toBe(next);
            expect(command.num).toBeGreaterThanOrEqual(0);
            expect(command.num).toBeLessThan(32);
            expect(command.scale).toBeLessThan(64);
            expect(command.num + command.scale + command.ttl).toBeGreaterThan(0);
            expect(command.bytes).toBe((command.num + 1) * 2 ** command.scale * page);
            next += command.bytes;
          }
          expect(next).toBeGreaterThanOrEqual((at + pages) * page);
          expect(next).toBeLessThanOrEqual((at + pages + (leaf ? 0 : 1)) * page);
          expect(commands.length).toBeLessThanOrEqual(8);
        },
      ),
    );
  });
});
