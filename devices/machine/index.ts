/** A whole computer from one configuration, with any MMU of the registry. */
export { type Log, SILENT } from './log.ts';
export { Machine } from './machine.ts';
export { type MachineConfig, MachineConfigSchema } from './machine-config.ts';
export { MemoryMeter, type MemoryUse } from './memory-meter.ts';
export { type PlantingGround, whyNotPlanted } from './plantable.ts';
export { placeTables, type TableRegion } from './table-region.ts';
