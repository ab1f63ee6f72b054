import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AssociativeCache } from '../../../../emulator/mmu/cache/cache.ts';
import { ANY_SALT, RangeSearch } from '../../../../emulator/mmu/cache/range-search.ts';
import { OWNER_SHIFT, tagHigh, tagLow } from '../../../../emulator/mmu/cache/tag.ts';

const SHIFTS = [12, 16, 21, 30];

it.each([
  ['set-associative', 1024, [0]],
  ['with a number of sets that is no power of two', 768, [0]],
  ['whose owners spread over the sets', 2048, [0, 37, 74, 111]],
  ['whose owners meet in a set', 512, [0, 1, 128, 129]],
] as const)(
  'a cache %s finds by address what a look through all entries finds, in the same order and once',
  (_, entries, salts) => {
    const page = fc.record({ number: fc.nat(24), shift: fc.constantFrom(...SHIFTS), owner: fc.nat(salts.length - 1) });
    const range = fc.record({ start: fc.nat(60), pages: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(fc.array(page, { minLength: 1, maxLength: 60 }), range, (pages, { start, pages: length }) => {
        const cache = new AssociativeCache('test', {
          entries,
          ways: 4,
          holdsTables: true,
          policy: 'round-robin',
          seed: 1,
          blocksFoundByFirstPageOnly: false,
          onePointerForAllSets: false,
          freshEntryIsOldest: false,
        });
        for (const { number, shift, owner } of pages) {
          const address = number * 2 ** shift;
          const high = tagHigh(address) | (owner << OWNER_SHIFT);
          cache.store(tagLow(address), high, shift, salts[owner] as number, shift, owner, 0);
        }
        const search = new RangeSearch();
        const first = start * 4096;
        const end = first + length * 4096;
        const all = search.find(cache, first, end, false, ANY_SALT);
        const expected = [...search.found.subarray(0, all)];
        const count = search.find(cache, first, end, false, Int32Array.from(salts));
        const found = [...search.found.subarray(0, count)];
        expect(salts.length === 1 ? found.toSorted((a, b) => a - b) : found).toEqual(expected);
      }),
    );
  },
);
