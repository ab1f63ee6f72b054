/** AS_MEMATTR: eight bytes, one memory type each; a leaf descriptor names one of them by its index. */
import { PANTHOR_REGS, registerLayout } from './layout.ts';

/** One byte of AS_MEMATTR in an AArch64 mode. */
export const MEMATTR_AARCH64 = registerLayout('Mali AS_MEMATTR byte, AArch64 mode', 32, PANTHOR_REGS, {
  ALLOC_W: { lsb: 0, width: 1, meaning: 'writes allocate' },
  ALLOC_R: { lsb: 1, width: 1, meaning: 'reads allocate' },
  ALLOC_SEL: {
    lsb: 2,
    width: 2,
    meaning: 'who decides about allocation',
    values: { 2: 'the implementation', 3: 'ALLOC_W and ALLOC_R' },
  },
  SH: {
    lsb: 4,
    width: 2,
    meaning: 'shareability',
    values: { 0: 'inner of the Mali', 1: 'inner of the CPU', 2: 'inner of the CPU, coherent for shaders' },
  },
  CACHE: {
    lsb: 6,
    width: 2,
    meaning: 'cacheability',
    values: { 0: 'shared', 1: 'non-cacheable', 2: 'write-back', 3: 'every access faults' },
  },
});

/** CACHE of {@link MEMATTR_AARCH64}. */
export const MemattrCache = { SHARED: 0, NON_CACHEABLE: 1, WRITE_BACK: 2, FAULT: 3 } as const;

/** SH of {@link MEMATTR_AARCH64}. */
export const MemattrShareability = { MALI_INNER: 0, CPU_INNER: 1, CPU_INNER_SHADER: 2 } as const;

/** ALLOC_SEL of {@link MEMATTR_AARCH64}. */
export const MemattrAllocation = { IMPLEMENTATION: 2, EXPLICIT: 3 } as const;

/** One byte of MEMATTR from its parts. */
export function memattrByte(cache: number, shareability: number, allocation: number, hints: number): number {
  return (cache << 6) | (shareability << 4) | (allocation << 2) | hints;
}
