import {
  DEFAULT_PAGE_COSTS,
  PageAllocator,
  PhysicalMemory,
  Sanitizer,
  TableWatch,
  type WatchedSpace,
  watchedTables,
} from '../../../emulator/index.ts';
import {
  allocIoPgtable,
  Gfp,
  type IoPgtable,
  type IotlbGather,
  Prot,
  type SplitPolicy,
} from '../../../formats/index.ts';

export const ASID = 7;
export const PAGE = 4096;
export const BLOCK = 2 ** 21;
export const RW = Prot.READ | Prot.WRITE | Prot.CACHE;

/** A page table whose every store, table and invalidation is watched; the "driver" invalidates by calling {@link WatchedTable.flush}. */
export interface WatchedTable {
  readonly sanitizer: Sanitizer;
  readonly watch: TableWatch;
  readonly space: WatchedSpace;
  readonly table: IoPgtable;
  readonly memory: PhysicalMemory;
  /** Runs one numbered operation, strict unless told otherwise. */
  operation(edit: () => void, strict?: boolean): void;
  map(iova: number, pa: number, size: number, count?: number): void;
  unmap(iova: number, size: number, count?: number): number;
  /** What the SMMU is told. */
  flush(start: number, end: number, leafOnly?: boolean): void;
  /** Physical address of the descriptor at a level of the way to `iova`. */
  descriptorPa(iova: number, level: number): number;
  /** Kinds found so far, in order. */
  kinds(): string[];
}

export function watchedTable({
  breakLevel = 0,
  split = 'in-place',
  walkFlush = true,
  stage = 1,
  contiguous = false,
}: {
  breakLevel?: 0 | 1 | 2;
  split?: SplitPolicy;
  walkFlush?: boolean;
  stage?: 1 | 2;
  contiguous?: boolean;
} = {}): WatchedTable {
  const clock = { cycles: 0, seconds: 0 };
  const sanitizer = new Sanitizer(clock);
  const memory = new PhysicalMemory({ banks: [{ base: 0x8000_0000, size: 0x400_0000, node: 0 }] });
  const pages = new PageAllocator(memory, memory, { ...DEFAULT_PAGE_COSTS, minFreeKib: 0 });
  const watch = new TableWatch(memory, sanitizer);
  watch.breakLevel = breakLevel;
  const flush = (start: number, end: number, leafOnly = true): void =>
    watch.invalidation.addresses(1, start, end, ASID, 0, leafOnly);
  const table = allocIoPgtable(
    {
      format: stage === 1 ? 'ARM_64_LPAE_S1' : 'ARM_64_LPAE_S2',
      pageSizes: PAGE + BLOCK + 2 ** 30,
      ias: stage === 1 ? 48 : 39,
      oas: 48,
      split,
      contiguous,
      allocator: watchedTables(watch, {
        alloc: (cookie, size, gfp) => pages.alloc(cookie, Math.max(size, PAGE), gfp),
        free: (cookie, pa, size) => pages.free(cookie, pa, Math.max(size, PAGE)),
      }),
      tlb: {
        flushAll: () => watch.invalidation.addressSpace(ASID, 0),
        flushWalk: (iova, size) => {
          if (walkFlush) flush(iova, iova + size, false);
        },
        addPage: () => {},
      },
    },
    {
      memory: watch,
      dma: { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} },
      pages,
      warn: (code) => {
        throw new Error(code);
      },
    },
    null,
  );
  let space: WatchedSpace | null = null;
  table.visitTables((pa, level, size) => {
    if (level === table.geometry.startLevel) space = watch.addSpace(stage, ASID, 0, table.geometry, pa, size);
  });
  if (space === null) throw new Error('a table has a first level');
  const gather = (): IotlbGather => ({ start: 2 ** 64, end: 0, pageSize: 0, queued: false });
  return {
    sanitizer,
    watch,
    space,
    table,
    memory,
    flush,
    operation: (edit, strict = true) => {
      sanitizer.operation++;
      watch.invalidation.begin();
      edit();
      watch.invalidation.end(strict);
    },
    map: (iova, pa, size, count = 1) => {
      for (let done = 0; done < count; done += table.mapped / size) {
        const result = table.mapPages(iova + done * size, pa + done * size, size, count - done, RW, Gfp.KERNEL);
        if (result !== 0) throw new Error(`map: ${result}`);
      }
    },
    unmap: (iova, size, count = 1) => table.unmapPages(iova, size, count, gather()),
    descriptorPa: (iova, level) => {
      let found = -1;
      table.visitTables((pa, at, _size, first) => {
        const span = table.geometry.blockSizes[at] as number;
        if (at === level && iova >= first && iova < first + 512 * span)
          found = pa + 8 * Math.floor((iova - first) / span);
      });
      return found;
    },
    kinds: () => [...sanitizer.countsByKind().keys()],
  };
}

/** Stores a descriptor as software does. */
export function store({ watch }: WatchedTable, pa: number, low: number, high: number): void {
  const at = watch.index(pa);
  watch.words[at] = low;
  watch.words[at + 1] = high;
  watch.written(pa, 8);
}
