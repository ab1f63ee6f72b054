/**
 * The page-table editor: the rows of the project's performance goal. The reference column is what the real Linux 6.12 code takes
 * natively (gcc -O2). One table maps 1 GiB with 4 KiB pages; its tables stay, as they do in Linux.
 */
import { CpuCache, DmaApi, PageAllocator, PhysicalMemory } from '../emulator/index.ts';
import {
  allocIoPgtable,
  Gfp,
  type IoPgtable,
  type IotlbGather,
  type Machine,
  newGather,
  Prng,
  Prot,
} from '../formats/index.ts';
import type { Benchmark } from './harness.ts';

const PAGE = 4096;
const BLOCK = 2 ** 21;
const GIB = 2 ** 30;
const PAGES = GIB / PAGE;
const RUN = 512;
const IOVA = 0x40_0000_0000;
const PA = 0x10_0000_0000;
const PROT = Prot.READ | Prot.WRITE | Prot.CACHE;

/** Takes what is reported without keeping it, as a driver that only widens a range does. */
export class CountingFlush {
  pages = 0;
  flushAll(): void {}
  flushWalk(): void {}
  addPage(gather: IotlbGather | null, iova: number, granule: number): void {
    this.pages++;
    if (gather === null) return;
    if (iova < gather.start) gather.start = iova;
    const last = iova + granule - 1;
    if (last > gather.end) gather.end = last;
  }
}

/** The same for a driver that takes a whole run in one call. */
class RunFlush extends CountingFlush {
  addPages(gather: IotlbGather | null, iova: number, granule: number, count: number): void {
    this.pages += count - 1;
    this.addPage(gather, iova, count * granule);
  }
}

/** A the CPU's cache in front of memory, the system's page allocator, the DMA API; walks snoop the cache. */
function fullMachine(): Machine {
  const memory = new PhysicalMemory({ banks: [{ base: 0x8000_0000, size: 0x4000_0000, node: 0 }] });
  const cache = new CpuCache(memory, { kind: 'endless', sets: 1024, ways: 16, replacement: 'random', seed: 1 });
  const { warn } = newMachine();
  return { memory: cache, dma: new DmaApi(cache), pages: new PageAllocator(memory, cache), warn };
}

/** A machine whose allocator and DMA API do next to nothing, so that the editor alone is measured. */
export function newMachine(): Machine {
  const memory = new PhysicalMemory({ banks: [{ base: 0x8000_0000, size: 0x4000_0000, node: 0 }] });
  let next = 0x8000_0000;
  return {
    memory,
    dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
    pages: {
      alloc: (_cookie, size) => {
        const pa = next;
        next += size;
        return pa;
      },
      free: () => {},
    },
    warn: (code) => {
      throw new Error(`the benchmark does something wrong: ${code}`);
    },
  };
}

function newTable(tlb = new CountingFlush(), machine = newMachine()): IoPgtable {
  const config = {
    format: 'ARM_64_LPAE_S1',
    pageSizes: PAGE + BLOCK + GIB,
    ias: 48,
    oas: 48,
    tlb,
  } as const;
  return allocIoPgtable(config, machine, null);
}

function mapRuns(table: IoPgtable): void {
  for (let offset = 0; offset < GIB; offset += RUN * PAGE) {
    table.mapPages(IOVA + offset, PA + offset, PAGE, RUN, PROT, Gfp.KERNEL);
  }
}

function mapSingles(table: IoPgtable): void {
  for (let offset = 0; offset < GIB; offset += PAGE) {
    table.mapPages(IOVA + offset, PA + offset, PAGE, 1, PROT, Gfp.KERNEL);
  }
}

function unmapRuns(table: IoPgtable, gather: IotlbGather | null): void {
  for (let offset = 0; offset < GIB; offset += RUN * PAGE) table.unmapPages(IOVA + offset, PAGE, RUN, gather);
}

function unmapSingles(table: IoPgtable, gather: IotlbGather): void {
  for (let offset = 0; offset < GIB; offset += PAGE) table.unmapPages(IOVA + offset, PAGE, 1, gather);
}

