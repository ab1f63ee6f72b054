/**
 * AS_TRANSTAB: the base of the translation table. In the AArch64 modes it is the table's address and nothing else; in the legacy
 * mode the low bits say how the table is walked, and the address is what remains.
 */
import { PANFROST_REGS, registerLayout } from './layout.ts';

/** AS_TRANSTAB in the legacy (LPAE) mode. */
export const AS_TRANSTAB_LPAE = registerLayout('Mali AS_TRANSTAB, legacy mode', 64, PANFROST_REGS, {
  ADRMODE: {
    lsb: 0,
    width: 2,
    meaning: 'address mode',
    values: { 0: 'unmapped', 1: 'unmapped', 2: 'identity', 3: 'table' },
  },
  READ_INNER: { lsb: 2, width: 1, meaning: 'tables are read through the caches of the GPU' },
  SHARE_OUTER: { lsb: 4, width: 1, meaning: 'tables are shared with the CPU: walks are coherent' },
  BASE: { lsb: 12, width: 36, meaning: 'first-level table', address: true },
});

/** AS_TRANSTAB in an AArch64 mode. */
export const AS_TRANSTAB_AARCH64 = registerLayout('Mali AS_TRANSTAB, AArch64 mode', 64, PANFROST_REGS, {
  BASE: { lsb: 4, width: 44, meaning: 'first-level table', address: true },
});

/** ADRMODE of the legacy mode. */
export const LegacyMode = { IDENTITY: 2, TABLE: 3 } as const;
