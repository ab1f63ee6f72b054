/** The hardware address spaces of the GPU, and which VM has which. */
export type { LockedRegion, TranslationConfig } from './address-spaces.ts';
export { MmuIrq } from './interrupt.ts';
export { describeFault, PanthorMmu, type SlotCounters, SlotUser } from './slots.ts';
