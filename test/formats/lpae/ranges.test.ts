/** Addresses at and past the ends of an input range, where the tables reach further than the range does. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Errno, Gfp, type IoPgtableConfig, LINUX_VERSIONS, Prot, Quirk, WarningCode } from '../../../formats/index.ts';
import { expandEvents } from '../../../traces/conformance/tables/match-events.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const BLOCK = 2 ** 21;
const GIB = 2 ** 30;
const RW = Prot.READ | Prot.WRITE;
const SIZES = { format: 'ARM_64_LPAE_S1', pageSizes: PAGE + BLOCK + GIB, ias: 48, oas: 48 } as const;

function make(more: Partial<IoPgtableConfig>) {
  const rig = new LpaeRig();
  return { rig, table: rig.table({ ...SIZES, ...more }) };
}

describe('a table that reaches past the input range', () => {
  it('takes no block beyond the range after one before it was mapped (Mali, 4 levels for 32 bits)', () => {
    const { rig, table } = make({ format: 'ARM_MALI_LPAE', ias: 32, oas: 40 });
    expect(table.mapPages(0, 0, GIB, 1, RW, Gfp.KERNEL)).toBe(0);
    expect(table.mapPages(0x1_4000_0000, 0, GIB, 1, RW, Gfp.KERNEL)).toBe(-Errno.ERANGE);
    expect(table.unmapPages(0x1_4000_0000, GIB, 1, null)).toBe(0);
    expect(rig.warnings).toEqual([WarningCode.MAP_RANGE, WarningCode.UNMAP_RANGE]);
  });

  it('answers every map and unmap by its range, whatever was edited before', () => {
    const edit = fc.record({ gib: fc.nat(12), size: fc.constantFrom(PAGE, BLOCK, GIB), unmap: fc.boolean() });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 2, maxLength: 20 }), fc.integer({ min: 31, max: 34 }), (edits, ias) => {
        const { table } = make({ format: 'ARM_MALI_LPAE', ias, oas: 40 });
        for (const { gib, size, unmap } of edits) {
          const inRange = gib * GIB < 2 ** ias;
          if (unmap && !inRange) expect(table.unmapPages(gib * GIB, size, 1, null)).toBe(0);
          else if (unmap) table.unmapPages(gib * GIB, size, 1, null);
          else expect(table.mapPages(gib * GIB, 0, size, 1, RW, Gfp.KERNEL) === -Errno.ERANGE).toBe(!inRange);
        }
      }),
      { seed: 31, numRuns: 200 },
    );
  });

  it('is found by lookups of aliased addresses, which have no range, without opening it to edits', () => {
    const { table } = make({ format: 'ARM_MALI_LPAE', ias: 32, oas: 40 });
    table.mapPages(0, 7 * PAGE, PAGE, 1, RW, Gfp.KERNEL);
    expect(table.iovaToPhys(2 ** 39 * 3)).toBe(7 * PAGE);
    expect(table.mapPages(2 ** 39 * 3 + PAGE, 0, PAGE, 1, RW, Gfp.KERNEL)).toBe(-Errno.ERANGE);
  });
});

describe('an input size within one page', () => {
  for (const linux of LINUX_VERSIONS) {
    it(`is accepted; the table starts at level 4 and takes nothing (${linux})`, () => {
      for (const [pageSizes, ias] of [
        [PAGE, 12],
        [PAGE, 11],
        [16384, 14],
        [65536, 16],
        [65536, 10],
      ] as const) {
        const { rig, table } = make({ pageSizes, ias, linux, quirks: 0 });
        expect(table.geometry.startLevel).toBe(4);
        expect(table.mapPages(0, 0, pageSizes, 1, RW, Gfp.KERNEL)).toBe(-Errno.EINVAL);
        expect(table.unmapPages(0, pageSizes, 1, null)).toBe(0);
        expect(table.iovaToPhys(0)).toBe(0);
        expect(rig.warnings.slice(0, 2)).toEqual([
          WarningCode.MAP_BELOW_LAST_LEVEL,
          WarningCode.UNMAP_BELOW_LAST_LEVEL,
        ]);
        const tables: number[][] = [];
        table.visitTables((_pa, level, size) => tables.push([level, size]));
        expect(tables).toEqual([[4, table.geometry.pgdSize]]);
        table.visitLeaves(() => expect.fail('a leaf'));
        table.free();
        expect(rig.live.size).toBe(0);
      }
    });
  }

  it('makes 7.3 warn also of a lookup', () => {
    const warnings = LINUX_VERSIONS.map((linux) => {
      const { rig, table } = make({ ias: 12, pageSizes: PAGE, linux });
      table.iovaToPhys(5);
      return rig.warnings;
    });
    expect(warnings).toEqual([[], [], [WarningCode.WALK_BELOW_LAST_LEVEL]]);
  });
});

describe('dirty tracking in an upper half', () => {
  const ias = 39;
  const half = 2 ** ias;

  for (const linux of LINUX_VERSIONS) {
    it(`finds the pages at the aliases in the lower half, and none at their own addresses (${linux})`, () => {
      const { table } = make({ ias, linux, quirks: Quirk.ARM_TTBR1 | Quirk.ARM_HD });
      table.mapPages(BLOCK, BLOCK, PAGE, 3, RW, Gfp.KERNEL);
      const dirty = (iova: number, size: number): [number, number[]] => {
        const seen: number[] = [];
        const result = table.readAndClearDirty(iova, size, 0, { record: (at, bytes) => seen.push(at, bytes) });
        return [result, seen];
      };
      // The table's addresses count from 2^64 - 2^39 on; those from 2^39 on are the lower half's.
      expect(dirty(BLOCK, 3 * PAGE)).toEqual([-Errno.EINVAL, []]);
      const at = half + BLOCK;
      expect(dirty(at, 3 * PAGE)).toEqual([0, [at, PAGE, at + PAGE, PAGE, at + 2 * PAGE, PAGE]]);
      expect(dirty(at, 3 * PAGE)).toEqual([0, []]);
      // Past the end of all addresses the range wraps to the lower half, and holds nothing.
      expect(dirty(half - PAGE, BLOCK)).toEqual([0, []]);
      expect(dirty(half - PAGE, PAGE)).toEqual([-Errno.EINVAL, []]);
      expect(dirty(2 * half - PAGE, 2 * PAGE)).toEqual([-Errno.EINVAL, []]);
    });
  }
});

describe('a run of events of a vector', () => {
  it('wraps at 2^64', () => {
    expect(expandEvents([['Pr', '0xffffffffffffe000', '0x1000', 4] as unknown as readonly [string]])).toEqual([
      ['P', '0xffffffffffffe000', '0x1000'],
      ['P', '0xfffffffffffff000', '0x1000'],
      ['P', '0x0', '0x1000'],
      ['P', '0x1000', '0x1000'],
    ]);
  });
});

describe('short descriptors', () => {
  const v7s = { format: 'ARM_V7S', pageSizes: 0x111_1000, oas: 32 } as const;

  it('with an output size of 0 are accepted, and map address 0 alone', () => {
    const { table } = make({ ...v7s, ias: 32, oas: 0 });
    expect(table.mapPages(0, 0, PAGE, 1, RW, Gfp.KERNEL)).toBe(0);
    expect(table.mapPages(PAGE, PAGE, PAGE, 1, RW, Gfp.KERNEL)).toBe(-Errno.ERANGE);
  });

  it('find the last page of the space at the last address of all, as at every alias', () => {
    const { table } = make({ ...v7s, ias: 32 });
    table.mapPages(2 ** 32 - PAGE, 5 * PAGE, PAGE, 1, RW, Gfp.KERNEL);
    for (const iova of [2 ** 32 - 1, 2 ** 40 - 1, 2 ** 64]) expect(table.iovaToPhys(iova)).toBe(6 * PAGE - 1);
  });

  it('have a first level that is mapped for the device at its exact size, out of whole pages', () => {
    for (const linux of LINUX_VERSIONS) {
      const rig = new LpaeRig();
      const mapped: number[] = [];
      rig.mapSingle = (pa, size) => {
        mapped.push(size);
        return pa;
      };
      rig.unmapSingle = (_pa, size) => mapped.push(-size);
      const table = rig.table({ ...v7s, ias: 26, coherentWalk: false, linux });
      expect([...rig.live.values()]).toEqual([4096]);
      table.free();
      expect(mapped).toEqual([256, -256]);
    }
  });
});
