/** What the sanitizer can find, and what it says of each find. */

/** What can be found. The names are those of the report. */
export const FindingKind = {
  /** A leaf is gone from the table, the unmap call has returned, and a TLB still holds the translation. */
  STALE_WINDOW: 'stale-window',
  /** An access was served by such a translation. */
  STALE_TLB_HIT: 'stale-tlb-hit',
  /** The walker read a descriptor whose newest value was still dirty in the CPU cache: a dma_sync is missing. */
  STALE_WALK: 'stale-walk',
  /** The walker read a table page that was already freed, or that serves another table by now. */
  USE_AFTER_FREE_WALK: 'use-after-free-walk',
  /** A table page was freed while the walker could still reach it: its entry is valid, or was not invalidated since. */
  EARLY_TABLE_FREE: 'early-table-free',
  /** A valid descriptor was replaced by a different valid one without an invalidation in between (Arm ARM DDI 0487 D8.16.1). */
  BREAK_BEFORE_MAKE: 'break-before-make',
  /** A strict unmap has returned, and the SMMU was not told to forget all that it unmapped. */
  MISSING_INVALIDATION: 'missing-invalidation',
  /** A strict unmap has returned, and the region that was flushed for it does not cover all that it changed. */
  SHORT_FLUSH: 'short-flush',
  /** An access came to a region that the driver has locked, and nothing has ended the lock. */
  LOCKED_OUT: 'locked-out',
  /** A hardware context was given other tables while caches may still have held what was reached through the old ones. */
  REUSED_CONTEXT: 'reused-context',
  /** A command was written while the device still carried out the one before, which loses it. */
  COMMAND_WHILE_ACTIVE: 'command-while-active',
  /** An invalidation dropped much more than the unmap that asked for it. */
  WIDE_INVALIDATION: 'wide-invalidation',
  /** Table memory was asked for in a path that must not allocate (a VM_BIND job at run time). */
  ALLOCATION_IN_RUN: 'allocation-in-run',
  /** A table page was never given back. */
  LEAKED_TABLE: 'leaked-table',
  DOUBLE_FREE: 'double-free',
  /** A table page was freed with another size or cookie than it was allocated with. */
  WRONG_FREE: 'wrong-free',
  /** An owner asked for more table memory than it may have. */
  OVER_LIMIT: 'over-limit',
  /** Memory was given out as a table that is one already. */
  TABLE_IN_USE: 'table-in-use',
  /** The software that edits tables followed a descriptor to where no memory is: a kernel would have died there. */
  CPU_FAULT: 'cpu-fault',
  /** A table held something else than zeros when it was allocated. */
  DIRTY_TABLE: 'dirty-table',
  /** A strict unmap has returned, and its invalidation was not waited for. */
  MISSING_SYNC: 'missing-sync',
  /** An invalidation was hinted that its leaves are at another level than theirs: hardware may keep them. */
  WRONG_LEVEL_HINT: 'wrong-level-hint',
  /** A table of a walker that does not snoop was written without having been given to `dma_map_single`. */
  MISSING_DMA_MAP: 'missing-dma-map',
  /** A DMA mapping was made twice, or undone twice or with another size. */
  WRONG_DMA_UNMAP: 'wrong-dma-unmap',
  /** An access was served with another address than its mapping's, or as the tables do not say. */
  WRONG_TRANSLATION: 'wrong-translation',
  /** Registers and structures lead a stream to tables, or to a tag, that are not its domain's. */
  WRONG_DOMAIN: 'wrong-domain',
  /** An access was served where nothing is mapped. */
  UNMAPPED_ACCESS: 'unmapped-access',
  /** An access to what is mapped was refused. */
  LOST_MAPPING: 'lost-mapping',
  /** The tables map what nothing was asked to be mapped to, or what was unmapped. */
  STRAY_MAPPING: 'stray-mapping',
  /** A mapping has another memory type or shareability than it was asked for. */
  WRONG_MEMORY_TYPE: 'wrong-memory-type',
  /** A mapping grants less than it was asked for. */
  LOST_PERMISSION: 'lost-permission',
  /** A mapping grants more than it was asked for. */
  EXTRA_PERMISSION: 'extra-permission',
  /** A map or unmap that could have been done was not done, or not wholly. */
  REFUSED_OPERATION: 'refused-operation',
} as const;

export type FindingKind = (typeof FindingKind)[keyof typeof FindingKind];

/** What is known of a find besides where it happened; null where it does not apply. */
export interface Circumstances {
  /** One sentence for people. */
  readonly detail: string;
  /** Level of the descriptor, or of the table. */
  readonly level?: number;
  /** The descriptor as two halves: the one that was unmapped, replaced or read. */
  readonly low?: number;
  readonly high?: number;
  /** How long before the cause was, in cycles and in device accesses. */
  readonly cycles?: number;
  readonly accesses?: number;
  /** Domain concerned, where it is not that of the operation. */
  readonly domain?: number;
  /** Line of the capture. */
  readonly line?: number;
}

export interface Finding extends Circumstances {
  readonly kind: FindingKind;
  /** Number of the operation that was running, from 1. */
  readonly operation: number;
  readonly domain: number;
  readonly iova: number;
  /** Time of the trace's clock at which it was found. */
  readonly seconds?: number;
  /** CPU that the operation ran on. */
  readonly cpu?: number;
}

/** Where the machine stands: set by whoever drives it, read when something is found. */
export interface MachineClock {
  /** SMMU clock cycles since the start. */
  cycles: number;
  /** Seconds of the trace's clock. */
  seconds: number;
}

/** Who is told of finds, and knows where the machine stands: the `Sanitizer`, as its parts see it. */
export interface FindingSink {
  readonly clock: Readonly<MachineClock>;
  /** Number of the map or unmap that is running or ran last, from 1. */
  readonly operation: number;
  /** Device accesses so far, the one under way included. */
  readonly accesses: number;
  /** Records something found during the running operation. `circumstances` is only asked for while findings are still kept. */
  found(kind: FindingKind, iova: number, circumstances: () => Circumstances): void;
}

/** A descriptor as people write it. */
export function descriptorText(low: number, high: number): string {
  return `0x${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;
}

/** An address as people write it. */
export function addressText(address: number): string {
  return `0x${address.toString(16)}`;
}
