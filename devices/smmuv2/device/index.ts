/** The SMMUv2 itself: registers, contexts, faults, maintenance. */
export { Smmuv2 } from './device.ts';
export * from './hardware.ts';
export type { ParkedAccess } from './stalls.ts';
export { StreamFault } from './stream-contexts.ts';
