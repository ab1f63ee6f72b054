import type {
  BusPort,
  FindingKind,
  MmuOptions,
  PresetName,
  StaleMarks,
  TranslatingDevice,
  TranslationRegime,
} from '../emulator/index.ts';
import type { IoPgtable, IoPgtableConfig, IotlbGather, Machine, PageCutter, TableMemory } from '../formats/index.ts';
import type { StepListener } from './cpus/index.ts';
import type { LoneDevice, LoneParts } from './lone-device.ts';
import type { PlantedBugsConfig } from './planted-bugs/index.ts';
import type { RegisterBus, RegisterMap } from './registers/index.ts';

/**
 * The contract of every MMU: what a machine, a replay and a study need of a device and of its driver, and all that they may know
 * of them. `test/contract/iommu.test.ts` runs one suite over every MMU of the registry (`mmus.ts`).
 */

/** An address space: one table, its tag in the TLBs, and what uses it. Made by `IommuDriver.createDomain`. */
export interface IommuDomain {
  readonly table: IoPgtable;
  /** ASID of a stage 1, or the number of a hardware context; 0 of a stage 2. It may change where contexts are given out anew (see `onRetag`). */
  readonly asid: number;
  /** No context of the hardware has it now: the TLBs hold nothing of it that is still used. Absent: it always has one. */
  readonly parked?: boolean;
  /** VMID of a stage 2, from 1; 0 of a stage 1. */
  readonly vmid: number;
  /** The table is the upper half of the address space (TTBR1). */
  readonly upper: boolean;
  /** Page sizes of the table. */
  readonly cutter: PageCutter;
  /** Bytes that the last map mapped. */
  mapped: number;
}

/** What a domain's table is made from: an io-pgtable configuration, of which the driver fills in what it knows. */
export type DomainConfig = Partial<Omit<IoPgtableConfig, 'tlb'>>;

/** Counters of a driver since its start. */
export interface IommuCounters {
  /** Invalidations of leaves, because tables went away, and of whole address spaces. */
  readonly byAddress: number;
  readonly byWalkRange: number;
  readonly all: number;
  /** Commands that reached the device, or registers that were written for invalidations; waits for completion not among them. */
  readonly commands: number;
  /** Waits for completion, with what `IommuModel.completion` names. */
  readonly syncs: number;
  /** By name of the command or register; names that never occurred are absent. */
  readonly commandsByName: Readonly<Record<string, number>>;
  /** Cycles that the CPU spent on invalidations, and the part of them that it waited. */
  readonly cycles: number;
  readonly waitCycles: number;
  /** Fault records handled, and the cycles for it. */
  readonly events: number;
  readonly eventCycles: number;
}

/**
 * What locking and flushing regions around edits came to, on MMUs where that is how it is done (Mali), since the start. Plain JSON.
 * Times are of the device's clock, without the time that the CPU spends on the table while a region is locked.
 */
export interface RegionCounters {
  /** Operations on address spaces: maps and unmaps. */
  readonly operations: number;
  /** Locks, bytes in the locked regions, and bytes in them beyond what was edited: flushed beyond need. */
  readonly locks: number;
  readonly lockedBytes: number;
  readonly excessBytes: number;
  /** Cycles for which some region of an address space was locked. */
  readonly lockedCycles: number;
  /** Accesses that waited for a lock to end, and how long. */
  readonly lockWaits: number;
  readonly lockWaitCycles: number;
  /** Flushes of edits. */
  readonly flushes: number;
  /** Bytes unmapped and mapped again because a huge page could not be cut. */
  readonly remappedBytes: number;
  /** Tables set aside for operations; of these, taken, and given back. */
  readonly tablesReserved: number;
  readonly tablesUsed: number;
  readonly tablesReturned: number;
  /** Hardware contexts taken from one address space for another, and resets of the device. */
  readonly evictions: number;
  readonly resets: number;
}

