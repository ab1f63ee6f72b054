import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssociativeCache } from '../../../../emulator/mmu/cache/cache.ts';
import type { CacheGeometry } from '../../../../emulator/mmu/cache/geometry.ts';
import { OWNER_SHIFT, tagHigh, tagLow, WHOLE_SPACE_SHIFT } from '../../../../emulator/mmu/cache/tag.ts';

const GEOMETRY: CacheGeometry = {
  entries: 16,
  ways: 4,
  holdsTables: false,
  policy: 'round-robin',
  seed: 1,
  blocksFoundByFirstPageOnly: false,
  onePointerForAllSets: false,
  freshEntryIsOldest: false,
};

const make = (over: Partial<CacheGeometry> = {}) => new AssociativeCache('test', { ...GEOMETRY, ...over });

function put(cache: AssociativeCache, address: number, shift = 12, owner = 0): number {
  return cache.store(tagLow(address), tagHigh(address, false) | (owner << OWNER_SHIFT), shift, 0, shift, owner, 0);
}

function has(cache: AssociativeCache, address: number, owner = 0): boolean {
  return cache.lookup(tagLow(address), tagHigh(address, false) | (owner << OWNER_SHIFT), 0) >= 0;
}

/** Addresses that all fall in set 0 of the test geometry. */
const inSet = (number: number): number => number * 4 * 4096;

describe('a tag', () => {
  it('tells every page of 52 bits apart', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        const [first, second] = [a % 2 ** 52, b % 2 ** 52];
        const same = tagLow(first) === tagLow(second) && tagHigh(first, false) === tagHigh(second, false);
        expect(same).toBe(Math.floor(first / 4096) === Math.floor(second / 4096));
      }),
    );
  });

  it('tells the upper half from the lower', () => {
    expect(tagHigh(0x1000, true)).not.toBe(tagHigh(0x1000, false));
  });
});

