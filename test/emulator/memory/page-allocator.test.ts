import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_PAGE_COSTS,
  MAX_ORDER,
  orderOf,
  PAGE_SIZE,
  PageAllocator,
  type PageAllocatorConfig,
  PageMisuse,
  PhysicalMemory,
  type RamBank,
} from '../../../emulator/index.ts';
import { ConfigError, Gfp, NO_PAGES } from '../../../formats/index.ts';

const MIB = 2 ** 20;
const noReserve: PageAllocatorConfig = { ...DEFAULT_PAGE_COSTS, minFreeKib: 0 };

function allocatorOn(banks: RamBank[], config = noReserve): { memory: PhysicalMemory; allocator: PageAllocator } {
  const memory = new PhysicalMemory({ banks });
  return { memory, allocator: new PageAllocator(memory, memory, config) };
}

const oneBank = (size: number): RamBank[] => [{ base: 0x8000_0000, size, node: 0 }];
const freeByOrder = (allocator: PageAllocator): number[][] =>
  allocator.zones.map((zone) => Array.from({ length: MAX_ORDER + 1 }, (_, order) => zone.freeBlocks(order)));

describe('orders', () => {
  it.each([
    [1, 0],
    [4096, 0],
    [4097, 1],
    [8192, 1],
    [0x10000, 4],
    [4 * MIB, 10],
  ])('%d bytes need order %d', (size, order) => expect(orderOf(size)).toBe(order));

  it('refuses more than the largest block', () => {
    const { allocator } = allocatorOn(oneBank(64 * MIB));
    expect(allocator.alloc(null, 4 * MIB, Gfp.KERNEL)).not.toBe(NO_PAGES);
    expect(allocator.alloc(null, 4 * MIB + 1, Gfp.KERNEL)).toBe(NO_PAGES);
    expect(allocator.stats.failures).toBe(1);
  });
});

describe('buddy system', () => {
  it('never hands out overlapping or misaligned blocks, and merges back to what it was when all is returned', () => {
    const step = fc.record({ take: fc.boolean(), order: fc.nat(MAX_ORDER), pick: fc.nat(1000) });
    fc.assert(
      // A bank that begins and ends in the middle of a largest block, and one across 4 GiB.
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { allocator } = allocatorOn([
          { base: 0x8001_0000, size: 9 * MIB, node: 0 },
          { base: 0xffff_0000, size: 6 * MIB, node: 0 },
        ]);
        const before = freeByOrder(allocator);
        const free = allocator.freeBytes;
        const live: { pa: number; order: number }[] = [];
        const owner = new Map<number, number>();
        for (const { take, order, pick } of steps) {
          if (take) {
            const pa = allocator.allocOrder(order, Gfp.KERNEL);
            if (pa === NO_PAGES) continue;
            expect(pa % (PAGE_SIZE * 2 ** order)).toBe(0);
            for (let page = 0; page < 2 ** order; page++) {
              expect(owner.has(pa + page * PAGE_SIZE)).toBe(false);
              owner.set(pa + page * PAGE_SIZE, pa);
            }
            live.push({ pa, order });
          } else if (live.length > 0) {
            const [gone] = live.splice(pick % live.length, 1);
            if (gone === undefined) continue;
            for (let page = 0; page < 2 ** gone.order; page++) owner.delete(gone.pa + page * PAGE_SIZE);
            allocator.freeOrder(gone.pa, gone.order);
          }
          expect(allocator.freeBytes).toBe(free - owner.size * PAGE_SIZE);
          expect(allocator.stats.liveBytes).toBe(owner.size * PAGE_SIZE);
        }
        for (const { pa, order } of live) allocator.freeOrder(pa, order);
        expect(freeByOrder(allocator)).toEqual(before);
        expect(allocator.stats.misuses).toBe(0);
        expect(allocator.stats.splits).toBe(allocator.stats.merges);
      }),
      { numRuns: 60 },
    );
  });

  it('gives every page of a ragged zone before it fails', () => {
    const { allocator } = allocatorOn([{ base: 0x8003_0000, size: 5 * MIB + 0x10000, node: 0 }]);
    const seen = new Set<number>();
    for (let pa = allocator.alloc(null, PAGE_SIZE, 0); pa !== NO_PAGES; pa = allocator.alloc(null, PAGE_SIZE, 0))
      seen.add(pa);
    expect(seen.size).toBe((5 * MIB + 0x10000) / PAGE_SIZE);
  });

  it('hands out first what was freed last', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB));
    const first = allocator.alloc(null, PAGE_SIZE, 0);
    allocator.alloc(null, PAGE_SIZE, 0);
    allocator.free(null, first, PAGE_SIZE);
    expect(allocator.alloc(null, PAGE_SIZE, 0)).toBe(first);
  });

  it('fills memory from its lowest address', () => {
    const { allocator } = allocatorOn(oneBank(64 * MIB));
    for (let i = 0; i < 3000; i++) expect(allocator.alloc(null, PAGE_SIZE, 0)).toBe(0x8000_0000 + i * PAGE_SIZE);
  });
});

