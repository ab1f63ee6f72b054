/** The whole way: the page-table editor stores through the CPU cache, the walker reads over the bus. */
import { describe, expect, it } from 'vitest';
import {
  Bus,
  BusView,
  CpuCache,
  type CpuCacheConfig,
  DEFAULT_DMA,
  DEFAULT_PAGE_COSTS,
  DmaApi,
  type DmaConfig,
  PAGE_SIZE,
  PageAllocator,
  Permission,
  PhysicalMemory,
  type TranslationRegime,
  Walker,
} from '../../../../emulator/index.ts';
import { allocIoPgtable, Gfp, type IoPgtable, Prot } from '../../../../formats/index.ts';

const IOVA = 0x40_0000_0000;
const PA = 0x10_0000_0000;
const PAGES = 600;
const PROT = Prot.READ | Prot.WRITE | Prot.CACHE;
const ENDLESS: CpuCacheConfig = { kind: 'endless', sets: 1, ways: 1, replacement: 'lru', seed: 1 };

interface Rig {
  table: IoPgtable;
  cache: CpuCache;
  dma: DmaApi;
  pages: PageAllocator;
  /** IOVAs that the walker does not translate as the table says, and the stale reads it made. */
  look(): { wrong: number; stale: number };
}

function rig(walk: 'coherent' | 'non-coherent', dmaConfig: Partial<DmaConfig> = {}, cacheConfig = ENDLESS): Rig {
  const memory = new PhysicalMemory({ banks: [{ base: 0x8000_0000, size: 0x400_0000, node: 0 }] });
  const cache = new CpuCache(memory, cacheConfig);
  const pages = new PageAllocator(memory, cache, { ...DEFAULT_PAGE_COSTS, minFreeKib: 0 });
  const dma = new DmaApi(cache, { ...DEFAULT_DMA, ...dmaConfig });
  const table = allocIoPgtable(
    {
      format: 'ARM_64_LPAE_S1',
      pageSizes: PAGE_SIZE + 2 ** 21 + 2 ** 30,
      ias: 48,
      oas: 48,
      coherentWalk: walk === 'coherent',
      tlb: { flushAll: () => {}, flushWalk: () => {}, addPage: () => {} },
    },
    {
      memory: cache,
      dma,
      pages,
      warn: (code) => {
        throw new Error(code);
      },
    },
    null,
  );
  const { registers } = table;
  const base = 'ttbr' in registers ? Number(registers.ttbr) : Number.NaN;
  const regime: TranslationRegime = {
    stage1: {
      stage: 1,
      family: 'lpae',
      root0: { base, granuleShift: 12, inputBits: 48, startLevel: 0, ignoreHierarchicalPermissions: false },
      root1: null,
      outputBits: 48,
      accessFlagFaults: true,
      hardwareAccessFlag: false,
      hardwareDirty: false,
      memoryAttributes: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      tag: 1,
      writeExecuteNever: false,
    },
    stage2: null,
    asid: 1,
    vmid: 0,
  };
  const port = new Bus(memory, cache).port('walker', walk === 'coherent' ? BusView.COHERENT : BusView.NON_COHERENT);
  port.checkStale = true;
  const walker = new Walker(port);
  const look = (): { wrong: number; stale: number } => {
    const before = port.staleReads;
    let wrong = 0;
    for (let page = 0; page < PAGES; page++) {
      const iova = IOVA + page * PAGE_SIZE;
      const expected = table.iovaToPhys(iova);
      const found = walker.translate(regime, iova, false, Permission.READ) ? walker.outputAddress : 0;
      if (found !== expected) wrong++;
    }
    return { wrong, stale: port.staleReads - before };
  };
  return { table, cache, dma, pages, look };
}

function map(table: IoPgtable): void {
  for (let page = 0; page < PAGES; page++) {
    table.mapPages(IOVA + page * PAGE_SIZE, PA + page * PAGE_SIZE, PAGE_SIZE, 1, PROT, Gfp.KERNEL);
  }
}

const unmapOdd = (table: IoPgtable): void => {
  for (let page = 1; page < PAGES; page += 2) table.unmapPages(IOVA + page * PAGE_SIZE, PAGE_SIZE, 1, null);
};

describe.each(['coherent', 'non-coherent'] as const)('a %s walk', (walk) => {
  it('translates as the table says after every edit', () => {
    const { table, look } = rig(walk);
    expect(look()).toEqual({ wrong: 0, stale: 0 });
    map(table);
    expect(look()).toEqual({ wrong: 0, stale: 0 });
    unmapOdd(table);
    expect(look()).toEqual({ wrong: 0, stale: 0 });
  });

  it('gives every page and every mapping back at teardown', () => {
    const { table, pages, dma } = rig(walk);
    map(table);
    expect(pages.stats.live).toBeGreaterThan(4);
    table.free();
    expect(pages.stats).toMatchObject({ live: 0, misuses: 0 });
    expect(dma.stats).toMatchObject({ live: 0, misuses: 0 });
  });
});

describe('a non-coherent walk with forgotten syncs', () => {
  it('reads stale descriptors, each of which is noticed, when every sync is forgotten', () => {
    const { table, look } = rig('non-coherent', { dropSyncFraction: 1 });
    map(table);
    const { wrong, stale } = look();
    expect(wrong).toBe(PAGES);
    expect(stale).toBe(PAGES);
  });

  it('is right again once the lines are cleaned', () => {
    const { table, cache, look } = rig('non-coherent', { dropSyncFraction: 1 });
    map(table);
    cache.clean(0x8000_0000, 0x400_0000);
    expect(look()).toEqual({ wrong: 0, stale: 0 });
  });

  it('shows fewer of them with a small cache, because its lines leave by themselves', () => {
    const faults = (config: CpuCacheConfig): number => {
      const { table, look } = rig('non-coherent', { dropSyncFraction: 1 }, config);
      map(table);
      return look().wrong;
    };
    const small = faults({ kind: 'finite', sets: 8, ways: 2, replacement: 'random', seed: 1 });
    expect(small).toBeGreaterThan(0);
    expect(small).toBeLessThan(faults(ENDLESS));
  });

  it('goes unharmed when the walk is coherent: nothing depends on a sync', () => {
    const { table, look } = rig('coherent', { dropSyncFraction: 1 });
    map(table);
    expect(look()).toEqual({ wrong: 0, stale: 0 });
  });
});
