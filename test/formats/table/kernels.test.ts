/** What the page-table code of Linux 6.1, 6.12 and 7.3 does differently, and the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkIoPgtableConfig,
  Errno,
  Gfp,
  type IoPgtable,
  type IoPgtableConfig,
  KERNELS,
  LINUX_VERSIONS,
  type LinuxVersion,
  Prot,
  Quirk,
  WarningCode,
} from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 4096;
const BLOCK = 2 ** 21;
const GIB = 2 ** 30;
const RW = Prot.READ | Prot.WRITE;
const BASE = { format: 'ARM_64_LPAE_S1', pageSizes: PAGE + BLOCK + GIB, ias: 48, oas: 48 } as const;

function make(linux: LinuxVersion, more: Partial<IoPgtableConfig> = {}): { rig: LpaeRig; table: IoPgtable } {
  const rig = new LpaeRig();
  return { rig, table: rig.table({ ...BASE, linux, ...more }) };
}

function refusal(config: Partial<IoPgtableConfig>): string | null {
  return checkIoPgtableConfig({ ...BASE, ...config }).refusal?.message ?? null;
}

const newGather = (queued: boolean) => ({ start: Number.MAX_SAFE_INTEGER, end: 0, pageSize: 0, queued });

describe('the profiles of kernels', () => {
  it('have a column each, and no two columns are alike', () => {
    expect(Object.keys(KERNELS)).toEqual([...LINUX_VERSIONS]);
    const columns = LINUX_VERSIONS.map((linux) => JSON.stringify(KERNELS[linux]));
    expect(new Set(columns).size).toBe(columns.length);
  });

  it('say what an unmap of part of a block does, unless the configuration says it', () => {
    expect(LINUX_VERSIONS.map((linux) => make(linux).table.config.split)).toEqual(['in-place', 'in-place', 'refuse']);
    expect(make('7.3', { split: 'unmap-and-remap' }).table.config.split).toBe('unmap-and-remap');
    expect(make('6.12', { split: 'refuse' }).table.config.split).toBe('refuse');
  });
});

describe('an unmap of part of a block in 7.3', () => {
  const gathers = { none: null, normal: newGather(false), queued: newGather(true) };
  for (const [name, gather] of Object.entries(gathers)) {
    for (const [size, part] of [
      [BLOCK, PAGE],
      [GIB, PAGE],
      [GIB, BLOCK],
    ] as const) {
      it(`is refused, and changes nothing (gather ${name}, 0x${part.toString(16)} of 0x${size.toString(16)})`, () => {
        const { rig, table } = make('7.3', { coherentWalk: false });
        table.mapPages(0, GIB, size, 1, RW, Gfp.KERNEL);
        const before = { ...table.stats };
        expect(table.unmapPages(part, part, 1, gather)).toBe(0);
        expect(rig.warnings).toEqual([WarningCode.SPLIT_REFUSED]);
        expect(rig.flushes).toEqual([]);
        expect(table.stats).toEqual({ ...before, warnings: 1 });
        expect(table.iovaToPhys(part)).toBe(GIB + part);
        expect(table.unmapPages(0, size, 1, null)).toBe(size);
      });
    }
  }

  it('leaves what came before it in the range unmapped, and tells the caller how much that is', () => {
    const { rig, table } = make('7.3');
    table.mapPages(BLOCK - 2 * PAGE, 0, PAGE, 2, RW, Gfp.KERNEL);
    table.mapPages(BLOCK, BLOCK, BLOCK, 1, RW, Gfp.KERNEL);
    expect(table.unmapPages(BLOCK - 2 * PAGE, PAGE, 4, null)).toBe(2 * PAGE);
    expect(rig.warnings).toEqual([]);
    expect(table.unmapPages(BLOCK, PAGE, 2, null)).toBe(0);
    expect(rig.warnings).toEqual([WarningCode.SPLIT_REFUSED]);
  });

  it('is not silenced by NO_WARN', () => {
    const { rig, table } = make('7.3', { quirks: Quirk.NO_WARN });
    table.mapPages(0, 0, BLOCK, 1, RW, Gfp.KERNEL);
    expect(table.unmapPages(0, PAGE, 1, null)).toBe(0);
    expect(rig.warnings).toEqual([WarningCode.SPLIT_REFUSED]);
  });
});

describe('an unmap of a block size over a table', () => {
  for (const linux of LINUX_VERSIONS) {
    it(`clears the entry, flushes partial walks, and frees the table, also with a queued gather (${linux})`, () => {
      const { rig, table } = make(linux);
      table.mapPages(0, 0, PAGE, 512, RW, Gfp.KERNEL);
      expect(table.liveTables).toBe(4);
      expect(table.unmapPages(0, BLOCK, 1, newGather(true))).toBe(BLOCK);
      expect(table.liveTables).toBe(3);
      expect(rig.flushes).toEqual(['walk 0x0 0x200000']);
    });
  }
});

describe('pages that go without a gather', () => {
  it('are reported by 6.1 alone', () => {
    const reports = LINUX_VERSIONS.map((linux) => {
      const { rig, table } = make(linux);
      table.mapPages(0, 0, PAGE, 3, RW, Gfp.KERNEL);
      table.unmapPages(0, PAGE, 1, null);
      table.unmapPages(PAGE, PAGE, 2, null);
      return rig.flushes.length;
    });
    expect(reports).toEqual([3, 0, 0]);
  });
});

describe('the quirk NO_WARN', () => {
  it('is taken by the four LPAE formats of 7.3, and by no other', () => {
    const lpae = ['ARM_64_LPAE_S1', 'ARM_64_LPAE_S2', 'ARM_32_LPAE_S1', 'ARM_32_LPAE_S2'] as const;
    for (const format of lpae) {
      const config = { format, ias: 32, oas: 40, quirks: Quirk.NO_WARN };
      expect(refusal({ ...config, linux: '7.3' })).toBe(null);
      expect(refusal({ ...config, linux: '6.12' })).toMatch(/^quirks/);
    }
    expect(refusal({ format: 'ARM_MALI_LPAE', oas: 40, quirks: Quirk.NO_WARN, linux: '7.3' })).toMatch(/^quirks/);
    const v7s = { format: 'ARM_V7S', pageSizes: 0x111_1000, ias: 32, oas: 32 } as const;
    expect(refusal({ ...v7s, quirks: Quirk.NO_WARN, linux: '7.3' })).toMatch(/^quirks/);
  });

  it('silences what is there already and holes, and nothing else; results stay', () => {
    const outcomes = [0, Quirk.NO_WARN].map((quirks) => {
      const { rig, table } = make('7.3', { quirks });
      table.mapPages(0, 0, PAGE, 1, RW, Gfp.KERNEL);
      table.mapPages(GIB, 0, GIB, 1, RW, Gfp.KERNEL);
      const results = [
        table.mapPages(0, 0, PAGE, 1, RW, Gfp.KERNEL),
        table.mapPages(GIB, 0, PAGE, 1, RW, Gfp.KERNEL),
        table.unmapPages(5 * PAGE, PAGE, 1, null),
        table.unmapPages(0, PAGE, 3, null),
        table.mapPages(0, 0, 3 * PAGE, 1, RW, Gfp.KERNEL),
        table.mapPages(2 ** 48, 0, PAGE, 1, RW, Gfp.KERNEL),
        table.unmapPages(2 ** 48, PAGE, 1, null),
        table.unmapPages(GIB, PAGE, 1, null),
        table.readAndClearDirty(0, 0, 0, { record: () => {} }),
      ];
      return { results, warnings: rig.warnings };
    });
    expect(outcomes[1]?.results).toEqual(outcomes[0]?.results);
    expect(outcomes[0]?.warnings).toEqual([
      WarningCode.LEAF_EXISTS,
      WarningCode.BLOCK_IN_THE_WAY,
      WarningCode.UNMAP_HOLE,
      WarningCode.UNMAP_HOLE,
      ...(outcomes[1]?.warnings ?? []),
    ]);
    expect(outcomes[1]?.warnings).toEqual([
      WarningCode.MAP_PAGE_SIZE,
      WarningCode.MAP_RANGE,
      WarningCode.UNMAP_RANGE,
      WarningCode.SPLIT_REFUSED,
      WarningCode.DIRTY_SIZE,
    ]);
  });
});

describe('the quirk ARM_S2FWB', () => {
  const stage2 = { format: 'ARM_64_LPAE_S2', linux: '7.3' } as const;

  it('is taken by stage 2 of 7.3 alone', () => {
    expect(refusal({ ...stage2, quirks: Quirk.ARM_S2FWB })).toBe(null);
    expect(refusal({ ...stage2, quirks: Quirk.ARM_S2FWB, linux: '6.12' })).toBe(
      'quirks: found 256, allowed: 0: ARM_64_LPAE_S2 has none',
    );
    expect(refusal({ linux: '7.3', quirks: Quirk.ARM_S2FWB })).toMatch(/^quirks.*NO_WARN 0x200$/);
  });

  it('changes MemAttr of cacheable memory to 6, and no other leaf or register', () => {
    const memAttr = (quirks: number, prot: number): number => {
      const { table } = make('7.3', { ...stage2, quirks });
      table.mapPages(0, 0, PAGE, 1, prot, Gfp.KERNEL);
      let found = -1;
      table.visitLeaves((_iova, _pa, _size, _level, low) => {
        found = (low >>> 2) & 15;
      });
      return found;
    };
    const prots = [RW, RW | Prot.CACHE, RW | Prot.MMIO, RW | Prot.MMIO | Prot.CACHE];
    expect(prots.map((prot) => memAttr(0, prot))).toEqual([5, 15, 1, 1]);
    expect(prots.map((prot) => memAttr(Quirk.ARM_S2FWB, prot))).toEqual([5, 6, 1, 1]);
    const registers = [0, Quirk.ARM_S2FWB].map((quirks) => make('7.3', { ...stage2, quirks }).table.registers);
    expect(registers[1]).toEqual(registers[0]);
  });
});

describe('where a stage-2 table starts', () => {
  const shape = (linux: LinuxVersion, pageSizes: number, ias: number, oas: number): number[] | null => {
    const config = { format: 'ARM_64_LPAE_S2', pageSizes, ias, oas, linux } as const;
    if (refusal(config) !== null) return null;
    const { startLevel, pgdSize } = make(linux, config).table.geometry;
    return [startLevel, pgdSize / 8];
  };

  it('is at level 1 of joined tables in 6.12 wherever 16 are enough, in 7.3 where an output size demands it', () => {
    for (const ias of [40, 41, 42, 43]) {
      for (const oas of [32, 36, 40, 42, 44, 48]) {
        const joined = [1, 512 * 2 ** (ias - 39)];
        expect(shape('6.12', PAGE, ias, oas)).toEqual(joined);
        expect(shape('7.3', PAGE, ias, oas)).toEqual(oas === 40 || oas === 42 ? joined : [0, 2 ** (ias - 39)]);
      }
    }
    for (const ias of [37, 38, 39, 40]) {
      expect(shape('6.12', 16384, ias, 40)).toEqual([1, 2 ** (ias - 36)]);
      expect(shape('7.3', 16384, ias, 40)).toEqual([2, 2048 * 2 ** (ias - 36)]);
      expect(shape('7.3', 16384, ias, 44)).toEqual([1, 2 ** (ias - 36)]);
    }
    expect(shape('7.3', 16384, 48, 48)).toEqual([1, 4096]);
    expect(shape('7.3', 16384, 48, 44)).toEqual([1, 4096]);
  });

  it('cannot be where 16 joined tables are not enough, and 7.3 warns of it', () => {
    for (const [size, ias, oas] of [
      [PAGE, 44, 40],
      [PAGE, 48, 42],
      [16384, 41, 40],
      [16384, 47, 40],
    ] as const) {
      expect(shape('6.12', size, ias, oas)).not.toBe(null);
      expect(shape('7.3', size, ias, oas)).toBe(null);
      const rig = new LpaeRig();
      const config = { format: 'ARM_64_LPAE_S2', pageSizes: size, ias, oas, linux: '7.3' } as const;
      expect(() => rig.table(config)).toThrow(`ias: found ${ias}, allowed: a size that needs at most 16 joined tables`);
      expect(rig.warnings).toEqual([WarningCode.TOO_MANY_CONCATENATED]);
      expect(rig.live.size).toBe(0);
    }
  });

  it('says so in SL0: the first level is read back from it', () => {
    const registers = make('7.3', { format: 'ARM_64_LPAE_S2', ias: 40, oas: 44 }).table.registers;
    expect(registers.kind === 'stage-2' && registers.vtcr.sl).toBe(2);
  });

  it('maps and finds every page of a small space the same in both kernels', () => {
    const page = fc.record({ iova: fc.nat(2 ** 31 - 1), pa: fc.nat(2 ** 27 - 1), block: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(page, { maxLength: 30 }),
        fc.constantFrom(40, 43),
        fc.constantFrom(40, 44),
        (pages, ias, oas) => {
          const tables = (['6.12', '7.3'] as const).map(
            (linux) => make(linux, { format: 'ARM_64_LPAE_S2', ias, oas }).table,
          );
          for (const { iova, pa, block } of pages) {
            const size = block ? BLOCK : PAGE;
            const at = Math.floor((iova * PAGE) / size) * size;
            const results = tables.map((table) => table.mapPages(at, pa * 512, size, 1, RW, Gfp.KERNEL));
            expect(results[1]).toBe(results[0]);
            expect(tables[1]?.iovaToPhys(at + 77)).toBe(tables[0]?.iovaToPhys(at + 77));
          }
        },
      ),
      { seed: 21, numRuns: 40 },
    );
  });
});

describe('the memory of tables', () => {
  /** Bytes asked for and mapped for the device while a table with a short first level is made and freed. */
  function lengths(linux: LinuxVersion, hooks: boolean, ias = 32): number[][] {
    const rig = new LpaeRig();
    const asked: number[] = [];
    const mapped: number[] = [];
    const source = { alloc: rig.alloc.bind(rig), free: rig.free.bind(rig) };
    const alloc = (cookie: unknown, size: number): number => {
      asked.push(size);
      return source.alloc(cookie, size);
    };
    const free = (cookie: unknown, pa: number, size: number): void => {
      asked.push(-size);
      source.free(cookie, pa, size);
    };
    const map = rig.mapSingle.bind(rig);
    rig.mapSingle = (pa, size) => {
      mapped.push(size);
      return map(pa, size);
    };
    const allocator = hooks ? { alloc, free } : null;
    const table = rig.table({ ...BASE, linux, ias, coherentWalk: false, allocator });
    table.free();
    expect(rig.live.size).toBe(0);
    return [asked, mapped];
  }

  it('is at least 64 bytes with hooks in 7.3, the exact size before', () => {
    expect(lengths('6.12', true)).toEqual([[32, -32], [32]]);
    expect(lengths('7.3', true)).toEqual([[64, -64], [64]]);
    expect(lengths('7.3', true, 34)).toEqual([[128, -128], [128]]);
  });

  it('is mapped for the device as whole pages without hooks in 7.3, at its exact size before', () => {
    expect(lengths('6.12', false)[1]).toEqual([32]);
    expect(lengths('7.3', false)[1]).toEqual([4096]);
    expect(lengths('7.3', false, 43)[1]).toEqual([4096]);
  });

  it('with another bus address is given back: 7.3 warns without hooks, and unmaps before it logs', () => {
    const run = (linux: LinuxVersion, hooks: boolean): string[] => {
      const rig = new LpaeRig();
      const seen: string[] = [];
      const allocator = hooks ? { alloc: rig.alloc.bind(rig), free: rig.free.bind(rig) } : null;
      const dma = {
        mapSingle: (pa: number) => pa + PAGE,
        unmapSingle: () => seen.push('unmap'),
        syncSingleForDevice: () => {},
      };
      const machine = {
        memory: rig.memory,
        dma,
        pages: rig,
        warn: (code: string) => seen.push(code),
        log: () => seen.push('log'),
      };
      const config = { ...BASE, linux, coherentWalk: false, allocator };
      expect(() => rig.table.call(Object.assign(Object.create(rig), machine), config)).toThrow('no memory');
      expect(rig.live.size).toBe(0);
      return seen;
    };
    expect(run('6.12', false)).toEqual(['log', 'unmap']);
    expect(run('7.3', true)).toEqual(['log', 'unmap']);
    expect(run('7.3', false)).toEqual([WarningCode.BUS_ADDRESS, 'unmap', 'log']);
  });
});