describe('misuse', () => {
  const misuses = (act: (allocator: PageAllocator) => void): string[] => {
    const { allocator } = allocatorOn(oneBank(16 * MIB));
    const seen: string[] = [];
    allocator.onMisuse = (kind, pa, size) => seen.push(`${kind} 0x${pa.toString(16)} ${size}`);
    act(allocator);
    expect(allocator.stats.misuses).toBe(seen.length);
    return seen;
  };

  it('names a double free, also after the page was merged into a larger block', () => {
    const seen = misuses((allocator) => {
      allocator.alloc(null, PAGE_SIZE, 0);
      const second = allocator.alloc(null, PAGE_SIZE, 0);
      allocator.free(null, second, PAGE_SIZE);
      allocator.free(null, second, PAGE_SIZE);
      allocator.free(null, second - PAGE_SIZE, PAGE_SIZE);
      allocator.free(null, second, PAGE_SIZE);
    });
    expect(seen).toEqual([`${PageMisuse.DOUBLE_FREE} 0x80001000 4096`, `${PageMisuse.DOUBLE_FREE} 0x80001000 4096`]);
  });

  it('names a free of a page that was never allocated as a double free, for it is free', () => {
    expect(misuses((allocator) => allocator.free(null, 0x8080_0000, PAGE_SIZE))).toEqual([
      `${PageMisuse.DOUBLE_FREE} 0x80800000 4096`,
    ]);
  });

  it('names a wrong size and keeps the block', () => {
    const seen = misuses((allocator) => {
      const pa = allocator.alloc(null, 2 * PAGE_SIZE, 0);
      allocator.free(null, pa, PAGE_SIZE);
      expect(allocator.stats.live).toBe(1);
      allocator.free(null, pa, 2 * PAGE_SIZE);
      expect(allocator.stats.live).toBe(0);
    });
    expect(seen).toEqual([`${PageMisuse.WRONG_SIZE} 0x80000000 4096`]);
  });

  it('names an address inside a block, off a page, or outside RAM', () => {
    const seen = misuses((allocator) => {
      const pa = allocator.alloc(null, 4 * PAGE_SIZE, 0);
      allocator.free(null, pa + PAGE_SIZE, PAGE_SIZE);
      allocator.free(null, pa + 64, PAGE_SIZE);
      allocator.free(null, 0x1000, PAGE_SIZE);
    });
    expect(seen.map((text) => text.split(' ')[0])).toEqual(Array(3).fill(PageMisuse.NOT_ALLOCATED));
  });
});