/** Every page once, in an order without any pattern. */
const SHUFFLED = shuffled(PAGES);

function shuffled(count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const chance = new Prng(1);
  for (let i = count - 1; i > 0; i--) {
    const j = chance.below(i + 1);
    const other = order[j] as number;
    order[j] = order[i] as number;
    order[i] = other;
  }
  return order;
}

function mapShuffled(table: IoPgtable): void {
  for (let i = 0; i < PAGES; i++) {
    const page = SHUFFLED[i] as number;
    table.mapPages(IOVA + page * PAGE, PA + page * PAGE, PAGE, 1, PROT, Gfp.KERNEL);
  }
}

function unmapShuffled(table: IoPgtable, gather: IotlbGather): void {
  for (let i = 0; i < PAGES; i++) {
    const page = SHUFFLED[i] as number;
    table.unmapPages(IOVA + page * PAGE, PAGE, 1, gather);
  }
}

function lookUpShuffled(table: IoPgtable): void {
  let sum = 0;
  for (let i = 0; i < PAGES; i++) sum += table.iovaToPhys(IOVA + (SHUFFLED[i] as number) * PAGE);
  if (sum === 0) throw new Error('nothing was found');
}

/** Leaves nothing mapped, whatever the last run left; the tables stay. */
function empty(table: IoPgtable): void {
  if (table.iovaToPhys(IOVA) !== 0) unmapRuns(table, null);
}

/** Leaves everything mapped. */
function fill(table: IoPgtable): void {
  if (table.iovaToPhys(IOVA) === 0) mapRuns(table);
}

/** Blocks are mapped over 64 GiB, so that there are enough of them to time. */
const BLOCK_SPAN = 64 * GIB;

/** The least that could be done: two words per PTE stored, zeroed, or read. */
class Least {
  readonly words = new Uint32Array(2 * PAGES);
  /** Keeps the reads from being optimised away. */
  readonly sum = new Float64Array(1);

  store(): void {
    const { words } = this;
    for (let i = 0, low = 3; i < words.length; i += 2, low = (low + PAGE) | 0) {
      words[i] = low;
      words[i + 1] = 0x10;
    }
  }

  clear(): void {
    const { words } = this;
    for (let i = 0; i < words.length; i += 2) {
      words[i] = 0;
      words[i + 1] = 0;
    }
  }

  storeBlocks(): void {
    const { words } = this;
    for (let i = 0, low = 1; i < (2 * BLOCK_SPAN) / BLOCK; i += 2, low = (low + BLOCK) | 0) {
      words[i] = low;
      words[i + 1] = 0x10;
    }
  }

  readShuffled(): void {
    const { words } = this;
    let sum = 0;
    for (let i = 0; i < PAGES; i++) {
      const at = 2 * (SHUFFLED[i] as number);
      sum += (words[at + 1] as number) * 2 ** 32 + (words[at] as number);
    }
    this.sum[0] = sum;
  }

  storeShuffled(): void {
    const { words } = this;
    for (let i = 0; i < PAGES; i++) {
      const at = 2 * (SHUFFLED[i] as number);
      words[at] = i;
      words[at + 1] = 0x10;
    }
  }

  read(): void {
    const { words } = this;
    let sum = 0;
    for (let i = 0; i < words.length; i += 2) sum += (words[i + 1] as number) * 2 ** 32 + (words[i] as number);
    this.sum[0] = sum;
  }
}

