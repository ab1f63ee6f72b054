/**
 * The page-table editor: the rows of the project's performance goal. The reference column is what the real Linux 6.12 code takes
 * natively (gcc -O2). One table maps 1 GiB with 4 KiB pages; its tables stay, as they do in Linux.
 */
import { Gfp, newGather } from '../../formats/index.ts';
import type { Benchmark } from '../harness.ts';
import { LeastStores } from './least-stores.ts';
import {
  empty,
  fill,
  lookUpShuffled,
  mapRuns,
  mapShuffled,
  mapSingles,
  newTable,
  unmapRuns,
  unmapShuffled,
  unmapSingles,
} from './loops.ts';
import { fullMachine, RunFlush } from './machines.ts';
import { BLOCK, BLOCK_SPAN, GIB, IOVA, PA, PAGE, PAGES, PROT, RUN } from './span.ts';

/** The rows. */
export function pageTableBenchmarks(): Benchmark[] {
  const least = new LeastStores();
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
  const least = new LeastStores();
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
