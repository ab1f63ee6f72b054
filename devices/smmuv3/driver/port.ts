import type { RegisterPort } from '../../registers/index.ts';
import type { FaultRecord } from './queues/index.ts';

/**
 * What the driver's code runs on: the SMMU's registers, and a CPU that can wait. Our SMMU with its clock implements it
 * ({@link import('./device-port.ts').DevicePort}), and so does a player of recorded accesses.
 */
export interface SmmuPort extends RegisterPort {
  /** One look at a word of memory that the SMMU may write: how a CPU polls for the MSI of a CMD_SYNC. */
  load32(pa: number): number;
  /** The CPU sleeps (WFE) until the SMMU's event, or the timer's event stream every 100 µs, wakes it. */
  waitForEvent(): void;
  /** One turn of a spinning CPU (`cpu_relax`). */
  relax(): void;
  /** The CPU sleeps for `least` to `most` microseconds (`usleep_range`). */
  sleep(least: number, most: number): void;
  /** Microseconds since any fixed moment. */
  readonly time: number;
  /** Set by the driver: the handler of the SMMU's global error interrupt. */
  onGlobalError: (() => void) | null;
}

/** Interrupts that the driver sets up. */
export type InterruptName = 'evtq' | 'gerror' | 'priq' | 'combined';

/** An MSI as the interrupt controller gives it out. */
export interface Message {
  readonly addressLow: number;
  readonly addressHigh: number;
  readonly data: number;
}

/** What the driver needs from the rest of the kernel. All hooks may be left out. */
export interface SmmuPlatform {
  /** Asks for an interrupt. */
  requestInterrupt?(name: InterruptName): void;
  /** The doorbell of an interrupt; null, also when the hook is absent, for a wired one. */
  message?(name: InterruptName): Message | null;
  /** PCI: `pci_prepare_ats`, `pci_enable_ats` and `pci_disable_ats` of a device; `unit` is log2 of the smallest translation. */
  prepareAts?(device: number, unit: number): void;
  enableAts?(device: number, unit: number): void;
  disableAts?(device: number): void;
  /** A fault that a device waits for (`iommu_report_device_fault`). @returns 0 when somebody will answer */
  reportFault?(device: number, fault: FaultRecord): number;
}