/**
 * What a kernel's driver of an MMU does. Methods take domains that the same driver made. Time: `now` is the SMMU clock cycle at which
 * the driver's CPU is; set it before a call to say when the call begins, the call moves it on.
 */
export interface IommuDriver {
  now: number;
  /** Cycles that the CPU spent on invalidations so far, and the part of them that it waited. */
  readonly cycles: number;
  readonly waitCycles: number;
  /** Cycles that it spent on faults. */
  readonly eventCycles: number;
  /** StreamIDs go from 0 to below this: a device's name for a master, a GPU's number of address spaces at once. */
  readonly streamCount: number;
  /** How many faults the device can hold for the driver before it loses some. */
  readonly faultCapacity: number;
  /**
   * The driver's unmap frees tables first and flushes then, before it returns: a flaw that Linux has there, and no bug of this run.
   * Absent: it invalidates before it frees.
   */
  readonly flushesAfterFree?: boolean;
  /** Told when the TLBs know a domain under another ASID from now on: its hardware context was given out anew. */
  onRetag: ((domain: IommuDomain) => void) | null;
  /** Told of each list of commands and each work under a lock, for which CPUs contend. */
  onStep: StepListener | null;

  /**
   * Makes an address space.
   * @throws ConfigError, also for a table that this MMU cannot walk, or TableMemoryError without memory for the first level.
   */
  createDomain(asked?: DomainConfig): IommuDomain;
  /** Frees the table (which flushes the TLB) and the tag. Detach its streams first. */
  freeDomain(domain: IommuDomain): void;
  /** Lets a stream use a domain, instead of the one that it used before. @throws ConfigError for what the stream cannot do */
  attach(domain: IommuDomain, streamId: number): void;
  /** Takes a stream away from its domain: that traffic aborts from now on. Nothing happens when it does not use the domain. */
  detach(domain: IommuDomain, streamId: number): void;
  /**
   * The device is about to use the domain through a stream: a GPU's address space is given a hardware slot first.
   * @returns the StreamID that its requests carry
   */
  activate(domain: IommuDomain, streamId: number): number;
  /** The device does not use the domain for now; its slot may be given to another. */
  idle(domain: IommuDomain): void;
  /**
   * Maps `[iova, iova + size)` to `[pa, pa + size)` in the largest pages that fit. On an error nothing stays mapped.
   * @returns 0 or a negative `Errno`
   */
  map(domain: IommuDomain, iova: number, pa: number, size: number, prot: number): number;
  /**
   * Unmaps `[iova, iova + size)` up to the first hole. What is to be invalidated gathers in `gather`, or is invalidated at once where
   * the driver does not gather.
   * @returns bytes unmapped
   */
  unmap(domain: IommuDomain, iova: number, size: number, gather: IotlbGather): number;
  /** Invalidates what `gather` holds and waits for it; the gather is empty afterwards. */
  iotlbSync(domain: IommuDomain, gather: IotlbGather): void;
  /** Invalidates everything of a domain and waits for it: what a flush queue does. */
  flushDomain(domain: IommuDomain): void;
  /** Takes every fault that the device holds. @returns how many */
  handleEvents(): number;
  counters(): IommuCounters;
  /** Where edits lock and flush regions: what that came to. */
  regions?(): RegionCounters;
}

/** What only a device sees its driver do wrong. */
export interface DeviceMisuse {
  readonly kind: FindingKind;
  /** Context of the hardware, as `IommuDomain.asid` numbers it. */
  readonly asid: number;
  /** Address concerned; 0 where none is. */
  readonly iova: number;
  /** One sentence for people. */
  readonly detail: string;
}

