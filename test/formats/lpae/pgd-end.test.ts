/** A first-level table smaller than a page: nothing is written past the memory that it has. */
import { describe, expect, it } from 'vitest';
import { Errno, Gfp, type IoPgtable, type IoPgtableConfig, Prot, WarningCode } from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const GIB = 2 ** 30;
const RW = Prot.READ | Prot.WRITE;

/** 32 bits of input with 4 KiB pages: four entries of 1 GiB each, 32 bytes. */
function make(more: Partial<IoPgtableConfig>): { rig: LpaeRig; table: IoPgtable } {
  const rig = new LpaeRig();
  const table = rig.table({ format: 'ARM_64_LPAE_S1', pageSizes: PAGE + 2 ** 21 + GIB, ias: 32, oas: 48, ...more });
  return { rig, table };
}

/** The words behind the pgd, up to the end of its page. */
function behind(rig: LpaeRig, table: IoPgtable): Uint32Array {
  const at = rig.memory.index(table.registers.kind === 'stage-1' ? table.registers.ttbr : 0);
  return rig.memory.words.subarray(at + table.geometry.pgdSize / 4, at + PAGE / 4);
}

for (const sizing of ['exact', 'slab', 'hook'] as const) {
  describe(`a pgd of 32 bytes that has no more memory than that (${sizing})`, () => {
    function exact(more: Partial<IoPgtableConfig> = {}): { rig: LpaeRig; table: IoPgtable } {
      if (sizing !== 'hook') return make({ pgdSizing: sizing, ...more });
      const rig = new LpaeRig();
      const allocator = { alloc: rig.alloc.bind(rig), free: rig.free.bind(rig) };
      return {
        rig,
        table: rig.table({
          format: 'ARM_64_LPAE_S1',
          pageSizes: PAGE + 2 ** 21 + GIB,
          ias: 32,
          oas: 48,
          allocator,
          ...more,
        }),
      };
    }

    it('ends a map of blocks with its last entry; what the caller goes on with is out of range', () => {
      const { rig, table } = exact();
      behind(rig, table).fill(7);
      expect(table.mapPages(GIB, 8 * GIB, GIB, 8, RW, Gfp.KERNEL)).toBe(0);
      expect(table.mapped).toBe(3 * GIB);
      expect(new Set(behind(rig, table))).toEqual(new Set([7]));
      expect(rig.warnings).toEqual([]);
      expect(table.mapPages(4 * GIB, 11 * GIB, GIB, 5, RW, Gfp.KERNEL)).toBe(-Errno.ERANGE);
      expect(rig.warnings).toEqual([WarningCode.MAP_RANGE]);
    });

    it('ends an unmap of blocks there too, found by the cursor or from the root', () => {
      for (const linux of ['6.12', '6.1'] as const) {
        const { rig, table } = exact({ linux });
        table.mapPages(0, 8 * GIB, GIB, 4, RW, Gfp.KERNEL);
        // What looks like leaves there belongs to somebody else.
        behind(rig, table).fill(1);
        expect(table.unmapPages(GIB, GIB, 8, null)).toBe(3 * GIB);
        expect(new Set(behind(rig, table))).toEqual(new Set([1]));
        expect(rig.warnings).toEqual([]);
        expect(table.iovaToPhys(0)).toBe(8 * GIB);
      }
    });
  });
}

describe('an address above the input range', () => {
  it('is looked up as the one below that it aliases, and edited by nobody after that', () => {
    for (const [size, ias] of [
      [PAGE, 32],
      [2 ** 21, 32],
      [GIB, 39],
    ] as const) {
      const { rig, table } = make({ ias });
      const beyond = 2 ** ias + size;
      expect(table.mapPages(size, 8 * GIB, size, 1, RW, Gfp.KERNEL)).toBe(0);
      expect(table.iovaToPhys(beyond)).toBe(8 * GIB);
      expect(table.unmapPages(beyond, size, 1, null)).toBe(0);
      expect(table.mapPages(beyond + size, 8 * GIB, size, 1, RW, Gfp.KERNEL)).toBe(-Errno.ERANGE);
      expect(rig.warnings).toEqual([WarningCode.UNMAP_RANGE, WarningCode.MAP_RANGE]);
      expect(table.iovaToPhys(size)).toBe(8 * GIB);
    }
  });
});

describe('a pgd of 32 bytes in a page of its own', () => {
  it('goes on to the end of the page, as in Linux: the caller asked for what is not there', () => {
    const { table } = make({});
    expect(table.mapPages(0, 0, GIB, 8, RW, Gfp.KERNEL)).toBe(0);
    expect(table.mapped).toBe(8 * GIB);
    expect(table.unmapPages(0, GIB, 8, null)).toBe(8 * GIB);
  });
});
