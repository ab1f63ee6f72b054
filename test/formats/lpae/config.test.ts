/** What a configuration becomes, who allocates, and what is refused. */
import { describe, expect, it } from 'vitest';
import {
  allocIoPgtable,
  ConfigError,
  checkIoPgtableConfig,
  DMA_MAPPING_ERROR,
  Errno,
  errnoName,
  FormatCapability,
  formatCapabilities,
  Gfp,
  IO_PGTABLE_FORMATS,
  type IoPgtableConfig,
  type IoPgtableFormat,
  NO_PAGES,
  Prot,
  Quirk,
  TableMemoryError,
  WarningCode,
} from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const BASE: IoPgtableConfig = { format: 'ARM_64_LPAE_S1', pageSizes: PAGE + 2 ** 21 + 2 ** 30, ias: 39, oas: 48 };

function refusal(config: Partial<IoPgtableConfig>): string | null {
  return checkIoPgtableConfig({ ...BASE, ...config }).refusal?.message ?? null;
}

describe('the registry', () => {
  it('has all six formats; all but the short one take a custom allocator', () => {
    for (const format of IO_PGTABLE_FORMATS) {
      expect(formatCapabilities(format)).toBe(format === 'ARM_V7S' ? 0 : FormatCapability.CUSTOM_ALLOCATOR);
    }
  });

  it('refuses an unknown format by name', () => {
    for (const format of ['AMD_IOMMU_V1', 'constructor', '']) {
      expect(() => allocIoPgtable({ ...BASE, format: format as IoPgtableFormat }, new LpaeRig(), null)).toThrow(
        ConfigError,
      );
    }
    expect(refusal({ format: 'X' as IoPgtableFormat })).toMatch(/^format: found "X", allowed: ARM_32/);
  });

  it('refuses one allocator hook without the other, and both where the format cannot use them', () => {
    const rig = new LpaeRig();
    const alloc = rig.alloc.bind(rig);
    const free = rig.free.bind(rig);
    expect(refusal({ allocator: { alloc } })).toMatch(/^allocator: /);
    expect(refusal({ allocator: { free } })).toMatch(/^allocator: /);
    expect(refusal({ allocator: { alloc, free } })).toBe(null);
    expect(refusal({ format: 'ARM_V7S', ias: 32, oas: 32, allocator: { alloc, free } })).toMatch(/CUSTOM_ALLOCATOR/);
    expect(refusal({ format: 'ARM_V7S', ias: 32, oas: 32, allocator: {} })).toBe(null);
  });

  it('lets each format accept only its own quirks', () => {
    expect(refusal({ quirks: Quirk.ARM_NS | Quirk.ARM_TTBR1 | Quirk.ARM_HD })).toBe(null);
    expect(refusal({ quirks: Quirk.ARM_OUTER_WBWA })).toMatch(/^quirks/);
    expect(refusal({ quirks: Quirk.ARM_OUTER_WBWA, coherentWalk: false })).toBe(null);
    expect(refusal({ quirks: Quirk.NO_PERMS })).toMatch(/^quirks/);
    expect(refusal({ format: 'ARM_64_LPAE_S2', quirks: Quirk.ARM_NS })).toMatch(/^quirks/);
    expect(refusal({ format: 'ARM_MALI_LPAE', oas: 40, quirks: Quirk.ARM_NS })).toMatch(/^quirks/);
  });

  it('refuses a policy that there is not', () => {
    expect(refusal({ split: 'inplace' as 'in-place' })).toBe(
      'split: found "inplace", allowed: in-place, refuse, unmap-and-remap',
    );
    expect(refusal({ linux: '6.13' as '6.12' })).toMatch(/^linux: found "6.13"/);
    expect(refusal({ pgdSizing: 'page' as 'exact' })).toMatch(/^pgdSizing/);
  });

  it('refuses sizes that are no whole numbers, whatever the format', () => {
    for (const base of [{}, { format: 'ARM_V7S', pageSizes: 0x1111000, ias: 32, oas: 32 } as const]) {
      expect(refusal({ ...base, ias: 31.5 })).toBe('ias: found 31.5, allowed: a whole number of bits');
      expect(refusal({ ...base, oas: 31.5 })).toBe('oas: found 31.5, allowed: a whole number of bits');
      expect(refusal({ ...base, pageSizes: PAGE + 0.5 })).toMatch(/^pageSizes: found 4096.5, allowed: /);
      expect(refusal({ ...base, pageSizes: Number.POSITIVE_INFINITY })).toMatch(/^pageSizes/);
      expect(refusal({ ...base, quirks: 0.5 })).toMatch(/^quirks: found 0.5/);
    }
  });

  it('refuses an input size for which Linux would shift by a negative number', () => {
    expect(refusal({ ias: 2 })).toBe('ias: found 2, allowed: 3 to 48');
    expect(refusal({ ias: 3 })).toBe(null);
    expect(refusal({ format: 'ARM_MALI_LPAE', ias: 0, oas: 40 })).toBe(null);
    expect(refusal({ ias: Number.NaN })).toMatch(/^ias/);
  });
});

