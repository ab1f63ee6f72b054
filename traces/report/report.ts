/** The shape of `tablewalk replay --json`, schema "tablewalk.report/1". Cycles are SMMU clock cycles, sizes bytes, times seconds of the trace's clock. */

import type { BindTotals, Deadlock, MemoryUse, RegionCounters } from '../../devices/index.ts';
import type { AllocatorReport } from '../../formats/index.ts';
import type { RunConfig } from '../config/index.ts';
import type { Confidence, Hole, Missing } from '../domains/index.ts';
import type { RecordedReport } from '../replay/index.ts';

export const REPORT_SCHEMA = 'tablewalk.report/1';

export interface CaptureSection {
  /** Records read: maps, unmaps and others, damaged ones not counted. */
  readonly events: number;
  readonly maps: number;
  readonly unmaps: number;
  readonly other: number;
  /** Records that could not be read, each skipped with its position. */
  readonly damaged: number;
  /** Events that the recorder itself says it lost. */
  readonly lost: number;
  /** There, when a capture says of itself that it is synthetic: what comes out measures nothing. */
  readonly synthetic?: true;
  /** Unmaps of a range that no domain holds. */
  readonly unmatchedUnmaps: number;
  /** Maps and unmaps that the table refused, in whole or in part. */
  readonly refused: number;
  /** The first refusals: which line of the capture asked for what, and why not. */
  readonly refusals: readonly { readonly line: number; readonly request: string; readonly reason: string }[];
  /** Unmaps of a part of a mapping, or of more than was mapped. */
  readonly partialUnmaps: number;
  /** Ranges still mapped when the capture ended. */
  readonly liveAtEnd: number;
  readonly liveBytesAtEnd: number;
  readonly domains: number;
  /** Of those, how many were inferred because the lines name none. */
  readonly domainsInferred: number;
  /** How its kernel invalidated unmapped addresses, as far as the capture shows. */
  readonly recorded: RecordedSection;
  /** How far the domains can be believed: `named` by the capture (or known to be one), else by how many calls contradict or leave a choice. */
  readonly domainConfidence: Confidence;
  /** What calls the capture lacks as far as it shows: `nothing`, what was mapped before it began (`start`), or `calls` in between. */
  readonly missing: Missing;
  /** Places where lines are missing though the capture does not say so. */
  readonly holes: readonly Hole[];
  /** Maps and unmaps that contradict their inferred domain: repaired, never played as they stand. */
  readonly contradictions: number;
  /** Lines of the first of them. */
  readonly contradictionLines: readonly number[];
  /** Events whose domain had to be chosen among several that were possible. */
  readonly ambiguous: number;
  readonly bytesMapped: number;
  readonly bytesUnmapped: number;
  /** What the times of the capture count: `none` where it has no times. */
  readonly clock: 'seconds' | 'ticks' | 'none';
  readonly firstTime: number;
  readonly lastTime: number;
  /** What a person should know of the capture before they believe figures that rest on it, in sentences. */
  readonly remarks: readonly string[];
  /** The first damaged records. */
  readonly damage: readonly {
    readonly file: string;
    readonly line: number;
    readonly reason: string;
  }[];
}

/**
 * Strict or lazy, from how soon freed addresses are used again: the DMA API hands out the one that was freed last in a size, and a lazy kernel
 * holds it back until its flush.
 */
export interface RecordedSection {
  /** `said`: the recording notes the type of its domains; `inferred`: addresses show it; `none`: nothing does. */
  readonly mode: 'strict' | 'lazy' | 'unknown';
  readonly basis: 'said' | 'inferred' | 'none';
  /** Maps within 4 ms of an unmap of the same size in their domain, and such of them as took its address. */
  readonly chances: number;
  readonly taken: number;
}

/** What became of the flush queues of lazy mode. */
export interface FlushQueueSection {
  /** Flushes by the timer, because a CPU's ring was full, and such as an address that was used again proves. */
  readonly timer: number;
  readonly full: number;
  readonly proven: number;
  /** Unmapped ranges that went through. */
  readonly ranges: number;
}

export interface TableSection {
  readonly format: string;
  readonly granule: string;
  readonly ias: number;
  readonly oas: number;
  readonly coherentWalk: boolean;
  readonly allocations: number;
  readonly frees: number;
  readonly liveTables: number;
  readonly peakTables: number;
  readonly peakBytes: number;
  readonly descriptorsWritten: number;
  readonly descriptorsCleared: number;
  /** Leaf size in bytes to leaves mapped. */
  readonly leavesMappedBySize: Readonly<Record<string, number>>;
  readonly blockSplits: number;
  /** Warning code to how often the kernel would have warned. */
  readonly warnings: Readonly<Record<string, number>>;
}

