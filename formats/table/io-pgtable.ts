/**
 * The face of page-table software, shaped after Linux `include/linux/io-pgtable.h`: a configuration goes in, an object with
 * map, unmap and lookup comes out, and everything it needs from the outside comes through {@link Machine}.
 */

import type { IotlbGather } from './gather.ts';
import type { Geometry } from './geometry.ts';
import type { LinuxVersion } from './kernels.ts';
import type { DmaPort, TableAllocator, TableMemory, TlbFlushOps } from './ports.ts';
import type { Registers } from './registers.ts';
import type { TeardownQueue } from './teardown.ts';
import type { WarningCode } from './warnings.ts';

/** Formats that a table can have (Linux `enum io_pgtable_fmt`, the Arm part). */
export const IO_PGTABLE_FORMATS = [
  'ARM_32_LPAE_S1',
  'ARM_32_LPAE_S2',
  'ARM_64_LPAE_S1',
  'ARM_64_LPAE_S2',
  'ARM_MALI_LPAE',
  'ARM_V7S',
] as const;

export type IoPgtableFormat = (typeof IO_PGTABLE_FORMATS)[number];

/** What a format can do beyond mapping (Linux `enum io_pgtable_caps`). One bit each. */
export const FormatCapability = {
  /** Takes its tables from the hook in the configuration. */
  CUSTOM_ALLOCATOR: 1,
} as const;

/** Deviations from the plain format. One bit each, with Linux's values (`IO_PGTABLE_QUIRK_*`). */
export const Quirk = {
  /** Set NS in leaves and NSTable in tables. */
  ARM_NS: 0x1,
  /** Short descriptors: leaves carry no access permissions. */
  NO_PERMS: 0x2,
  /** Short descriptors: MediaTek's extra address bits. */
  ARM_MTK_EXT: 0x8,
  /** Short descriptors: MediaTek's extra address bits in TTBR. */
  ARM_MTK_TTBR_EXT: 0x10,
  /** The table is the upper half (TTBR1) of the address space. */
  ARM_TTBR1: 0x20,
  /** Table walks use the outer cache, not the inner one. */
  ARM_OUTER_WBWA: 0x40,
  /** Leaves carry DBM, so that hardware keeps the dirty state. */
  ARM_HD: 0x80,
  /** Stage 2: cacheable leaves force write-back, whatever stage 1 says (FEAT_S2FWB; Linux from 6.13 on). */
  ARM_S2FWB: 0x100,
  /** Callers that meet what is mapped already, or a hole, are not warned of (Linux from 6.16 on). */
  NO_WARN: 0x200,
} as const;

/** Protection and memory-type flags of a mapping. One bit each, with Linux's values (`IOMMU_*`). */
export const Prot = {
  READ: 1,
  WRITE: 2,
  CACHE: 4,
  NOEXEC: 8,
  MMIO: 16,
  PRIV: 32,
} as const;

/** Flags of `readAndClearDirty`. */
export const DirtyFlag = {
  /** Report, but leave the pages dirty (Linux `IOMMU_DIRTY_NO_CLEAR`). */
  NO_CLEAR: 1,
} as const;

/** Error numbers of the data path, as Linux numbers them. Calls return them negated. */
export const Errno = {
  ENOENT: 2,
  EIO: 5,
  ENOMEM: 12,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ERANGE: 34,
  ETIMEDOUT: 110,
} as const;

/** Name of a result such as -12 ("ENOMEM"); "OK" for 0, and the bare number where there is no name. */
export function errnoName(result: number): string {
  if (result === 0) return 'OK';
  const found = Object.entries(Errno).find(([, value]) => value === -result);
  return found === undefined ? String(result) : found[0];
}

/** What a part of a block's unmap does to the block. */
export const SPLIT_POLICIES = [
  /** Linux up to 6.12: a table takes the block's place in one store. Not hitless on many parts. */
  'in-place',
  /** Linux from 6.13 on: warn, and unmap nothing. */
  'refuse',
  /** The panthor driver since December 2025: the whole block goes, head and tail are mapped again with smaller pages. */
  'unmap-and-remap',
] as const;

export type SplitPolicy = (typeof SPLIT_POLICIES)[number];

