/** Panthor: the driver of Mali GPUs with a command-stream front end, as Linux 6.12 and 7.3 have it. */
export type { LockedRegion, TranslationConfig } from './address-spaces.ts';
export { MapFlag, type PanthorBuffer } from './buffer.ts';
export { type PanthorDomain, PanthorDriver } from './driver.ts';
export { GpuHost } from './gpu-host.ts';
export type { FlushBug, PanthorHost, PanthorWarning } from './host.ts';
export { MmuIrq } from './interrupt.ts';
export { PANTHOR_KERNELS, PANTHOR_PROFILES, type PanthorKernel, type PanthorProfile } from './profile.ts';
export { describeFault, PanthorMmu, type SlotCounters, SlotUser } from './slots.ts';
export type { PanthorTotals } from './totals.ts';
export { splitAddressSpace, type VaSplit } from './va-split.ts';
export { memattrOf, PanthorVm, type PanthorVmOptions, protOf, type VmCounters } from './vm.ts';
export { reservationOf, runOperation, type StepObserver, type VmOperation } from './vm-operation.ts';