export interface DmaSection {
  readonly maps: number;
  readonly unmaps: number;
  readonly syncs: number;
  readonly bytesSynced: number;
  readonly linesCleaned: number;
}

export interface InvalidationSection {
  readonly mode: 'strict' | 'lazy';
  /** Invalidations of leaves by address or range. */
  readonly byAddress: number;
  /** Invalidations that also drop walk-cache entries, because a table went away. */
  readonly byWalkRange: number;
  /** Invalidations of a whole address space or of everything. */
  readonly all: number;
  /** All commands, CMD_SYNC included. */
  readonly commands: number;
  readonly syncs: number;
  readonly cycles: number;
  /** Null in strict mode. */
  readonly flushQueue: FlushQueueSection | null;
}

export interface HitsAndMisses {
  readonly hits: number;
  readonly misses: number;
}

export interface TranslationSection {
  readonly requests: number;
  readonly faults: number;
  readonly microTlb: HitsAndMisses;
  readonly mainTlb: HitsAndMisses;
  readonly walkCache: HitsAndMisses;
  readonly walks: number;
  readonly descriptorReads: number;
  readonly cycles: {
    readonly mean: number;
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly total: number;
  };
}

export interface SoftwareSection {
  readonly cycles: {
    readonly allocation: number;
    readonly edit: number;
    readonly sync: number;
    readonly invalidation: number;
    /** The DMA API's allocator of addresses, and the flush queue of lazy mode. */
    readonly iova: number;
    readonly total: number;
  };
}

export interface FindingRecord {
  readonly kind: string;
  /** Number of the map or unmap, from 1, in the order of the capture. */
  readonly operation: number;
  /** Its line of the capture, the time at which it was found, and the CPU that the operation ran on. */
  readonly line?: number;
  readonly time?: number;
  readonly cpu?: number;
  /** Devices of the domain that the capture names; absent where it names none. */
  readonly devices?: readonly string[];
  readonly domain: number;
  readonly iova: string;
  /** Level of the descriptor or the table concerned, where there is one. */
  readonly level?: number;
  /** The descriptor that was unmapped, replaced or read. */
  readonly descriptor?: string;
  /** How long before the cause was, in cycles and in device accesses. */
  readonly age?: { readonly cycles: number; readonly accesses: number };
  /** One sentence for people. */
  readonly detail: string;
}