/** The hardware: registers, and transactions of the masters behind it (`translate`, and `admit` and `settle` for many in flight). */
export interface IommuDevice extends TranslatingDevice, RegisterBus {
  /** The sanitizer's marks on what the TLBs hold. */
  readonly stale: StaleMarks;
  /** Break-before-make level of the hardware (IDR3.BBML): 0 wants every change broken first, 2 none. */
  readonly breakBeforeMakeLevel: 0 | 1 | 2;
  /** Cycle of the register accesses that follow. */
  now: number;
  /** Told of each misuse that the device sees. */
  onMisuse?: (misuse: DeviceMisuse) => void;
  /**
   * Whether invalidations act on regions that the hardware rounds up, so that dropping more than was unmapped is how it works and no
   * fault of the driver.
   */
  readonly invalidatesRegions?: boolean;
  /** The device tells its observer when the completion of invalidations was waited for. Absent: it cannot. */
  readonly tellsCompletion?: boolean;
  /** Whether accesses to [start, end) of a context, and walks for it, wait now, because the driver has locked it. Absent: never. */
  isLocked?(asid: number, start: number, end: number): boolean;
  /** How a stream is translated, as the structures in memory and the registers have it now; null where it is not. */
  regimeOf(streamId: number): TranslationRegime | null;
}

/** Table formats by the name that the command line gives them. */
export const FORMAT_NAMES = {
  'arm-64-lpae-s1': 'ARM_64_LPAE_S1',
  'arm-64-lpae-s2': 'ARM_64_LPAE_S2',
  'arm-32-lpae-s1': 'ARM_32_LPAE_S1',
  'arm-32-lpae-s2': 'ARM_32_LPAE_S2',
  'arm-mali-lpae': 'ARM_MALI_LPAE',
  'arm-v7s': 'ARM_V7S',
} as const;
export type FormatKey = keyof typeof FORMAT_NAMES;

/** log2 of each granule, by the name that the command line gives it. */
export const GRANULES = { '4k': 12, '16k': 14, '64k': 16 } as const;

/** What a machine gives an MMU and its driver to stand on. `C` is what the MMU's part of a configuration says. */
export interface IommuParts<C> {
  readonly config: C;
  /** Name of the driver, one of the model's. */
  readonly driverName: string;
  /** Whether the device's reads of tables snoop the CPU caches. */
  readonly coherent: boolean;
  /** TLBs, walker and their times. */
  readonly mmu: MmuOptions;
  /** The device's way to memory. */
  readonly memory: BusPort;
  /** What page-table code needs; `pages` also gives the memory of queues and structures. */
  readonly machine: Machine;
  /** The CPU's view of coherent memory. */
  readonly structures: TableMemory;
  readonly bugs: PlantedBugsConfig;
}

/** Tables of a device without a driver. */
export type BareTables = 'nested' | 'arm-v7s' | 'both-halves';

/** One kind of MMU: how it is called, what it takes, and how it is made. */
export interface IommuModel<C = never> {
  /** As `--mmu` takes it. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** What a driver waits for invalidations with, by its name in the manual. */
  readonly completion: string;
  /** Drivers by the name that `--driver` takes; the first is the default. */
  readonly drivers: readonly string[];
  /** Table formats that it walks; the first is the default. */
  readonly formats: readonly FormatKey[];
  /** Fields of `table` that are otherwise than the defaults of a configuration, where the user leaves them open. */
  readonly table: Readonly<Record<string, unknown>>;
  /** The same of one driver, by its name. */
  readonly driverTable?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Preset of its TLBs, where the user names none. */
  readonly preset?: PresetName;
  /** Registers that lead to everything it translates, so that an image of memory can begin with them. Absent: no registers do. */
  readonly imageRegisters?: RegisterMap;
  /** Tables that the hardware walks although no driver here makes them: a stage over another, short descriptors, two halves at once. */
  readonly bareTables?: readonly BareTables[];
  /** The device without a driver. */
  alone(parts: LoneParts<C>): LoneDevice;
  /** @throws ConfigError for a configuration that cannot work */
  create(parts: IommuParts<C>): { readonly device: IommuDevice; readonly driver: IommuDriver };
}
