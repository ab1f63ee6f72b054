/** Panthor: the driver of Mali GPUs with a command-stream front end, as Linux 6.12 and 7.3 have it. */

export { type PanthorDomain, PanthorDriver } from './driver.ts';
export { GpuHost } from './gpu-host.ts';
export type { FlushBug, PanthorHost, PanthorWarning } from './host.ts';
export { PANTHOR_KERNELS, PANTHOR_PROFILES, type PanthorKernel, type PanthorProfile } from './profile.ts';
export type { LockedRegion, TranslationConfig } from './slots/index.ts';
export { describeFault, MmuIrq, PanthorMmu, type SlotCounters, SlotUser } from './slots/index.ts';
export type { PanthorTotals } from './totals.ts';
export {
  MapFlag,
  memattrOf,
  type PanthorBuffer,
  PanthorVm,
  type PanthorVmOptions,
  protOf,
  reservationOf,
  runOperation,
  type StepObserver,
  splitAddressSpace,
  type VaSplit,
  type VmCounters,
  type VmOperation,
} from './vm/index.ts';
