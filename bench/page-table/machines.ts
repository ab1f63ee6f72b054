/** The machines that benchmarks of page-table software run on, and the drivers that it reports to. */
import { CpuCache, DmaApi, PageAllocator, PhysicalMemory } from '../../emulator/index.ts';
import type { IotlbGather, Machine } from '../../formats/index.ts';

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
export class RunFlush extends CountingFlush {
  addPages(gather: IotlbGather | null, iova: number, granule: number, count: number): void {
    this.pages += count - 1;
    this.addPage(gather, iova, count * granule);
  }
}

/** The CPU's cache in front of memory, the system's page allocator, the DMA API; walks snoop the cache. */
export function fullMachine(): Machine {
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
