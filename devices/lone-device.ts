import type { MmuOptions, WalkMemory } from '../emulator/index.ts';
import type { IommuDevice } from './iommu.ts';

/** RAM as a device alone reads and writes it: tables, queues, messages. */
export interface DeviceMemory extends WalkMemory {
  /** @returns false when the bus answers with an error */
  write32(pa: number, value: number): boolean;
  write64(pa: number, low: number, high: number): boolean;
}

/** What a device stands on that has no driver of ours: a client is its driver. `C` is what the MMU's part of a configuration says. */
export interface LoneParts<C> {
  readonly config: C;
  /** Whether the device says that its reads of tables snoop. */
  readonly coherent: boolean;
  /** TLBs, walker and their times. */
  readonly mmu: MmuOptions;
  readonly memory: DeviceMemory;
  /** Told of each edge on an interrupt line, by its number. */
  readonly edge: (line: number) => void;
}

/** A device with its surroundings. */
export interface LoneDevice {
  readonly device: IommuDevice;
  /** Bytes of its registers. */
  readonly registerBytes: number;
  /** StreamIDs are below this. */
  readonly streams: number;
  /** Names of its interrupt lines, at most 32. */
  readonly lines: readonly string[];
  /** Level-sensitive lines that are at 1 now, a bit each. */
  levels(): number;
}