/** How much memory a pgd smaller than a page takes. */
export type PgdSizing =
  /** Linux's built-in allocator: whole pages. */
  | 'whole-page'
  /** Exactly the bytes that the pgd has. */
  | 'exact'
  /** The bytes that the pgd has, from {@link Machine.slabs}. */
  | 'slab';

/** Hooks that replace the built-in table allocator. Both or neither, or the configuration is refused. */
export type AllocatorHooks = Partial<TableAllocator>;

/** What a table is made from (Linux `struct io_pgtable_cfg`). */
export interface IoPgtableConfig {
  readonly format: IoPgtableFormat;
  /**
   * Page sizes that the user can handle, as a bitmap: the sum of the sizes in bytes. Creation narrows it to what the granule
   * offers; the granule is the CPU page size (4 KiB) when it is there, else the largest size below, else the smallest above.
   */
  readonly pageSizes: number;
  /** Input address size in bits. */
  readonly ias: number;
  /** Output address size in bits. */
  readonly oas: number;
  /** Sum of {@link Quirk} bits; default 0. */
  readonly quirks?: number;
  /** True: the walker sees the CPU's caches, so that no cache maintenance is needed. Default true. */
  readonly coherentWalk?: boolean;
  /** Where tables come from instead of {@link Machine.pages}. */
  readonly allocator?: AllocatorHooks | null;
  /** TLB maintenance of the driver; null when there is none to do. Default null. */
  readonly tlb?: TlbFlushOps | null;
  /** Kernel whose page-table code is followed; see `KERNELS` for what differs. Default 6.12. */
  readonly linux?: LinuxVersion;
  /** Default: what that kernel does. */
  readonly split?: SplitPolicy;
  /** Mark aligned runs of leaves with the contiguous hint. No released kernel does. Default false. */
  readonly contiguous?: boolean;
  /** Default 'whole-page'. Custom allocators are always asked for the exact size. */
  readonly pgdSizing?: PgdSizing;
}

/** A configuration after creation has filled in the defaults and narrowed the sizes. */
export type AdjustedConfig = Required<IoPgtableConfig>;

/** Where another CPU's work can change what an edit does. */
export type InterleavePoint =
  /** Before a compare-and-exchange of a descriptor, which the other may win. */
  | 'before-exchange'
  /** After one that was won, before the entry is synced: others find a table that the device may not see yet. */
  | 'before-sync';

/** Everything that page-table software needs from the outside. */
export interface Machine {
  readonly memory: TableMemory;
  readonly dma: DmaPort;
  /** The system page allocator, behind the built-in allocator. It zeroes what `Gfp.ZERO` asks to be zeroed. */
  readonly pages: TableAllocator;
  /** Small-object allocator for `pgdSizing: 'slab'`; {@link pages} serves when it is absent. */
  readonly slabs?: TableAllocator;
  /** Takes a warning; what the numbers are stands at the code. */
  warn(code: WarningCode, ...values: number[]): void;
  /** Takes what Linux would print with dev_err. */
  log?(message: string): void;
  /** Runs where another CPU may come in between: what it does to the same table happens there. */
  interleave?(point: InterleavePoint): void;
}

/** Takes the ranges that dirty tracking finds (Linux `iommu_dirty_bitmap_record`). */
export interface DirtyRecorder {
  record(iova: number, size: number): void;
}

/** Counters of one table, all since its creation. */
export interface TableStats {
  /** Descriptors stored that are not zero: leaves, table entries, entries of a split. */
  descriptorsWritten: number;
  /** Descriptors set to zero. */
  descriptorsCleared: number;
  blockSplits: number;
  tablesAllocated: number;
  tablesFreed: number;
  /** Bytes of tables held now, as asked from the allocator. */
  tableBytes: number;
  peakTables: number;
  peakTableBytes: number;
  /** Leaves that map calls wrote, by level (index 0 to 3; short descriptors use 1 and 2). */
  readonly leavesMapped: Float64Array;
  /** Leaves that unmap calls cleared, by level. */
  readonly leavesUnmapped: Float64Array;
  /** Compare-and-exchange attempts that found somebody else's descriptor. */
  racesLost: number;
  /** Cache cleans asked for, and the bytes in them. */
  syncs: number;
  bytesSynced: number;
  warnings: number;
}

