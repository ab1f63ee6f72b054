/** What Linux's arm-smmu-v3 driver does. */
export * from './config.ts';
export * from './domain.ts';
export * from './driver.ts';
export * from './range-cover.ts';
export type { AttachOptions } from './streams.ts';
