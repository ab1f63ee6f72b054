/** What Linux's arm-smmu-v3 driver does. */
export * from './config.ts';
export { DevicePort } from './device-port.ts';
export * from './domains/index.ts';
export * from './driver.ts';
export { RangeCover } from './invalidation/index.ts';
export { DRIVER_KERNELS, type DriverKernel } from './kernel.ts';
export type { InterruptName, Message, SmmuPlatform, SmmuPort } from './port.ts';
export type { FaultRecord } from './queues/index.ts';
export { type ProbedSmmu, ProbeError } from './start/index.ts';
export type { AttachOptions, Master, MasterDescription } from './streams/index.ts';
export type { CoherentMemory } from './tables/index.ts';
export {
  rewriteEntry,
  safeInStreamTableEntry,
  usedOfContextDescriptor,
  usedOfStreamTableEntry,
} from './tables/index.ts';