describe('zones and nodes', () => {
  it('keeps DMA32 requests below 4 GiB and prefers memory above it for others', () => {
    const { allocator } = allocatorOn([{ base: 0xff00_0000, size: 32 * MIB, node: 0 }]);
    expect(allocator.alloc(null, PAGE_SIZE, Gfp.KERNEL)).toBe(2 ** 32);
    const low: number[] = [];
    for (let pa = allocator.alloc(null, MIB, Gfp.DMA32); pa !== NO_PAGES; pa = allocator.alloc(null, MIB, Gfp.DMA32))
      low.push(pa);
    expect(low).toHaveLength(16);
    expect(Math.max(...low)).toBeLessThan(2 ** 32);
  });

  it('takes from the asked node first, then from another', () => {
    const { allocator } = allocatorOn([
      { base: 0x1_0000_0000, size: 4 * MIB, node: 0 },
      { base: 0x2_0000_0000, size: 4 * MIB, node: 1 },
    ]);
    expect(allocator.allocOrder(10, 0, 1)).toBe(0x2_0000_0000);
    expect(allocator.allocOrder(10, 0, 1)).toBe(0x1_0000_0000);
    expect(allocator.allocOrder(0, 0, 1)).toBe(NO_PAGES);
  });

  it('leaves the reserved start of RAM alone', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB), { ...noReserve, reservedBytes: 5 * MIB });
    expect(allocator.freeBytes).toBe(11 * MIB);
    expect(allocator.alloc(null, PAGE_SIZE, 0)).toBeGreaterThanOrEqual(0x8000_0000 + 5 * MIB);
  });

  it('refuses a reservation of all RAM', () => {
    expect(() => allocatorOn(oneBank(MIB), { ...noReserve, reservedBytes: MIB })).toThrow(ConfigError);
  });
});

describe('zeroing', () => {
  it('zeroes a dirty page that is asked for with ZERO, and only then', () => {
    const { memory, allocator } = allocatorOn(oneBank(16 * MIB));
    const pa = allocator.alloc(null, 0x20000, 0);
    for (const offset of [0, 0xfffc, 0x10000, 0x1fffc]) memory.write32(pa + offset, 0xdead_beef);
    allocator.free(null, pa, 0x20000);
    expect(allocator.alloc(null, 0x20000, 0)).toBe(pa);
    expect(memory.read32(pa + 0x1fffc)).toBe(0xdead_beef);
    allocator.free(null, pa, 0x20000);
    expect(allocator.alloc(null, 0x20000, Gfp.ZERO)).toBe(pa);
    for (const offset of [0, 0xfffc, 0x10000, 0x1fffc]) expect(memory.read32(pa + offset)).toBe(0);
    expect(allocator.stats.zeroedBytes).toBe(0x20000);
  });
});

describe('pressure', () => {
  const config = { ...noReserve, minFreeKib: 1024 };
  const drain = (allocator: PageAllocator, gfp: number): number[] => {
    const got: number[] = [];
    for (let pa = allocator.alloc(null, PAGE_SIZE, gfp); pa !== NO_PAGES; pa = allocator.alloc(null, PAGE_SIZE, gfp))
      got.push(pa);
    return got;
  };

  it('keeps the min watermark from callers that may sleep, and half of it from atomic ones', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB), config);
    drain(allocator, Gfp.KERNEL);
    expect(allocator.freeBytes).toBe(MIB);
    drain(allocator, Gfp.ATOMIC);
    expect(allocator.freeBytes).toBe(MIB / 2);
  });

  it('asks for reclaim, and goes on with what reclaim freed', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB), config);
    const held = drain(allocator, Gfp.KERNEL);
    const asked: number[] = [];
    allocator.onReclaim = (order) => {
      asked.push(order);
      for (const pa of held.splice(0, 8)) allocator.free(null, pa, PAGE_SIZE);
      return 8;
    };
    const cycles = allocator.stats.cycles;
    expect(allocator.alloc(null, PAGE_SIZE, Gfp.KERNEL)).not.toBe(NO_PAGES);
    expect(asked).toEqual([0]);
    expect(allocator.stats.reclaimedPages).toBe(8);
    expect(allocator.stats.cycles - cycles).toBeGreaterThanOrEqual(config.reclaimCycles);
  });

  it('never reclaims for atomic callers, nor from inside reclaim', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB), config);
    drain(allocator, Gfp.ATOMIC);
    let calls = 0;
    allocator.onReclaim = () => {
      calls++;
      expect(allocator.alloc(null, PAGE_SIZE, Gfp.KERNEL)).toBe(NO_PAGES);
      return 0;
    };
    expect(allocator.alloc(null, PAGE_SIZE, Gfp.ATOMIC)).toBe(NO_PAGES);
    expect(calls).toBe(0);
    expect(allocator.alloc(null, PAGE_SIZE, Gfp.KERNEL)).toBe(NO_PAGES);
    expect(calls).toBe(1);
  });

  it('wakes the background shrinker below the low watermark, before anything fails', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB), config);
    let freeAtWake = 0;
    allocator.onPressure = (zone) => {
      freeAtWake ||= zone.freePages * PAGE_SIZE;
    };
    drain(allocator, Gfp.KERNEL);
    expect(freeAtWake).toBe(MIB + MIB / 4);
  });
});

