import type { DriverLog } from './banks/index.ts';
import type { ARM_SMMU_KERNELS, SmmuCompatible } from './models.ts';
import type { MaintenanceClock } from './tlb-maintenance.ts';

/** How the driver is started: device tree, module parameters, kernel. */
export interface Smmuv2DriverOptions {
  /** Default arm,mmu-500. */
  readonly compatible?: SmmuCompatible;
  /** Default 6.12. */
  readonly kernel?: keyof typeof ARM_SMMU_KERNELS;
  /** `dma-coherent` in the device tree: table walks see the CPU's caches. Default false. */
  readonly coherentWalk?: boolean;
  /** Streams without a domain fault instead of passing. Default true. */
  readonly disableBypass?: boolean;
  /** Module parameter: 1 or 2 lets only that stage be used. Default 0. */
  readonly forceStage?: 0 | 1 | 2;
  /** Context fault interrupts of the device tree, for an SMMUv1, which shares them among its banks. Default 1. */
  readonly contextInterrupts?: number;
  /** Bytes of the mapped region; a difference from what ID1 says is only reported. Default: what ID1 says. */
  readonly regionSize?: number;
  /** Messages for people. */
  readonly log?: DriverLog;
  /** A table that went away has its whole ASID dropped instead of each of its pages: Qualcomm's variant. Default false. */
  readonly walkByAsid?: boolean;
  /** Faults stall until they are answered, as in Qualcomm's variant for GPUs. Default false. */
  readonly stalls?: boolean;
  /** What the time is, for the cycles of {@link MaintenanceCounters}. */
  readonly clock?: MaintenanceClock;
}

/** The clock of a driver that nobody asks what its work took. */
export const TIMELESS: MaintenanceClock = { now: 0 };
