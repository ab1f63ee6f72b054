/** Which machine an MMU is: sizes, latencies, deviations from the architecture, and named machines. */
export type { Deviations } from './deviations.ts';
export * from './mmu-config.ts';
export * from './presets.ts';
export { REPLACEMENT_POLICIES, type ReplacementPolicy } from './replacement-policy.ts';
