/** What the machine under the page tables costs: frame lookup, dirty marking, cleaning, a walker's read, the buddy allocator. */

import { Bus, BusView, CpuCache, DmaApi, PAGE_SIZE, PageAllocator, PhysicalMemory } from '../emulator/index.ts';
import { Gfp, type TableMemory } from '../formats/index.ts';
import type { Benchmark } from './harness.ts';

const ITEMS = 1 << 18;
const BASE = 0x8_8000_0000;
const FRAMES = 64;
const MASK = FRAMES * 0x10000 - 1;

/** Scattered, 8-byte aligned offsets within the frames under test. */
const offsets = Int32Array.from({ length: ITEMS }, (_, i) => (Math.imul(i, 0x9e3779b1) & MASK & ~7) >>> 0);
/** Keeps results alive, so that no loop is optimised away. */
const sink = new Float64Array(1);

function machine(): { memory: PhysicalMemory; cache: CpuCache; bus: Bus } {
  const memory = new PhysicalMemory({ banks: [{ base: BASE, size: 2 ** 32, node: 0 }] });
  const cache = new CpuCache(memory, { kind: 'endless', sets: 1, ways: 1, replacement: 'lru', seed: 1 });
  for (let frame = 0; frame < FRAMES; frame++) {
    memory.write32(BASE + frame * 0x10000, 1);
    cache.index(BASE + frame * 0x10000);
  }
  return { memory, cache, bus: new Bus(memory, cache) };
}

/** The least a lookup can be: an index into a flat array. */
const flat = new Uint32Array((FRAMES * 0x10000) / 4);
function plainReads(): void {
  let sum = 0;
  for (let i = 0; i < ITEMS; i++) sum += flat[(offsets[i] as number) >>> 2] as number;
  sink[0] = sum;
}
function plainWrites(): void {
  for (let i = 0; i < ITEMS; i++) flat[(offsets[i] as number) >>> 2] = i;
}

function lookups(name: string, memory: TableMemory): Benchmark {
  return {
    name,
    unit: 'lookup',
    items: ITEMS,
    work() {
      let sum = 0;
      for (let i = 0; i < ITEMS; i++) sum += memory.index(BASE + (offsets[i] as number));
      sink[0] = sum;
    },
    baseline: plainReads,
  };
}

/** The rows of this file. */
export function memoryBenchmarks(): Benchmark[] {
  const { memory, cache, bus } = machine();
  const allocatorMemory = new PhysicalMemory({ banks: [{ base: BASE, size: 2 ** 30, node: 0 }] });
  const allocator = new PageAllocator(allocatorMemory, allocatorMemory);
  const dma = new DmaApi(cache);
  const [plain, snooping] = [bus.port('plain', BusView.NON_COHERENT), bus.port('snooping', BusView.COHERENT)];
  const walkerReads = (name: string, port: typeof plain): Benchmark => ({
    name,
    unit: 'read',
    items: ITEMS,
    work() {
      let sum = 0;
      for (let i = 0; i < ITEMS; i++) if (port.read(BASE + (offsets[i] as number), 8)) sum += port.low;
      sink[0] = sum;
    },
    baseline: plainReads,
  });
  const pages = (name: string, gfp: number): Benchmark => ({
    name,
    unit: 'page',
    items: 4096,
    work() {
      const first = allocator.alloc(null, PAGE_SIZE, gfp);
      for (let i = 1; i < 4096; i++) allocator.free(null, allocator.alloc(null, PAGE_SIZE, gfp), PAGE_SIZE);
      allocator.free(null, first, PAGE_SIZE);
    },
    baseline() {
      for (let i = 0; i < 4096; i++) flat[i] = i;
    },
  });
  return [
    lookups('index of a word in memory', memory),
    lookups('index of a word in the CPU view', cache),
    {
      name: 'store 8 bytes and mark them dirty',
      unit: 'store',
      items: ITEMS,
      work() {
        for (let i = 0; i < ITEMS; i++) {
          const pa = BASE + (offsets[i] as number);
          const at = cache.index(pa);
          const { words } = cache;
          words[at] = i;
          words[at + 1] = 0;
          cache.written(pa, 8);
        }
      },
      baseline: plainWrites,
    },
    {
      name: 'sync of 8 dirty bytes',
      unit: 'sync',
      items: ITEMS,
      prepare() {
        for (let i = 0; i < ITEMS; i++) cache.written(BASE + (offsets[i] as number), 8);
      },
      work() {
        for (let i = 0; i < ITEMS; i++) dma.syncSingleForDevice(BASE + (offsets[i] as number), 8);
      },
      baseline: plainWrites,
    },
    walkerReads('descriptor read, device that does not snoop', plain),
    walkerReads('descriptor read, device that snoops', snooping),
    pages('page allocated and freed', Gfp.KERNEL),
    pages('page allocated, zeroed and freed', Gfp.KERNEL | Gfp.ZERO),
  ];
}
