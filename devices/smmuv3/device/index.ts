/** The SMMUv3 itself: its registers and what it does. */
export * from './ats.ts';
export { CommandConsumer, type CommandEffects } from './command-consumer.ts';
export * from './device.ts';
export { Wire } from './interrupts.ts';
export * from './regime.ts';
export type { StalledTransaction } from './stalls.ts';
export * from './stream-contexts.ts';
