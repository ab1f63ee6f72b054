/**
 * The short-descriptor editor, row for row as the LPAE one: 1 GiB of 4 KiB pages in one table, whose level 2 tables stay. Nobody
 * has measured the original for these, so there is no reference.
 */
import { allocIoPgtable, Gfp, type IoPgtable, type IotlbGather, newGather, Prot } from '../formats/index.ts';
import type { Benchmark } from './harness.ts';
import { CountingFlush, newMachine } from './page-table/index.ts';

const PAGE = 0x1000;
const SECTION = 0x10_0000;
const GIB = 2 ** 30;
const PAGES = GIB / PAGE;
/** A whole level 2 table. */
const RUN = 256;
/** Above 2 GiB, where a 32-bit number has its sign. */
const IOVA = 0x9000_0000;
const PA = 0x4000_0000;
const PROT = Prot.READ | Prot.WRITE | Prot.CACHE;

function newTable(coherentWalk: boolean): IoPgtable {
  const tlb = new CountingFlush();
  return allocIoPgtable(
    { format: 'ARM_V7S', pageSizes: 0x1111000, ias: 32, oas: 32, coherentWalk, tlb },
    newMachine(),
    null,
  );
}

function mapAll(table: IoPgtable, size: number, count: number): void {
  for (let at = 0; at < GIB; at += size * count) table.mapPages(IOVA + at, PA + at, size, count, PROT, Gfp.KERNEL);
}

function unmapAll(table: IoPgtable, size: number, count: number, gather: IotlbGather | null): void {
  for (let at = 0; at < GIB; at += size * count) table.unmapPages(IOVA + at, size, count, gather);
}

/** The least that could be done: one word per PTE stored, zeroed, or read. */
class Least {
  readonly words = new Uint32Array(PAGES);
  sum = 0;

  store(): void {
    const { words } = this;
    for (let i = 0, word = 2; i < words.length; i++, word = (word + PAGE) | 0) words[i] = word;
  }

  clear(): void {
    const { words } = this;
    for (let i = 0; i < words.length; i++) words[i] = 0;
  }

  storeSections(): void {
    const { words } = this;
    for (let i = 0, word = 2; i < SECTION_REPEATS * (GIB / SECTION); i++, word = (word + SECTION) | 0) words[i] = word;
  }

  read(): void {
    const { words } = this;
    let sum = 0;
    for (let i = 0; i < words.length; i++) sum += words[i] as number;
    this.sum = sum;
  }
}

/** There are only 1,024 sections in 1 GiB: they are mapped and unmapped this many times. */
const SECTION_REPEATS = 32;

/** The rows. */
export function v7sBenchmarks(): Benchmark[] {
  const least = new Least();
  const table = newTable(true);
  const incoherent = newTable(false);
  for (const each of [table, incoherent]) {
    mapAll(each, PAGE, RUN);
    unmapAll(each, PAGE, RUN, null);
  }
  const sections = newTable(true);
  const lookups = newTable(true);
  mapAll(lookups, PAGE, RUN);
  const gather = newGather();
  const queued = newGather(true);
  let sum = 0;
  const empty = (of: IoPgtable) => (): void => {
    if (of.iovaToPhys(IOVA) !== 0) unmapAll(of, PAGE, RUN, queued);
  };
  const fill = (of: IoPgtable) => (): void => {
    if (of.iovaToPhys(IOVA) === 0) mapAll(of, PAGE, RUN);
  };
  const run = { unit: 'PTE', items: PAGES } as const;
  const single = { unit: 'call', items: PAGES } as const;
  const store = (): void => least.store();
  const clear = (): void => least.clear();
  return [
    {
      name: 'map in runs of 256',
      ...run,
      prepare: empty(table),
      work: () => mapAll(table, PAGE, RUN),
      baseline: store,
    },
    {
      name: 'map in runs of 256, not coherent',
      ...run,
      prepare: empty(incoherent),
      work: () => mapAll(incoherent, PAGE, RUN),
      baseline: store,
    },
    { name: 'map one page', ...single, prepare: empty(table), work: () => mapAll(table, PAGE, 1), baseline: store },
    {
      name: 'unmap in runs of 256, with add_page',
      ...run,
      prepare: fill(table),
      work: () => unmapAll(table, PAGE, RUN, gather),
      baseline: clear,
    },
    {
      name: 'unmap in runs of 256, without',
      ...run,
      prepare: fill(table),
      work: () => unmapAll(table, PAGE, RUN, queued),
      baseline: clear,
    },
    {
      name: 'unmap one page',
      ...single,
      prepare: fill(table),
      work: () => unmapAll(table, PAGE, 1, gather),
      baseline: clear,
    },
    {
      name: 'map and unmap one section',
      unit: 'pair',
      items: SECTION_REPEATS * (GIB / SECTION),
      work: () => {
        for (let i = 0; i < SECTION_REPEATS; i++) {
          mapAll(sections, SECTION, 1);
          unmapAll(sections, SECTION, 1, gather);
        }
      },
      baseline: () => least.storeSections(),
    },
    {
      name: 'iova_to_phys over 1 GiB of 4 KiB pages',
      ...single,
      work: () => {
        for (let at = 0; at < GIB; at += PAGE) sum += lookups.iovaToPhys(IOVA + at);
        if (sum === 0) throw new Error('nothing was found');
      },
      baseline: () => least.read(),
    },
  ];
}