describe('a cache', () => {
  it.each([
    ['set-associative', {}],
    ['fully associative', { ways: 16 }],
    ['with a number of sets that is no power of two', { entries: 12 }],
  ] as const)('%s finds what was stored last, for any mix of page sizes and owners', (_, over) => {
    const page = fc.record({ number: fc.nat(40), shift: fc.constantFrom(12, 14, 16, 21, 30), owner: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(page, { minLength: 1, maxLength: 60 }), (pages) => {
        const cache = make(over);
        for (const { number, shift, owner } of pages) {
          const address = 0x7f00_0000_0000 + number * 2 ** shift;
          const entry = put(cache, address, shift, owner);
          cache.values[entry] = number;
          expect(has(cache, address + 2 ** shift - 1, owner)).toBe(true);
          expect(has(cache, address, owner + 1) && owner === 2).toBe(false);
          expect(cache.valid).toBeLessThanOrEqual(cache.entries);
        }
        // Nothing is found that was not stored.
        expect(has(cache, 0x6000_0000_0000)).toBe(false);
        cache.dropAll();
        expect([cache.valid, cache.pageSizes.count]).toEqual([0, 0]);
        for (const { number, shift, owner } of pages) {
          expect(has(cache, 0x7f00_0000_0000 + number * 2 ** shift, owner)).toBe(false);
        }
      }),
    );
  });

  it('overwrites the entry of the same page', () => {
    const cache = make();
    expect(put(cache, 0x5000)).toBe(put(cache, 0x5000));
    expect([cache.updates, cache.insertions, cache.valid]).toEqual([2, 1, 1]);
  });

  it('replaces round robin: the way after the last victim', () => {
    const cache = make();
    for (let page = 0; page < 6; page++) put(cache, inSet(page));
    // Ways 1 and 2 were the victims.
    expect([0, 1, 2, 3, 4, 5].map((page) => has(cache, inSet(page)))).toEqual([true, false, false, true, true, true]);
    expect(cache.evictions).toBe(2);
  });

  it('replaces the least recently used', () => {
    const cache = make({ policy: 'lru' });
    for (let page = 0; page < 4; page++) put(cache, inSet(page));
    has(cache, inSet(0));
    put(cache, inSet(4));
    expect([0, 1, 2, 3, 4].map((page) => has(cache, inSet(page)))).toEqual([true, false, true, true, true]);
  });

  it('with fresh entries as the oldest replaces the one that was never hit', () => {
    const cache = make({ policy: 'lru', freshEntryIsOldest: true });
    for (let page = 0; page < 4; page++) put(cache, inSet(page));
    // The very first hit leaves the stamp of a fresh entry.
    for (const page of [0, 0, 1, 2]) has(cache, inSet(page));
    put(cache, inSet(4));
    expect(has(cache, inSet(3))).toBe(false);
  });

  it('with tree PLRU never replaces the way used last', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { minLength: 1, maxLength: 60 }), (pages) => {
        const cache = make({ policy: 'plru' });
        let last = -1;
        for (const page of pages) {
          if (!has(cache, inSet(page))) put(cache, inSet(page));
          if (last >= 0) expect(has(cache, inSet(last))).toBe(true);
          has(cache, inSet(page));
          last = page;
        }
      }),
    );
  });

  it('replaces at random, the same for the same seed', () => {
    const survivors = (seed: number): string => {
      const cache = make({ policy: 'random', seed });
      for (let page = 0; page < 64; page++) put(cache, inSet(page));
      return Array.from({ length: 64 }, (_, page) => (has(cache, inSet(page)) ? page : '')).join();
    };
    expect(survivors(3)).toBe(survivors(3));
    expect(new Set([1, 2, 3, 4, 5].map(survivors)).size).toBeGreaterThan(1);
  });

  it('drops everything when full, where the policy says so', () => {
    const cache = make({ ways: 16, policy: 'drop-all' });
    for (let page = 0; page < 17; page++) put(cache, inSet(page));
    expect(cache.valid).toBe(1);
    expect(has(cache, inSet(16))).toBe(true);
  });

  it('that indexes by first page finds a block through its first 4 KiB only', () => {
    const block = 0x4000_0000;
    const faulty = make({ blocksFoundByFirstPageOnly: true });
    put(faulty, block + 0x5000, 21);
    expect([has(faulty, block), has(faulty, block + 0x1000), has(faulty, block + 0x4000)]).toEqual([true, false, true]);
    const right = make();
    put(right, block + 0x5000, 21);
    expect([has(right, block), has(right, block + 0x1000), has(right, block + 0x1f_f000)]).toEqual([true, true, true]);
  });

  it('keeps the last way for prefetches', () => {
    const cache = make();
    for (let page = 0; page < 8; page++) {
      const address = inSet(page);
      cache.store(tagLow(address), tagHigh(address, false), 12, 0, 12, 0, 2);
    }
    const prefetched = cache.store(tagLow(inSet(9)), tagHigh(inSet(9), false), 12, 0, 12, 0, 1);
    expect(prefetched % 4).toBe(3);
    expect(cache.valid).toBe(4);
  });

  it('holds one entry for a whole address space', () => {
    const cache = make({ ways: 16 });
    put(cache, 0x1234_5000, WHOLE_SPACE_SHIFT, 3);
    expect(has(cache, 2 ** 52 - 4096, 3)).toBe(true);
    expect(has(cache, 0x1234_5000, 2)).toBe(false);
  });

  it('tells when a marked entry is overwritten, evicted or dropped, and forgets the mark', () => {
    const cache = make();
    const told: number[] = [];
    cache.onMarkedDrop = (mark) => told.push(mark);
    cache.mark(put(cache, inSet(0)), 10);
    put(cache, inSet(0));
    cache.mark(put(cache, inSet(1)), 11);
    for (let page = 2; page < 6; page++) put(cache, inSet(page));
    cache.mark(put(cache, inSet(9)), 12);
    cache.dropAll();
    expect(told).toEqual([10, 11, 12]);
    expect(cache.marked).toBe(0);
  });
});
