import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CpuCache, type CpuCacheConfig, PhysicalMemory } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';

const BASE = 0x1_0000_0000;
const ENDLESS: CpuCacheConfig = { kind: 'endless', sets: 1024, ways: 16, replacement: 'random', seed: 1 };
const finite = (sets: number, ways: number, replacement: 'lru' | 'random' = 'lru', seed = 1): CpuCacheConfig => ({
  kind: 'finite',
  sets,
  ways,
  replacement,
  seed,
});

function machine(config = ENDLESS): { memory: PhysicalMemory; cache: CpuCache } {
  const memory = new PhysicalMemory({ banks: [{ base: BASE, size: 0x40000, node: 0 }] });
  return { memory, cache: new CpuCache(memory, config) };
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

describe('a dirty line', () => {
  it('is seen by the CPU and not by memory until it is cleaned', () => {
    const { memory, cache } = machine();
    store(cache, BASE, 0xffff_ffff);
    expect([load(cache, BASE), memory.read32(BASE), cache.isDirty(BASE)]).toEqual([0xffff_ffff, 0, true]);
    expect(cache.clean(BASE, 8)).toBe(1);
    expect([load(cache, BASE), memory.read32(BASE), cache.isDirty(BASE)]).toEqual([0xffff_ffff, 0xffff_ffff, false]);
    expect(cache.isPresent(BASE)).toBe(true);
  });

  it('loses its contents to an invalidate', () => {
    const { memory, cache } = machine();
    memory.write32(BASE, 1);
    store(cache, BASE, 2);
    cache.invalidate(BASE, 64);
    expect([load(cache, BASE), memory.read32(BASE), cache.stats.discarded]).toEqual([1, 1, 1]);
  });

  it('is cleaned first where an invalidate covers it only in part', () => {
    const { memory, cache } = machine();
    store(cache, BASE, 1);
    store(cache, BASE + 64, 2);
    store(cache, BASE + 128, 3);
    expect(cache.invalidate(BASE + 32, 112)).toBe(3);
    expect([memory.read32(BASE), memory.read32(BASE + 64), memory.read32(BASE + 128)]).toEqual([1, 0, 3]);
  });

  it('overwrites, when it is written back, what a device that does not snoop put into its line', () => {
    const { memory, cache } = machine();
    store(cache, BASE, 1);
    memory.write32(BASE + 4, 9);
    cache.clean(BASE, 4);
    expect(memory.read32(BASE + 4)).toBe(0);
  });
});

describe('a clean line in the cache', () => {
  it('hides what a device wrote since, until it is invalidated', () => {
    const { memory, cache } = machine();
    cache.fetched(BASE, 4);
    memory.write32(BASE, 5);
    expect(load(cache, BASE)).toBe(0);
    cache.invalidate(BASE, 64);
    expect(load(cache, BASE)).toBe(5);
  });
});

describe('maintenance', () => {
  it('names every line of the range, and writes back only the dirty ones', () => {
    const { cache } = machine();
    store(cache, BASE + 128, 1);
    expect(cache.clean(BASE + 60, 4096)).toBe(65);
    expect(cache.stats).toMatchObject({ linesCleaned: 65, writebacks: 1, bytesWritten: 64 });
  });

  it('does nothing for an empty range', () => {
    const { cache } = machine();
    expect([cache.clean(BASE, 0), cache.invalidate(BASE, 0), cache.cleanInvalidate(BASE, 0)]).toEqual([0, 0, 0]);
  });

  it('spans frames, touched or not', () => {
    const { memory, cache } = machine();
    store(cache, BASE + 0x1_0000 - 4, 1);
    store(cache, BASE + 0x3_0000, 2);
    expect(cache.clean(BASE, 0x40000)).toBe(0x1000);
    expect([memory.read32(BASE + 0x1_0000 - 4), memory.read32(BASE + 0x3_0000)]).toEqual([1, 2]);
  });
});

describe('the finite cache', () => {
  it('writes a dirty line back when it leaves for another of its set', () => {
    const { memory, cache } = machine(finite(4, 2));
    for (let i = 0; i < 3; i++) store(cache, BASE + i * 4 * 64, i + 1);
    expect(memory.read32(BASE)).toBe(1);
    expect([cache.isPresent(BASE), cache.isDirty(BASE + 256)]).toEqual([false, true]);
    expect(cache.stats).toMatchObject({ evictions: 1, evictionWritebacks: 1 });
  });

  it('evicts the least recently used line under LRU', () => {
    const { cache } = machine(finite(1, 2));
    store(cache, BASE, 1);
    store(cache, BASE + 64, 2);
    store(cache, BASE, 3);
    store(cache, BASE + 128, 4);
    expect([cache.isPresent(BASE), cache.isPresent(BASE + 64)]).toEqual([true, false]);
  });

  it('evicts the same lines for the same seed, others for another', () => {
    const run = (seed: number): boolean[] => {
      const { cache } = machine(finite(2, 4, 'random', seed));
      for (let i = 0; i < 200; i++) store(cache, BASE + i * 64, i);
      return Array.from({ length: 200 }, (_, i) => cache.isPresent(BASE + i * 64));
    };
    expect(run(5)).toEqual(run(5));
    expect([run(6), run(7), run(8)].some((other) => JSON.stringify(other) !== JSON.stringify(run(5)))).toBe(true);
  });

  it('refuses sets that are no power of two', () => {
    expect(() => machine(finite(3, 2))).toThrow(ConfigError);
  });
});

/** The textbook: memory is bytes, the cache is a map of lines with a state; nothing shared with the code under test. */
class Model {
  readonly memory = new Map<number, number>();
  readonly lines = new Map<number, { dirty: boolean; words: number[] }>();
  read = (pa: number): number => this.memory.get(pa) ?? 0;
  line(pa: number): { dirty: boolean; words: number[] } {
    const base = pa - (pa % 64);
    let line = this.lines.get(base);
    if (line === undefined) {
      line = { dirty: false, words: Array.from({ length: 16 }, (_, i) => this.read(base + 4 * i)) };
      this.lines.set(base, line);
    }
    return line;
  }
  cpuLoad(pa: number): number {
    return this.lines.get(pa - (pa % 64))?.words[(pa % 64) / 4] ?? this.read(pa);
  }
  cpuStore(pa: number, value: number): void {
    const line = this.line(pa);
    line.words[(pa % 64) / 4] = value;
    line.dirty = true;
  }
  maintain(pa: number, size: number, clean: boolean, drop: boolean): void {
    for (let base = pa - (pa % 64); base < pa + size; base += 64) {
      const line = this.lines.get(base);
      if (line === undefined) continue;
      if (clean && line.dirty) {
        for (const [i, word] of line.words.entries()) this.memory.set(base + 4 * i, word);
        line.dirty = false;
      }
      if (drop) this.lines.delete(base);
    }
  }
}

describe('against a map of lines', () => {
  it.each([
    ['endless', ENDLESS],
    ['finite, direct mapped', finite(2, 1)],
    ['finite, random', finite(2, 2, 'random')],
  ])('%s: CPU view, memory and line states agree after every step', (_, config) => {
    const step = fc.record({
      kind: fc.constantFrom('store', 'device', 'fetch', 'clean', 'invalidate', 'cleanInvalidate', 'giveUp'),
      word: fc.nat(127),
      value: fc.nat(0xffff_ffff),
      size: fc.integer({ min: 1, max: 200 }),
    });
    // Words on both sides of a frame boundary.
    const address = (word: number): number => BASE + 0x1_0000 - 256 + 4 * word;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { memory, cache } = machine(config);
        const model = new Model();
        for (const { kind, word, value, size } of steps) {
          const pa = address(word);
          if (kind === 'store') {
            store(cache, pa, value);
            model.cpuStore(pa, value);
          } else if (kind === 'device') {
            memory.write32(pa, value);
            model.memory.set(pa, value);
          } else if (kind === 'fetch') {
            cache.fetched(pa, 4);
            model.line(pa);
          } else if (kind === 'clean') {
            cache.clean(pa, size);
            model.maintain(pa, size, true, false);
          } else if (kind === 'invalidate') {
            const whole = [pa - (pa % 64), Math.ceil((pa + size) / 64) * 64] as const;
            cache.invalidate(whole[0], whole[1] - whole[0]);
            model.maintain(pa, size, false, true);
          } else {
            cache[kind](pa, size);
            model.maintain(pa, size, true, true);
          }
          // The model has no ways: a line that left the real cache by itself was written back, and leaves the model now.
          for (const base of [...model.lines.keys()]) if (!cache.isPresent(base)) model.maintain(base, 1, true, true);
          for (let i = 0; i < 128; i++) {
            const at = address(i);
            const line = model.lines.get(at - (at % 64));
            const wanted = [model.read(at), model.cpuLoad(at), line !== undefined, line?.dirty ?? false];
            const found = [memory.read32(at), load(cache, at), cache.isPresent(at), cache.isDirty(at)];
            if (found.some((value, index) => value !== wanted[index])) expect([at, ...found]).toEqual([at, ...wanted]);
          }
          expect(cache.countDirty()).toBe([...model.lines.values()].filter((line) => line.dirty).length);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('a store told with the index of its address', () => {
  it('makes the same lines dirty as one told without', () => {
    const stored = fc.record({
      at: fc.nat(0x8000 - 256).map((word) => 4 * word),
      bytes: fc.integer({ min: 1, max: 1024 }),
    });
    fc.assert(
      fc.property(fc.array(stored, { maxLength: 10 }), (stores) => {
        const [told, plain] = [machine().cache, machine().cache];
        const dirty = new Set<number>();
        for (const { at, bytes } of stores) {
          const pa = BASE + at;
          told.written(pa, bytes, told.index(pa));
          plain.index(pa);
          plain.written(pa, bytes);
          for (let byte = at; byte < at + bytes; byte++) dirty.add(Math.floor(byte / 64));
        }
        for (let line = 0; line < 0x2_0000 / 64; line++) {
          const pa = BASE + 64 * line;
          const wanted = dirty.has(line);
          const found = [told.isDirty(pa), told.isPresent(pa), plain.isDirty(pa), plain.isPresent(pa)];
          if (found.some((value) => value !== wanted)) expect([line, ...found]).toEqual([line, wanted]);
        }
      }),
      { seed: 9, numRuns: 15 },
    );
  });
});
