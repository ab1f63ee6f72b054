import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CpuCache,
  DEFAULT_DMA,
  DmaApi,
  type DmaConfig,
  DmaDirection,
  DmaMisuse,
  PhysicalMemory,
} from '../../../emulator/index.ts';
import { ConfigError, DMA_MAPPING_ERROR } from '../../../formats/index.ts';

const BASE = 0x1_0000_0000;
const POOL = 0x1000_0000;

function machine(config: Partial<DmaConfig> = {}): { memory: PhysicalMemory; cache: CpuCache; dma: DmaApi } {
  const memory = new PhysicalMemory({
    banks: [
      { base: POOL, size: 0x10000, node: 0 },
      { base: BASE, size: 0x10_0000, node: 0 },
    ],
  });
  const cache = new CpuCache(memory, { kind: 'endless', sets: 1, ways: 1, replacement: 'lru', seed: 1 });
  return { memory, cache, dma: new DmaApi(cache, { ...DEFAULT_DMA, ...config }) };
}

function store(cache: CpuCache, pa: number, value: number): void {
  const at = cache.index(pa);
  cache.words[at] = value;
  cache.written(pa, 4);
}
const load = (cache: CpuCache, pa: number): number => {
  const at = cache.index(pa);
  return cache.words[at] as number;
};

describe('a device that does not snoop', () => {
  it('sees what the CPU wrote only after map or sync', () => {
    const { memory, cache, dma } = machine();
    store(cache, BASE, 1);
    expect(memory.read32(BASE)).toBe(0);
    expect(dma.mapSingle(BASE, 4096)).toBe(BASE);
    expect(memory.read32(BASE)).toBe(1);
    store(cache, BASE + 8, 2);
    expect(memory.read32(BASE + 8)).toBe(0);
    dma.syncSingleForDevice(BASE + 8, 8);
    expect(memory.read32(BASE + 8)).toBe(2);
    expect(dma.stats).toMatchObject({ maps: 1, syncs: 1, bytesSynced: 8, linesCleaned: 65, live: 1, liveBytes: 4096 });
  });

  it('is seen by the CPU after a sync for the CPU, or the unmap', () => {
    const { memory, cache, dma } = machine();
    store(cache, BASE, 1);
    dma.mapSingle(BASE, 64, DmaDirection.FROM_DEVICE);
    memory.write32(BASE, 2);
    expect(load(cache, BASE)).toBe(1);
    dma.syncSingleForCpu(BASE, 64);
    expect(load(cache, BASE)).toBe(2);
    cache.fetched(BASE, 64);
    memory.write32(BASE, 3);
    expect(load(cache, BASE)).toBe(2);
    dma.unmapSingle(BASE, 64, DmaDirection.FROM_DEVICE);
    expect(load(cache, BASE)).toBe(3);
  });

  it('costs a call, its lines and one barrier', () => {
    const { dma } = machine({ syncCycles: 1, lineCycles: 10, barrierCycles: 100 });
    dma.syncSingleForDevice(BASE + 60, 8);
    expect(dma.stats.cycles).toBe(1 + 2 * 10 + 100);
  });

  it('is counted and charged the same when no cache is modelled', () => {
    fc.assert(
      fc.property(fc.nat(0x8000), fc.integer({ min: 0, max: 5000 }), (offset, size) => {
        const { memory, dma } = machine();
        const bare = new DmaApi(memory);
        for (const api of [dma, bare]) {
          api.mapSingle(BASE + offset, size);
          api.syncSingleForDevice(BASE + offset, size);
        }
        expect(bare.stats).toEqual(dma.stats);
      }),
    );
  });
});

describe('a device that snoops', () => {
  it('needs no maintenance: syncs cost nothing and clean nothing', () => {
    const { cache, dma } = machine({ coherent: true, mapCycles: 0 });
    store(cache, BASE, 1);
    dma.mapSingle(BASE, 4096);
    dma.syncSingleForDevice(BASE, 4096);
    dma.syncSingleForCpu(BASE, 4096);
    expect(dma.stats).toMatchObject({ syncs: 2, linesCleaned: 0, cycles: 0 });
    expect(cache.isDirty(BASE)).toBe(true);
  });
});

describe('addresses', () => {
  it('differ by the offset, and come back through it', () => {
    const { memory, cache, dma } = machine({ busOffset: -0x8000_0000 });
    expect(dma.mapSingle(BASE, 64)).toBe(BASE - 0x8000_0000);
    store(cache, BASE, 7);
    dma.syncSingleForDevice(BASE - 0x8000_0000, 64);
    expect(memory.read32(BASE)).toBe(7);
    dma.unmapSingle(BASE - 0x8000_0000, 64);
    expect(dma.stats).toMatchObject({ live: 0, misuses: 0 });
  });

  it('fit the mask up to its last byte', () => {
    const { dma } = machine({ addressBits: 33, busOffset: 2 ** 33 - BASE - 4096 });
    expect(dma.mapSingle(BASE, 4096)).toBe(2 ** 33 - 4096);
    expect(dma.mapSingle(BASE, 4097)).toBe(DMA_MAPPING_ERROR);
    expect(dma.mapSingle(BASE + 1, 4096)).toBe(DMA_MAPPING_ERROR);
    expect(dma.stats).toMatchObject({ maps: 1, mapErrors: 2 });
  });
});