export interface WindowLengths {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface SanitizerSection {
  readonly staleWindows: number;
  readonly staleTlbHits: number;
  readonly staleWalks: number;
  readonly leakedTables: number;
  readonly doubleFrees: number;
  /** All findings by kind, those above included. */
  readonly byKind: Readonly<Record<string, number>>;
  /** Maps of an IOVA whose invalidation was still queued, in a capture of a strict kernel: a lazy one would have taken another address. */
  readonly reusedBeforeFlush: number;
  readonly longestWindow: { readonly cycles: number; readonly seconds: number };
  /** How long stale windows stood open, in cycles and in trace time, which is cycles by the clock. Percentiles are known to 1.1 %. */
  readonly windows: { readonly count: number; readonly cycles: WindowLengths; readonly seconds: WindowLengths };
  /** The first hundred, and the first ten of every kind. */
  readonly findings: readonly FindingRecord[];
}

/** One thing that time goes into. CPU time and device time pass side by side: they are never added up. */
export interface CostItem {
  readonly side: 'cpu' | 'device';
  readonly name: string;
  readonly count: number;
  readonly cycles: number;
}

/** How long something took. Cycles; the percentiles of operations are known to 9 %, those of accesses to half a cycle. */
export interface Spread {
  readonly count: number;
  readonly total: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** What the CPU spent on a group of maps, unmaps or flushes. */
export interface CpuGroup extends Spread {
  readonly bytes: number;
  /** Cycles by what they went into; causes that took none are absent. */
  readonly byCause: Readonly<Record<string, number>>;
}

/** What the accesses of one device or domain took. */
export interface AccessGroup extends Spread {
  readonly faults: number;
}

/** The same costs, told apart. */
export interface BreakdownSection {
  /** By `map`, `unmap`, `flush` (of a flush queue's timer) and `other` (attaching, faults). */
  readonly operations: Readonly<Record<string, CpuGroup>>;
  readonly domains: readonly {
    readonly domain: number;
    /** How the domain is known: the capture names it or its device, or it was inferred. */
    readonly origin: string;
    readonly devices: readonly string[];
    readonly streams: readonly number[];
    readonly cpu: CpuGroup;
    readonly accesses: AccessGroup;
  }[];
  readonly sizes: readonly {
    readonly operation: 'map' | 'unmap';
    /** From so many bytes to less than twice as many. */
    readonly from: number;
    readonly cpu: CpuGroup;
  }[];
  readonly streams: readonly { readonly stream: number; readonly accesses: AccessGroup }[];
}

/** What CPUs wait for because there are others, in cycles. */
export interface CpuWaits {
  /** Cache lines of the queue and of locks that another CPU had last. */
  readonly line: number;
  /** Such lines that others have now or take away in between, and claims of the queue repeated for that. */
  readonly claim: number;
  /** Room in the command queue. */
  readonly space: number;
  /** The CPU that publishes the commands of several. */
  readonly owner: number;
  readonly lock: number;
  /** The device, which does what others told it first. */
  readonly device: number;
}

/**
 * The same operations on several CPUs at once, each where the capture has it and no earlier. Tables, invalidations, accesses and all other
 * sections are of the capture's order on one clock, and do not change with the number of CPUs.
 */
export interface CpusSection {
  /** How many were asked for, how many had anything to do, and how many CPUs (or domains, by `cpuLoad.by`) the capture has. */
  readonly asked: number | 'capture';
  readonly used: number;
  readonly named: number;
  /** Maps and unmaps whose line names none: they ran on the first. */
  readonly unnamed: number;
  /** Cycles from the begin of the first operation to the end of the last. */
  readonly span: number;
  /** Cycles of all operations, waiting for others included, and what they would take alone. */
  readonly busy: number;
  readonly own: number;
  /** Of the waiting, what there would be none of if no two operations met: all but `line`. */
  readonly contention: number;
  readonly waits: CpuWaits;
  /** Cycles in which some CPU did something other than wait for a device or a lock, in which the device did something, and in which both did. */
  readonly active: { readonly cpu: number; readonly device: number; readonly both: number };
  /** Claims of space in the command queue, and the compare-and-exchanges that they took. */
  readonly claims: number;
  readonly attempts: number;
  /** How long operations took, waiting for others included. */
  readonly operations: Readonly<Record<string, Spread>>;
  readonly each: readonly {
    /** Which CPUs (or domains, by `cpuLoad.by`) of the capture it stands for. */
    readonly cpus: readonly number[];
    readonly operations: number;
    /** Cycles at work, and waiting for what it told the device itself. */
    readonly working: number;
    readonly polling: number;
    readonly waits: CpuWaits;
    readonly total: number;
  }[];
}

/** What the jobs of a replay through VM_BIND came to. */
export interface BindSection {
  /** Over all domains: sums, and the largest of what is a peak or a worst. */
  readonly totals: BindTotals;
  readonly deadlocks: readonly Deadlock[];
}

export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  /** What made it. */
  readonly tool: { readonly name: string; readonly version: string };
  /** Names of the captures, as they were given. */
  readonly captures: readonly string[];
  /** False when the replay was interrupted or limited before the end of the capture. */
  readonly complete: boolean;
  readonly capture: CaptureSection;
  readonly table: TableSection;
  /** Where the tables came from and went to, with everything taken down at the end. */
  readonly allocation: AllocatorReport;
  readonly memory: MemoryUse;
  readonly dma: DmaSection;
  readonly invalidation: InvalidationSection;
  readonly translation: TranslationSection;
  readonly software: SoftwareSection;
  readonly breakdown: BreakdownSection;
  readonly cpus: CpusSection;
  /** Null in a direct replay. */
  readonly bind: BindSection | null;
  /** What locking and flushing regions came to; absent where the MMU does not work like that. */
  readonly regions?: RegionCounters;
  /** How the accesses of an IOMMU's own log went; absent without one. */
  readonly recordedAccesses?: RecordedReport;
  readonly sanitizer: SanitizerSection;
  /** Every cost item, dearest first. */
  readonly costs: readonly CostItem[];
  /** The machine that was run, as `tablewalk config` prints it. */
  readonly config: RunConfig;
}
