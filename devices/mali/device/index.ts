/** The MMU of a Mali GPU as drivers and the GPU's cores see it. */
export { AddressSpace } from './address-space/index.ts';
export { type MaliConfig, type MaliConfigInput, MaliConfigSchema, parseMaliConfig } from './config.ts';
export { MaliMmu } from './device.ts';
export { InterruptLine } from './interrupt-line.ts';
export { L2Cache } from './l2-cache.ts';
