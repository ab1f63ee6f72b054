/** Linux's arm-smmu driver. */

export { type ContextFault, type DriverLog, FaultAnswer } from './banks/index.ts';
export type { DomainContext, DomainOptions, Smmuv2Domain } from './domain.ts';
export * from './driver.ts';
export { NoSmmuError, type Smmuv2Features, type TableFormats } from './features.ts';
export { ArmSmmuDriver } from './iommu-driver.ts';
export * from './models.ts';
export type { Smmuv2DriverOptions } from './options.ts';
export type { StreamId } from './stream-map.ts';
export type { MaintenanceClock, MaintenanceCounters } from './tlb-maintenance.ts';
