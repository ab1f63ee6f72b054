/** What the rows of page-table software time: a table mapped, unmapped and looked up, in runs, page by page and in random order. */
import { allocIoPgtable, Gfp, type IoPgtable, type IotlbGather } from '../../formats/index.ts';
import { CountingFlush, newMachine } from './machines.ts';
import { BLOCK, GIB, IOVA, PA, PAGE, PAGES, PROT, RUN, SHUFFLED } from './span.ts';

export function newTable(tlb = new CountingFlush(), machine = newMachine()): IoPgtable {
  const config = {
    format: 'ARM_64_LPAE_S1',
    pageSizes: PAGE + BLOCK + GIB,
    ias: 48,
    oas: 48,
    tlb,
  } as const;
  return allocIoPgtable(config, machine, null);
}

export function mapRuns(table: IoPgtable): void {
  for (let offset = 0; offset < GIB; offset += RUN * PAGE) {
    table.mapPages(IOVA + offset, PA + offset, PAGE, RUN, PROT, Gfp.KERNEL);
  }
}

export function mapSingles(table: IoPgtable): void {
  for (let offset = 0; offset < GIB; offset += PAGE) {
    table.mapPages(IOVA + offset, PA + offset, PAGE, 1, PROT, Gfp.KERNEL);
  }
}

export function unmapRuns(table: IoPgtable, gather: IotlbGather | null): void {
  for (let offset = 0; offset < GIB; offset += RUN * PAGE) table.unmapPages(IOVA + offset, PAGE, RUN, gather);
}

export function unmapSingles(table: IoPgtable, gather: IotlbGather): void {
  for (let offset = 0; offset < GIB; offset += PAGE) table.unmapPages(IOVA + offset, PAGE, 1, gather);
}

export function mapShuffled(table: IoPgtable): void {
  for (let i = 0; i < PAGES; i++) {
    const page = SHUFFLED[i] as number;
    table.mapPages(IOVA + page * PAGE, PA + page * PAGE, PAGE, 1, PROT, Gfp.KERNEL);
  }
}

export function unmapShuffled(table: IoPgtable, gather: IotlbGather): void {
  for (let i = 0; i < PAGES; i++) {
    const page = SHUFFLED[i] as number;
    table.unmapPages(IOVA + page * PAGE, PAGE, 1, gather);
  }
}

export function lookUpShuffled(table: IoPgtable): void {
  let sum = 0;
  for (let i = 0; i < PAGES; i++) sum += table.iovaToPhys(IOVA + (SHUFFLED[i] as number) * PAGE);
  if (sum === 0) throw new Error('nothing was found');
}

/** Leaves nothing mapped, whatever the last run left; the tables stay. */
export function empty(table: IoPgtable): void {
  if (table.iovaToPhys(IOVA) !== 0) unmapRuns(table, null);
}

/** Leaves everything mapped. */
export function fill(table: IoPgtable): void {
  if (table.iovaToPhys(IOVA) === 0) mapRuns(table);
}