describe('walks', () => {
  /** Stores a descriptor where the last level of `iova` is. */
  function poke(rig: LpaeRig, table: IoPgtable, iova: number, low: number, high = 0): void {
    let entry = -1;
    table.visitTables((pa, level, _size, start) => {
      if (level === 3 && iova >= start && iova < start + BLOCK) entry = pa + 8 * ((iova - start) / PAGE);
    });
    const at = rig.memory.index(entry);
    rig.memory.words[at] = low;
    rig.memory.words[at + 1] = high;
  }

  it('report the descriptor of every level they come to, also of the hole at which they end', () => {
    const { table } = make('7.3');
    table.mapPages(GIB, 5 * PAGE, PAGE, 1, RW, Gfp.KERNEL);
    const found = new Uint32Array(8).fill(7);
    expect(table.pgtableWalk(GIB, found)).toBe(0);
    expect([found[0], found[2], found[4]].map((low) => (low ?? 0) & 3)).toEqual([3, 3, 3]);
    expect((found[6] ?? 0) & 0xfffff003).toBe(5 * PAGE + 3);
    found.fill(7);
    expect(table.pgtableWalk(0, found)).toBe(-Errno.EINVAL);
    expect([...found.subarray(2)]).toEqual([0, 0, 7, 7, 7, 7]);
    expect(table.pgtableWalk(2 ** 64, found.fill(7))).toBe(0);
    expect([...found]).toEqual(new Array(8).fill(7));
  });

  it('stop at an invalid entry that is not zero; 6.12 took it for a table in iova_to_phys', () => {
    const results = LINUX_VERSIONS.map((linux) => {
      const { rig, table } = make(linux);
      table.mapPages(0, 9 * PAGE, PAGE, 1, RW, Gfp.KERNEL);
      let root = -1;
      let second = 0;
      table.visitTables((pa, level) => {
        if (level === 0) root = pa;
        if (level === 1) second = pa;
      });
      // The entry keeps its address, and loses its type.
      const at = rig.memory.index(root);
      rig.memory.words[at] = second + 2;
      table.entriesChanged();
      return table.iovaToPhys(0);
    });
    expect(results).toEqual([9 * PAGE, 9 * PAGE, 0]);
  });

  it('to the last address of all end before they begin in 7.3: the offset bits of a level-0 block come out', () => {
    expect(make('7.3').table.iovaToPhys(2 ** 64)).toBe(0x7f_ffff_ffff);
    expect(make('6.12').table.iovaToPhys(2 ** 64)).toBe(0);
    const upper = { quirks: Quirk.ARM_TTBR1, ias: 39 };
    expect(make('7.3', upper).table.iovaToPhys(2 ** 39 - 1)).toBe(0x7f_ffff_ffff);
    const { table } = make('6.12', upper);
    table.mapPages(2 ** 39 - PAGE, PAGE, PAGE, 1, RW, Gfp.KERNEL);
    expect(table.iovaToPhys(2 ** 39 - 1)).toBe(2 * PAGE - 1);
    expect(table.iovaToPhys(2 ** 64)).toBe(2 * PAGE - 1);
  });

  it('for dirty pages end at a hole with -EINVAL; 7.3 does not warn', () => {
    const warnings = LINUX_VERSIONS.map((linux) => {
      const { rig, table } = make(linux, { quirks: Quirk.ARM_HD });
      table.mapPages(0, 0, PAGE, 2, RW, Gfp.KERNEL);
      const seen: number[] = [];
      expect(table.readAndClearDirty(0, 4 * PAGE, 0, { record: (iova) => seen.push(iova) })).toBe(-Errno.EINVAL);
      expect(seen).toEqual([0, PAGE]);
      return rig.warnings.length;
    });
    expect(warnings).toEqual([1, 1, 0]);
  });

  it('agree with each other wherever a page is mapped, and on 0 and -EINVAL wherever none is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2 ** 20 - 4), { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(2 ** 20 - 1), { maxLength: 30 }),
        (pages, lookups) => {
          const { table } = make('7.3', { ias: 32, quirks: Quirk.NO_WARN });
          for (const page of pages) table.mapPages(page * PAGE, (page + 3) * PAGE, PAGE, 1, RW, Gfp.KERNEL);
          for (const page of [...pages, ...lookups]) {
            const descriptors = new Uint32Array(8);
            const result = table.pgtableWalk(page * PAGE, descriptors);
            const mapped = pages.includes(page);
            expect(result).toBe(mapped ? 0 : -Errno.EINVAL);
            expect(table.iovaToPhys(page * PAGE + 8)).toBe(mapped ? (page + 3) * PAGE + 8 : 0);
            if (mapped) expect((descriptors[6] ?? 0) >>> 12).toBe(page + 3);
          }
        },
      ),
      { seed: 22, numRuns: 50 },
    );
  });

  it('do not follow a leaf that was poked away, however often it was looked up before', () => {
    for (const linux of LINUX_VERSIONS) {
      const { rig, table } = make(linux);
      table.mapPages(0, PAGE, PAGE, 8, RW, Gfp.KERNEL);
      for (let i = 0; i < 4; i++) expect(table.iovaToPhys(3 * PAGE)).toBe(4 * PAGE);
      poke(rig, table, 3 * PAGE, 0);
      expect(table.iovaToPhys(3 * PAGE)).toBe(0);
      expect(table.iovaToPhys(4 * PAGE)).toBe(5 * PAGE);
    }
  });
});