/** Fresh counters. */
export function newTableStats(): TableStats {
  return {
    descriptorsWritten: 0,
    descriptorsCleared: 0,
    blockSplits: 0,
    tablesAllocated: 0,
    tablesFreed: 0,
    tableBytes: 0,
    peakTables: 0,
    peakTableBytes: 0,
    leavesMapped: new Float64Array(4),
    leavesUnmapped: new Float64Array(4),
    racesLost: 0,
    syncs: 0,
    bytesSynced: 0,
    warnings: 0,
  };
}

/** Is shown every live table: its address, its level, its size in bytes, and the first iova that it covers. */
export type TableVisitor = (pa: number, level: number, size: number, iova: number) => void;

/** Is shown every live leaf: what it maps, its level, and its descriptor as two halves (high is 0 for short descriptors). */
export type LeafVisitor = (
  iova: number,
  pa: number,
  size: number,
  level: number,
  low: number,
  high: number,
  descriptorPa: number,
) => void;

/**
 * One translation table and the software that edits it. Addresses of an upper-half (TTBR1) table are its low `ias` bits, here
 * and in the TLB callbacks: whoever owns the table knows the ones above.
 */
export interface IoPgtable {
  readonly config: AdjustedConfig;
  readonly geometry: Geometry;
  /** What the driver writes into the translation registers. */
  readonly registers: Registers;
  readonly stats: Readonly<TableStats>;
  /** Bytes that the last {@link mapPages} mapped, also when it returned an error. */
  readonly mapped: number;
  /** Tables held now. Reaches 0 when teardown is complete. */
  readonly liveTables: number;

  /**
   * Maps `count` pages of `pageSize` bytes. Stops at the end of a table, as Linux does: the caller goes on from {@link mapped}.
   * @returns 0 or a negative {@link Errno}.
   */
  mapPages(iova: number, pa: number, pageSize: number, count: number, prot: number, gfp: number): number;
  /**
   * Unmaps `count` pages of `pageSize` bytes; stops at the end of a table or at a hole.
   * @returns bytes unmapped.
   */
  unmapPages(iova: number, pageSize: number, count: number, gather: IotlbGather | null): number;
  /**
   * Physical address of `iova`, or 0 for none (which, as in Linux, is also the address 0). There is no range: bits above the input
   * size are ignored. 2**64 stands for the last address, 2^64 - 1, which no number holds.
   */
  iovaToPhys(iova: number): number;
  /**
   * The descriptors that a walk to `iova` meets (Linux `pgtable_walk`, since 6.14), whichever kernel is followed: that of level n goes
   * to `descriptors[2 * n]` (low half) and `[2 * n + 1]`. Levels that the walk does not come to are left as they are.
   * @returns 0 when it ends at a leaf, -EINVAL when it does not, and for short descriptors.
   */
  pgtableWalk(iova: number, descriptors: Uint32Array): number;
  /**
   * Records the dirty leaves in `[iova, iova + size)` and, without `DirtyFlag.NO_CLEAR`, makes them clean.
   * @returns 0 or a negative {@link Errno}.
   */
  readAndClearDirty(iova: number, size: number, flags: number, recorder: DirtyRecorder): number;
  /**
   * To be called after anybody but this table stored an entry that points to a table, or did: what is remembered of the way to tables
   * is found anew. (Leaves may be stored at any time, as hardware does that keeps access flag and dirty state.)
   */
  entriesChanged(): void;
  /** Flushes the TLB and frees every table, at once. */
  free(): void;
  /**
   * Frees at most `pageBudget` tables. The first step flushes the TLB; no callback is made after it, so that the hardware
   * context may go away between steps. Mapping is over once it has begun.
   * @returns true when everything is freed.
   */
  teardown(pageBudget: number): boolean;
  /**
   * The same for many tables that share one list of what is left to free: flushes the TLB and frees the first level now, the rest
   * goes by the steps of `queue`, and is gone when {@link liveTables} is 0.
   */
  teardownInto(queue: TeardownQueue): void;
  /** Shows every live table, parents before children, in address order. */
  visitTables(visit: TableVisitor): void;
  /** Shows every live leaf in address order. */
  visitLeaves(visit: LeafVisitor): void;
}

/** The memory for a table's first level could not be had. */
export class TableMemoryError extends Error {
  override readonly name = 'TableMemoryError';
  /** Bytes asked for. */
  readonly size: number;

  constructor(size: number) {
    super(`no memory for a top-level table of ${size} bytes`);
    this.size = size;
  }
}
