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

/** Bits of the halves of a MAIR byte (Arm ARM, MAIR_EL1). */
const MAIR_WRITE_BACK = 4;
const MAIR_ALLOCATE = 3;

/**
 * Half of AS_MEMATTR, four bytes, for the memory types that an AArch64 table was made with, as the drivers translate MAIR. A byte whose outer or inner half
 * is not write-back becomes non-cacheable; the others keep the inner half's allocation hints.
 *
 * @param shareability of the write-back types: the driver of 6.12 says CPU_INNER always, newer ones only on a coherent bus
 */
export function memattrFromMair(mair: number, shareability: number): number {
  let memattr = 0;
  for (let shift = 0; shift < 32; shift += 8) {
    const outer = (mair >>> (shift + 4)) & 0xf;
    const inner = (mair >>> shift) & 0xf;
    const cached = (outer & MAIR_ALLOCATE) !== 0 && (outer & MAIR_WRITE_BACK) !== 0 && (inner & MAIR_WRITE_BACK) !== 0;
    const byte = cached
      ? memattrByte(MemattrCache.WRITE_BACK, shareability, MemattrAllocation.EXPLICIT, inner & MAIR_ALLOCATE)
      : memattrByte(MemattrCache.NON_CACHEABLE, MemattrShareability.MALI_INNER, MemattrAllocation.EXPLICIT, 0);
    memattr += byte * 2 ** shift;
  }
  return memattr;
}