describe('fragmentation', () => {
  it('reads 0 unusable memory when fresh, nearly all when every other page is taken, and says so in the index', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB));
    const [zone] = allocator.zones;
    if (zone === undefined) throw new Error('no zone');
    expect(zone.unusableShare(MAX_ORDER)).toBe(0);
    expect(zone.fragmentationIndex(MAX_ORDER)).toBe(-1);
    const pages = Array.from({ length: 4096 }, () => allocator.alloc(null, PAGE_SIZE, 0));
    for (let i = 0; i < pages.length; i += 2) allocator.free(null, pages[i] as number, PAGE_SIZE);
    expect(zone.unusableShare(1)).toBe(1);
    // 2048 pages in 2048 blocks, two pages wanted: 1 - (1 + 1024) / 2048.
    expect(zone.fragmentationIndex(1)).toBeCloseTo(1 - 1025 / 2048, 12);
    expect(allocator.allocOrder(1, Gfp.KERNEL)).toBe(NO_PAGES);
  });

  it('occupies a share of memory, the same pages for the same seed', () => {
    const run = (seed: number): number[][] => {
      const { allocator } = allocatorOn(oneBank(16 * MIB));
      allocator.occupy(1, 0.5, seed);
      return freeByOrder(allocator);
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });
});

describe('cost and bulk', () => {
  it('charges a bulk call less than as many single calls', () => {
    const { allocator } = allocatorOn(oneBank(16 * MIB));
    const pages = new Float64Array(64);
    expect(allocator.allocBulk(64, Gfp.KERNEL | Gfp.ZERO, pages)).toBe(64);
    expect(new Set(pages).size).toBe(64);
    const { allocateCycles, bulkPageCycles, zeroPageCycles } = noReserve;
    expect(allocator.stats.cycles).toBe(allocateCycles + 63 * bulkPageCycles + 64 * zeroPageCycles);
    expect(allocator.stats.calls).toBe(1);
    expect(allocator.stats.live).toBe(64);
  });

  it('gives fewer when there are fewer', () => {
    const { allocator } = allocatorOn(oneBank(0x10000));
    expect(allocator.allocBulk(64, Gfp.KERNEL, new Float64Array(64))).toBe(16);
    expect(allocator.stats.failures).toBe(0);
  });

  it('reads its costs from plain JSON and fills in the rest', async () => {
    const { PageAllocatorSchema } = await import('../../../emulator/index.ts');
    expect(v.parse(PageAllocatorSchema, { freeCycles: 7 })).toEqual({ ...DEFAULT_PAGE_COSTS, freeCycles: 7 });
    expect(v.safeParse(PageAllocatorSchema, { freeCylces: 7 }).success).toBe(false);
  });
});