describe('bouncing', () => {
  const bouncing = { addressBits: 32, bounce: { base: POOL, size: 0x10000 } };

  it('goes through memory that the device can address, with the contents and the offset in the page', () => {
    const { memory, cache, dma } = machine(bouncing);
    store(cache, BASE + 0x124, 0xabcd);
    const busAddress = dma.mapSingle(BASE + 0x124, 100);
    expect(busAddress).toBe(POOL + 0x124);
    expect(memory.read32(busAddress)).toBe(0xabcd);
    store(cache, BASE + 0x128, 0x1234);
    dma.syncSingleForDevice(busAddress + 4, 4);
    expect(memory.read32(busAddress + 4)).toBe(0x1234);
    expect(dma.stats.bounces).toBe(1);
  });

  it('copies back what the device wrote', () => {
    const { memory, cache, dma } = machine(bouncing);
    const busAddress = dma.mapSingle(BASE + 2, 7, DmaDirection.FROM_DEVICE);
    memory.load(busAddress, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 99));
    store(cache, BASE + 8, 0xffff_ff00);
    dma.unmapSingle(busAddress, 7, DmaDirection.FROM_DEVICE);
    cache.clean(BASE, 64);
    const back = new Uint8Array(12);
    memory.copy(BASE, back);
    expect([...back]).toEqual([0, 0, 1, 2, 3, 4, 5, 6, 7, 255, 255, 255]);
  });

  it('fails when the pool is full, and works again after an unmap', () => {
    const { dma } = machine(bouncing);
    const got = Array.from({ length: 17 }, (_, i) => dma.mapSingle(BASE + i * 4096, 4096));
    expect(new Set(got.slice(0, 16)).size).toBe(16);
    expect(got[16]).toBe(DMA_MAPPING_ERROR);
    dma.unmapSingle(got[5] as number, 4096);
    expect(dma.mapSingle(BASE, 4096)).toBe(got[5]);
  });

  it('refuses a pool that is not RAM', () => {
    expect(() => machine({ bounce: { base: 0x2000_0000, size: 0x10000 } })).toThrow(ConfigError);
  });
});

describe('injected faults', () => {
  it('fails the map calls that are named', () => {
    const { dma } = machine({ mapErrorAt: [2, 3] });
    const results = Array.from({ length: 4 }, (_, i) => dma.mapSingle(BASE + i * 4096, 4096) !== DMA_MAPPING_ERROR);
    expect(results).toEqual([true, false, false, true]);
  });

  it('drops the asked fraction of syncs, the same ones for the same seed', () => {
    const run = (seed: number): { dropped: number[]; count: number } => {
      const { memory, cache, dma } = machine({ dropSyncFraction: 0.25, seed });
      const dropped: number[] = [];
      for (let i = 0; i < 1000; i++) {
        const pa = BASE + i * 64;
        store(cache, pa, i + 1);
        dma.syncSingleForDevice(pa, 8);
        if (memory.read32(pa) === 0) dropped.push(i);
      }
      expect(dma.stats.syncs + dma.stats.droppedSyncs).toBe(1000);
      return { dropped, count: dma.stats.droppedSyncs };
    };
    const first = run(1);
    expect(first.dropped).toHaveLength(first.count);
    expect(Math.abs(first.count - 250)).toBeLessThan(60);
    expect(run(1)).toEqual(first);
    expect(run(2)).not.toEqual(first);
  });
});

describe('misuse', () => {
  const misuses = (act: (dma: DmaApi) => void): string[] => {
    const { dma } = machine();
    const seen: string[] = [];
    dma.onMisuse = (kind) => seen.push(kind);
    act(dma);
    expect(dma.stats.misuses).toBe(seen.length);
    return seen;
  };

  it.each<[string, (dma: DmaApi) => void]>([
    [DmaMisuse.NOT_MAPPED, (dma) => dma.unmapSingle(BASE, 64)],
    [
      DmaMisuse.DOUBLE_UNMAP,
      (dma) => {
        dma.mapSingle(BASE, 64);
        dma.unmapSingle(BASE, 64);
        dma.unmapSingle(BASE, 64);
      },
    ],
    [
      DmaMisuse.WRONG_SIZE,
      (dma) => {
        dma.mapSingle(BASE, 64);
        dma.unmapSingle(BASE, 128);
      },
    ],
    [
      DmaMisuse.MAPPED_TWICE,
      (dma) => {
        dma.mapSingle(BASE, 64);
        dma.mapSingle(BASE, 64);
      },
    ],
  ])('is named: %s', (kind, act) => expect(misuses(act)).toEqual([kind]));

  it('lists what is still mapped at the end, by address, through growth of the table', () => {
    const { dma } = machine();
    const live = new Map<number, number>();
    for (let i = 0; i < 500; i++) {
      const pa = BASE + ((i * 37) % 500) * 64;
      dma.mapSingle(pa, 64);
      live.set(pa, 64);
      if (i % 3 === 0) {
        dma.unmapSingle(pa, 64);
        live.delete(pa);
      }
    }
    const seen: [number, number][] = [];
    dma.forEachLive((busAddress, size) => seen.push([busAddress, size]));
    expect(seen).toEqual([...live].sort((a, b) => a[0] - b[0]));
    expect(dma.stats).toMatchObject({ live: live.size, liveBytes: live.size * 64, misuses: 0 });
  });
});
