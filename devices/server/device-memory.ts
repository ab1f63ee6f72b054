import type { WalkMemory } from '../../emulator/index.ts';

/** RAM as a device alone reads and writes it: tables, queues, messages. */
export interface DeviceMemory extends WalkMemory {
  /** @returns false when the bus answers with an error */
  write32(pa: number, value: number): boolean;
  write64(pa: number, low: number, high: number): boolean;
}
