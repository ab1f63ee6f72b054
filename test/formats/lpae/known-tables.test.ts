/** What is remembered of tables must never show: results are those of a table that remembers nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  LINUX_VERSIONS,
  lpaeGeometry,
  newGather,
  Prot,
} from '../../../formats/index.ts';
import { KnownTables, UNKNOWN_LEAVES } from '../../../formats/lpae/known-tables.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const BLOCK = 2 ** 21;
const GIB = 2 ** 30;
const RW = Prot.READ | Prot.WRITE;

describe('the known tables of a level', () => {
  const geometry = lpaeGeometry({ ias: 48, granuleShift: 12 });

  it('are found by every address that they cover, and by no other', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(2 ** 27 - 1), { maxLength: 1500 }), (ranges) => {
        const known = new KnownTables(geometry, 3, 3);
        for (const range of ranges) known.remember(range * BLOCK + 5 * PAGE, range * PAGE, 1024 * range);
        let found = 0;
        for (const range of ranges) {
          const slot = known.find(range * BLOCK + BLOCK - 1);
          if (slot < 0) continue;
          found++;
          expect([known.tables[slot], known.words[slot]]).toEqual([range * PAGE, (1024 * range) | 0]);
          expect(known.entryOf(range * BLOCK + BLOCK - 1)).toBe(511);
        }
        // Few tables do not drive each other out: the cache grows.
        if (ranges.length <= 4) expect(found).toBe(ranges.length);
        const other = ranges.length === 0 ? 0 : Math.max(...ranges) + 1;
        expect(known.find(other * BLOCK)).toBe(-1);
        known.forget();
        for (const range of ranges) expect(known.find(range * BLOCK)).toBe(-1);
      }),
      { seed: 41, numRuns: 30 },
    );
  });

  it('hold 1,024 neighbours at once', () => {
    const known = new KnownTables(geometry, 3, 3);
    for (let i = 0; i < 1024; i++) known.remember((i + 77_777) * BLOCK, i, i);
    for (let i = 0; i < 1024; i++) expect(known.tables[known.find((i + 77_777) * BLOCK)]).toBe(i);
  });

  it('begin with an unknown number of leaves, also when they come back', () => {
    const known = new KnownTables(geometry, 3, 3);
    const slot = known.remember(0, 0, 0);
    known.leaves[slot] = 7;
    expect(known.leaves[known.remember(PAGE, 0, 0)]).toBe(7);
    known.forget();
    expect(known.leaves[known.remember(0, 0, 0)]).toBe(UNKNOWN_LEAVES);
  });
});

const edit = fc.oneof(
  fc.record({ kind: fc.constantFrom('map', 'unmap'), page: fc.nat(2047), count: fc.integer({ min: 1, max: 700 }) }),
  fc.record({ kind: fc.constantFrom('map', 'unmap'), page: fc.nat(2047), count: fc.constant(1) }),
  fc.record({ kind: fc.constantFrom('map', 'unmap'), page: fc.nat(3).map((i) => 512 * i), count: fc.constant(512) }),
  fc.record({ kind: fc.constantFrom('map block', 'unmap block', 'look'), page: fc.nat(2047), count: fc.constant(1) }),
);

/** Performs an edit. @returns everything that it says. */
function perform(table: IoPgtable, { kind, page, count }: { kind: string; page: number; count: number }): number[] {
  const iova = 2 ** 40 + page * PAGE;
  const block = Math.floor(iova / BLOCK) * BLOCK;
  switch (kind) {
    case 'map':
      return [table.mapPages(iova, GIB + page * PAGE, PAGE, count, RW, Gfp.KERNEL), table.mapped];
    case 'unmap':
      return [table.unmapPages(iova, PAGE, count, newGather())];
    case 'map block':
      return [table.mapPages(block, GIB, BLOCK, 1, RW, Gfp.KERNEL), table.mapped];
    case 'unmap block':
      return [table.unmapPages(block, BLOCK, 1, newGather())];
    default:
      return [table.iovaToPhys(iova + 9)];
  }
}

describe('a table that remembers', () => {
  for (const linux of LINUX_VERSIONS) {
    for (const coherentWalk of [true, false]) {
      it(`does, says and flushes the same as one that forgets before every call (${linux}, ${coherentWalk})`, () => {
        fc.assert(
          fc.property(fc.array(edit, { minLength: 5, maxLength: 60 }), (edits) => {
            const config: IoPgtableConfig = {
              format: 'ARM_64_LPAE_S1',
              pageSizes: PAGE + BLOCK,
              ias: 48,
              oas: 48,
              linux,
              coherentWalk,
            };
            const rigs = [new LpaeRig(), new LpaeRig()];
            const tables = rigs.map((rig) => rig.table(config));
            for (const one of edits) {
              tables[1]?.entriesChanged();
              expect(perform(tables[0] as IoPgtable, one)).toEqual(perform(tables[1] as IoPgtable, one));
            }
            expect(tables[0]?.stats).toEqual(tables[1]?.stats);
            expect(rigs[0]?.warnings).toEqual(rigs[1]?.warnings);
            expect(rigs[0]?.flushes).toEqual(rigs[1]?.flushes);
            const leaves = tables.map((table) => {
              const found: number[] = [];
              table.visitLeaves((...leaf) => found.push(...leaf));
              return found;
            });
            expect(leaves[0]).toEqual(leaves[1]);
            if (!coherentWalk) expect(rigs[0]?.staleDescriptor()).toBe(null);
          }),
          { seed: 42, numRuns: 25 },
        );
      });
    }
  }

  it('finds a block after a page of its place was looked up, and the other way round', () => {
    const rig = new LpaeRig();
    const table = rig.table({ format: 'ARM_64_LPAE_S1', pageSizes: PAGE + BLOCK, ias: 48, oas: 48 });
    for (let i = 0; i < 3; i++) {
      table.mapPages(0, PAGE, PAGE, 512, RW, Gfp.KERNEL);
      expect(table.iovaToPhys(3 * PAGE)).toBe(4 * PAGE);
      // The block replaces the table, which is freed with its pages.
      expect(table.mapPages(0, GIB, BLOCK, 1, RW, Gfp.KERNEL)).toBe(0);
      expect(table.iovaToPhys(3 * PAGE)).toBe(GIB + 3 * PAGE);
      expect(table.unmapPages(0, BLOCK, 1, null)).toBe(BLOCK);
      expect(table.iovaToPhys(3 * PAGE)).toBe(0);
    }
  });

  it('finds pages in the lower half of a space only, not at their aliases, when it maps', () => {
    const rig = new LpaeRig();
    const table = rig.table({ format: 'ARM_64_LPAE_S1', pageSizes: PAGE, ias: 30, oas: 48 });
    table.mapPages(0, PAGE, PAGE, 1, RW, Gfp.KERNEL);
    expect(table.iovaToPhys(GIB)).toBe(PAGE);
    expect(table.mapPages(GIB + PAGE, PAGE, PAGE, 1, RW, Gfp.KERNEL)).toBe(-34);
    expect(table.unmapPages(GIB, PAGE, 1, null)).toBe(0);
    for (const iova of [-1, Number.NaN, 2 ** 53 - BLOCK, 2 ** 63]) expect(() => table.iovaToPhys(iova)).not.toThrow();
  });
});