describe('short descriptors in 7.3', () => {
  const MIB = 2 ** 20;
  const v7s = { format: 'ARM_V7S', pageSizes: 0x111_1000, ias: 32, oas: 32, linux: '7.3' } as const;

  for (const [leaf, part] of [
    [MIB, PAGE],
    [MIB, 16 * PAGE],
    [16 * MIB, MIB],
    [16 * MIB, PAGE],
    [16 * PAGE, PAGE],
  ] as const) {
    it(`keep a leaf of 0x${leaf.toString(16)} of which 0x${part.toString(16)} are unmapped`, () => {
      const rig = new LpaeRig();
      const table = rig.table(v7s);
      table.mapPages(0, 0x4000_0000, leaf, 1, RW, Gfp.KERNEL);
      const tables = table.liveTables;
      expect(table.unmapPages(0, part, 1, newGather(false))).toBe(0);
      expect([rig.warnings, rig.flushes, table.liveTables]).toEqual([[WarningCode.SPLIT_REFUSED], [], tables]);
      expect(table.iovaToPhys(leaf - 1)).toBe(0x4000_0000 + leaf - 1);
    });
  }

  it('unmap sixteen pages as one of 64 KiB, and sixteen sections as one of 16 MiB', () => {
    const rig = new LpaeRig();
    const table = rig.table(v7s);
    table.mapPages(0, 0, PAGE, 16, RW, Gfp.KERNEL);
    expect(table.unmapPages(0, 16 * PAGE, 1, null)).toBe(16 * PAGE);
    table.mapPages(16 * MIB, 0, MIB, 16, RW, Gfp.KERNEL);
    expect(table.unmapPages(16 * MIB, 16 * MIB, 1, null)).toBe(16 * MIB);
    expect(rig.warnings).toEqual([]);
  });
});