/** The rows. */
export function pageTableBenchmarks(): Benchmark[] {
  const least = new Least();
  const table = newTable();
  mapRuns(table);
  unmapRuns(table, null);
  const byRun = newTable(new RunFlush());
  const blocks = newTable();
  const lookups = newTable();
  mapRuns(lookups);
  const gather = newGather();
  const queued = newGather(true);
  const single = { unit: 'call', items: PAGES } as const;
  const run = { unit: 'PTE', items: PAGES } as const;
  const store = (): void => least.store();
  const clear = (): void => least.clear();
  return [
    {
      name: 'map in runs of 512',
      ...run,
      reference: 1.1,
      prepare: () => empty(table),
      work: () => mapRuns(table),
      baseline: store,
    },
    {
      name: 'map one page',
      ...single,
      reference: 12,
      prepare: () => empty(table),
      work: () => mapSingles(table),
      baseline: store,
    },
    {
      name: 'unmap in runs of 512, with add_page',
      ...run,
      reference: 2.1,
      prepare: () => fill(table),
      work: () => unmapRuns(table, gather),
      baseline: clear,
    },
    {
      name: 'unmap in runs of 512, with add_pages, one call a run',
      ...run,
      prepare: () => fill(byRun),
      work: () => unmapRuns(byRun, gather),
      baseline: clear,
    },
    {
      name: 'unmap in runs of 512, without',
      ...run,
      reference: 0.6,
      prepare: () => fill(table),
      work: () => unmapRuns(table, null),
      baseline: clear,
    },
    {
      name: 'unmap one page',
      ...single,
      reference: 13,
      prepare: () => fill(table),
      work: () => unmapSingles(table, gather),
      baseline: clear,
    },
    {
      name: 'map one 2 MiB block',
      unit: 'call',
      items: BLOCK_SPAN / BLOCK,
      reference: 10,
      prepare: () => {
        for (let offset = 0; offset < BLOCK_SPAN; offset += RUN * BLOCK) {
          if (blocks.iovaToPhys(IOVA + offset) !== 0) blocks.unmapPages(IOVA + offset, BLOCK, RUN, null);
        }
      },
      work: () => {
        for (let offset = 0; offset < BLOCK_SPAN; offset += BLOCK)
          blocks.mapPages(IOVA + offset, PA + offset, BLOCK, 1, PROT, Gfp.KERNEL);
      },
      baseline: () => least.storeBlocks(),
    },
    {
      name: 'iova_to_phys over 1 GiB of 4 KiB pages',
      ...single,
      reference: 10,
      work: () => {
        // A variable of this call: one of the closure would be a new heap number each time.
        let sum = 0;
        for (let offset = 0; offset < GIB; offset += PAGE) sum += lookups.iovaToPhys(IOVA + offset);
        if (sum === 0) throw new Error('nothing was found');
      },
      baseline: () => least.read(),
    },
    {
      name: 'iova_to_phys in random order',
      ...single,
      work: () => lookUpShuffled(lookups),
      baseline: () => least.readShuffled(),
    },
    {
      name: 'map one page in random order',
      ...single,
      prepare: () => empty(table),
      work: () => mapShuffled(table),
      baseline: () => least.storeShuffled(),
    },
    {
      name: 'unmap one page in random order',
      ...single,
      prepare: () => fill(table),
      work: () => unmapShuffled(table, queued),
      baseline: () => least.storeShuffled(),
    },
  ];
}

/** The same through CPU cache, page allocator and DMA API: at most 1.5 times the rows of flat memory. */
export function pageTableMachineBenchmarks(): Benchmark[] {
  const least = new Least();
  const table = newTable(new RunFlush(), fullMachine());
  const queued = newGather(true);
  const page = { unit: 'call', items: PAGES } as const;
  const run = { unit: 'PTE', items: PAGES } as const;
  return [
    {
      name: 'map in runs of 512',
      ...run,
      prepare: () => empty(table),
      work: () => mapRuns(table),
      baseline: () => least.store(),
    },
    {
      name: 'unmap in runs of 512, queued',
      ...run,
      prepare: () => fill(table),
      work: () => unmapRuns(table, queued),
      baseline: () => least.clear(),
    },
    {
      name: 'map one page',
      ...page,
      prepare: () => empty(table),
      work: () => mapSingles(table),
      baseline: () => least.store(),
    },
    {
      name: 'unmap one page, queued',
      ...page,
      prepare: () => fill(table),
      work: () => unmapSingles(table, queued),
      baseline: () => least.clear(),
    },
  ];
}
