import type { SmmuCompatible } from '../../../devices/index.ts';

/** What a scenario does not say of the SMMU that it names. */
export interface RecordedSmmu {
  readonly compatible: SmmuCompatible;
  /** Context fault interrupts of the device tree. */
  readonly contextInterrupts: number;
}

/** The SMMUs whose drivers were recorded. Their identification registers stand in each scenario. */
export const RECORDED_SMMUS = {
  'mmu500-small': { compatible: 'arm,mmu-500', contextInterrupts: 16 },
  'mmu500-large': { compatible: 'arm,mmu-500', contextInterrupts: 64 },
  'mmu500-r1': { compatible: 'arm,mmu-500', contextInterrupts: 8 },
  'mmu500-locked': { compatible: 'arm,mmu-500', contextInterrupts: 8 },
  'mmu500-s2cb': { compatible: 'arm,mmu-500', contextInterrupts: 16 },
  'v2-ats-16k': { compatible: 'arm,smmu-v2', contextInterrupts: 16 },
  'v2-s1only-ats': { compatible: 'arm,smmu-v2', contextInterrupts: 8 },
  'v2-s2only': { compatible: 'arm,smmu-v2', contextInterrupts: 8 },
  'v2-aarch32': { compatible: 'arm,smmu-v2', contextInterrupts: 8 },
  ap806: { compatible: 'marvell,ap806-smmu-500', contextInterrupts: 16 },
  'v2-index': { compatible: 'arm,smmu-v2', contextInterrupts: 8 },
  mmu400: { compatible: 'arm,mmu-400', contextInterrupts: 3 },
  mmu401: { compatible: 'arm,mmu-401', contextInterrupts: 3 },
} as const satisfies Readonly<Record<string, RecordedSmmu>>;