describe('tables', () => {
  /** Every allocation with its size and flags, and every free, from the hooks. */
  function hooked(config: Partial<IoPgtableConfig>) {
    const rig = new LpaeRig();
    const seen: string[] = [];
    const cookie = { owner: 'me' };
    const cookies = new Set<unknown>();
    const allocator = {
      alloc: (given: unknown, size: number, gfp: number) => {
        cookies.add(given);
        expect(gfp & Gfp.ZERO).toBe(Gfp.ZERO);
        seen.push(`alloc ${size} ${(gfp & Gfp.ATOMIC) === 0 ? 'kernel' : 'atomic'}`);
        return rig.alloc(given, size);
      },
      free: (given: unknown, pa: number, size: number) => {
        cookies.add(given);
        seen.push(`free ${size}`);
        rig.free(given, pa, size);
      },
    };
    const table = allocIoPgtable({ ...BASE, allocator, ...config }, rig, cookie);
    return { rig, table, seen, cookies, cookie };
  }

  it('all go through the hooks, with the pgd in its exact size and splits atomic, under one cookie', () => {
    const { table, seen, cookies, cookie, rig } = hooked({ ias: 32, oas: 32 });
    table.mapPages(0, 0, 2 ** 21, 1, Prot.READ, Gfp.KERNEL);
    table.unmapPages(0, PAGE, 1, null);
    table.mapPages(2 ** 30, 0, PAGE, 1, Prot.READ, Gfp.ATOMIC);
    table.free();
    expect(seen).toEqual([
      'alloc 32 kernel',
      'alloc 4096 kernel',
      'alloc 4096 atomic',
      'alloc 4096 atomic',
      'alloc 4096 atomic',
      ...['free 4096', 'free 4096', 'free 4096', 'free 4096', 'free 32'],
    ]);
    expect([...cookies]).toEqual([cookie]);
    expect(rig.live.size).toBe(0);
  });

  it('that are concatenated make a pgd larger than a page', () => {
    const { seen } = hooked({ format: 'ARM_64_LPAE_S2', ias: 43 });
    expect(seen).toEqual(['alloc 65536 kernel']);
  });

  for (const [pgdSizing, size] of [
    ['whole-page', 4096],
    ['exact', 32],
    ['slab', 32],
  ] as const) {
    it(`take ${size} bytes for a pgd of 32 bytes with pgdSizing '${pgdSizing}'`, () => {
      const rig = new LpaeRig();
      const table = rig.table({ ...BASE, ias: 32, oas: 32, pgdSizing });
      expect([...rig.live.values()]).toEqual([size]);
      table.free();
      expect(rig.live.size).toBe(0);
    });
  }

  it('smaller than a page come from the slabs where the machine has them', () => {
    const rig = new LpaeRig();
    const sizes: number[] = [];
    const slabs = {
      alloc: (cookie: unknown, size: number) => {
        sizes.push(size);
        return rig.alloc(cookie, size);
      },
      free: (cookie: unknown, pa: number, size: number) => rig.free(cookie, pa, size),
    };
    const machine = { memory: rig.memory, dma: rig, pages: rig, slabs, warn: () => {} };
    const table = allocIoPgtable({ ...BASE, ias: 32, oas: 32, pgdSizing: 'slab' }, machine, null);
    table.mapPages(0, 0, PAGE, 1, Prot.READ, Gfp.KERNEL);
    expect(sizes).toEqual([32]);
    table.free();
    expect(rig.live.size).toBe(0);
  });

  it('cannot be made without memory', () => {
    const rig = new LpaeRig();
    rig.failAfter = 1;
    expect(() => rig.table(BASE)).toThrow(TableMemoryError);
  });

  it('of the first level are refused, and given back, where the base register cannot hold their address', () => {
    const shift = (rig: LpaeRig, by: number) => ({
      alloc: (cookie: unknown, size: number) => rig.alloc(cookie, size) + by,
      free: (cookie: unknown, pa: number, size: number) => rig.free(cookie, pa - by, size),
    });
    // Bits 11:0 of Mali's TRANSTAB are modes: a pgd of 8 bytes anywhere in a page would change them.
    const mali = { ...BASE, format: 'ARM_MALI_LPAE', ias: 32, oas: 40 } as const;
    for (const by of [8, 64, 2048]) {
      const rig = new LpaeRig();
      expect(() => rig.table({ ...mali, allocator: shift(rig, by) })).toThrow(
        new ConfigError('allocator', 0x8000_0000 + by, 'a first-level table aligned to 4096 bytes'),
      );
      expect(rig.live.size).toBe(0);
    }
    const rig = new LpaeRig();
    rig.alloc(null, 8);
    expect(() => rig.table({ ...mali, pgdSizing: 'exact' })).toThrow(/^pgdSizing: found .* aligned to 4096 bytes$/);
    expect(rig.live.size).toBe(1);
    expect(rig.table(mali).registers).toMatchObject({ transtab: 0x8000_1000 + 3 + 4 + 16 });
    // The others take a table that is aligned to its size.
    const s2 = { ...BASE, format: 'ARM_64_LPAE_S2', ias: 40 } as const;
    const stage2 = new LpaeRig();
    expect(() => stage2.table({ ...s2, allocator: shift(stage2, 4096) })).toThrow(/aligned to 8192 bytes$/);
    const small = new LpaeRig();
    expect(() => small.table({ ...BASE, ias: 32, allocator: shift(small, 32) })).not.toThrow();
  });

  it('that the device cannot reach go back, and the map fails with ENOMEM', () => {
    const rig = new LpaeRig();
    const table = rig.table({ ...BASE, coherentWalk: false });
    rig.mapSingle = () => DMA_MAPPING_ERROR;
    const result = table.mapPages(0, 0, PAGE, 1, Prot.READ, Gfp.KERNEL);
    expect([result, errnoName(result), rig.live.size]).toEqual([-Errno.ENOMEM, 'ENOMEM', 1]);
  });

  it('whose bus address is another go back too, and the log says why', () => {
    const rig = new LpaeRig();
    const messages: string[] = [];
    const undone: number[] = [];
    const dma = {
      mapSingle: (pa: number) => (rig.live.size === 1 ? pa : pa + 2 ** 32),
      unmapSingle: (bus: number) => undone.push(bus),
      syncSingleForDevice: () => {},
    };
    const machine = { memory: rig.memory, dma, pages: rig, warn: () => {}, log: (text: string) => messages.push(text) };
    const table = allocIoPgtable({ ...BASE, coherentWalk: false }, machine, null);
    expect(table.mapPages(0, 0, PAGE, 1, Prot.READ, Gfp.KERNEL)).toBe(-Errno.ENOMEM);
    expect(messages).toEqual(['cannot accommodate DMA translation of page tables']);
    expect([undone.length, rig.live.size]).toEqual([1, 1]);
    expect(undone[0]).toBeGreaterThan(2 ** 32);
  });

  it('do not take a count of pages that is no whole number from 0 on', () => {
    for (const format of ['ARM_64_LPAE_S1', 'ARM_V7S'] as const) {
      const rig = new LpaeRig();
      const table = rig.table({ format, pageSizes: PAGE, ias: 32, oas: 32, contiguous: format !== 'ARM_V7S' });
      // The second call finds the table by the cursor.
      for (let call = 0; call < 2; call++) {
        for (const count of [-1, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          const where = [format, count];
          expect([...where, table.mapPages(PAGE, 0, PAGE, count, Prot.READ, Gfp.KERNEL)]).toEqual([
            ...where,
            -Errno.EINVAL,
          ]);
          expect(table.mapped).toBe(0);
          expect([...where, table.unmapPages(PAGE, PAGE, count, null)]).toEqual([...where, 0]);
          expect(rig.warnings.splice(0)).toEqual([WarningCode.MAP_PAGE_SIZE, WarningCode.UNMAP_PAGE_SIZE]);
        }
        expect(table.iovaToPhys(PAGE)).toBe(0);
        table.mapPages(0, 0, PAGE, 1, Prot.READ, Gfp.KERNEL);
        table.unmapPages(0, PAGE, 1, null);
        expect(rig.warnings).toEqual([]);
      }
    }
  });

  it('report what an unmap clears page by page, or run by run to whom takes runs', () => {
    for (const format of ['ARM_64_LPAE_S1', 'ARM_V7S'] as const) {
      const rig = new LpaeRig();
      const runs: number[][] = [];
      const inRuns = {
        flushAll: () => {},
        flushWalk: () => {},
        addPage: (_gather: unknown, iova: number, granule: number) => runs.push([iova, granule, 1]),
        addPages: (_gather: unknown, iova: number, granule: number, count: number) => runs.push([iova, granule, count]),
      };
      const config = { format, pageSizes: PAGE + 2 ** 20 + 2 ** 21, ias: 32, oas: 32 };
      const tables = [rig.table(config), allocIoPgtable({ ...config, tlb: inRuns }, rig, null)];
      for (const table of tables) {
        const block = format === 'ARM_V7S' ? 2 ** 20 : 2 ** 21;
        table.mapPages(0, 0, PAGE, 5, Prot.READ, Gfp.KERNEL);
        table.mapPages(block, 0, block, 1, Prot.READ, Gfp.KERNEL);
        const gather = { start: 2 ** 52, end: 0, pageSize: 0, queued: false };
        expect(table.unmapPages(PAGE, PAGE, 3, gather)).toBe(3 * PAGE);
        expect(table.unmapPages(block + PAGE, PAGE, 1, gather)).toBe(PAGE);
        table.unmapPages(0, PAGE, 1, { ...gather, queued: true });
      }
      const single = runs.flatMap(([iova = 0, granule = 0, count = 0]) =>
        Array.from(
          { length: count },
          (_, i) => `page 0x${(iova + i * granule).toString(16)} 0x${granule.toString(16)}`,
        ),
      );
      expect(runs.map(([, , count]) => count)).toEqual([3, 1]);
      expect(rig.flushes).toEqual(single);
    }
  });

  it('are asked for once when there is none', () => {
    expect(NO_PAGES).toBeLessThan(0);
    const { table, seen } = hooked({ ias: 48 });
    table.mapPages(0, 0, PAGE, 1, 0, Gfp.KERNEL);
    expect(seen).toEqual(['alloc 4096 kernel']);
  });
});
