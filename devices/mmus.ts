import { IPMMU_CONFIG, IPMMU_VMSA } from './ipmmu/index.ts';
import { MALI, MALI_CONFIG } from './mali/index.ts';
import { SMMUV2, SMMUV2_CONFIG } from './smmuv2/index.ts';
import { SMMUV3, SMMUV3_CONFIG } from './smmuv3/index.ts';

/** Every MMU, by the name that `--mmu` takes. The only place that knows them all: adding one adds a line here and one below. */
export const MMUS = {
  smmuv3: SMMUV3,
  smmuv2: SMMUV2,
  mali: MALI,
  'ipmmu-vmsa': IPMMU_VMSA,
} as const;
export type MmuName = keyof typeof MMUS;

/** The MMU of a configuration that names none. */
export const DEFAULT_MMU: MmuName = 'smmuv3';

/** What a configuration says of each of them: fields of its own for every MMU. */
export const MMU_CONFIG = {
  ...SMMUV3_CONFIG,
  ...MALI_CONFIG,
  ...SMMUV2_CONFIG,
  ...IPMMU_CONFIG,
} as const;
