/** Fields of the GPU control registers, and the commands of GPU_CMD. */
import { PANFROST_REGS, PANTHOR_REGS, registerLayout } from './layout.ts';

/** GPU_MMU_FEATURES. */
export const GPU_MMU_FEATURES = registerLayout('Mali GPU_MMU_FEATURES', 32, PANTHOR_REGS, {
  VA_BITS: { lsb: 0, width: 8, meaning: 'bits of a GPU virtual address' },
  PA_BITS: { lsb: 8, width: 8, meaning: 'bits of a physical address' },
});

/** GPU_STATUS. */
export const GPU_STATUS = registerLayout('Mali GPU_STATUS', 32, PANFROST_REGS, {
  GPU_ACTIVE: { lsb: 0, width: 1, meaning: 'the GPU works' },
});

/** Bits of GPU_INT_RAWSTAT, _CLEAR, _MASK and _STAT. */
export const GpuInterrupt = {
  /** An access of the GPU itself, outside of any address space, failed. */
  FAULT: 0x1,
  /** A normal access to memory in protected mode, or the other way round (panthor). */
  PROTECTED_MODE_FAULT: 0x2,
  RESET_COMPLETED: 0x100,
  POWER_CHANGED: 0x200,
  POWER_CHANGED_ALL: 0x400,
  /** The cache maintenance that GPU_CMD started is done. */
  CLEAN_CACHES_COMPLETED: 0x20000,
} as const;

/**
 * GPU_CMD of a GPU with a command-stream front end (Valhall CSF: panthor): the command in the low byte, its operands above.
 */
export const GPU_CMD = registerLayout('Mali GPU_CMD', 32, PANTHOR_REGS, {
  COMMAND: {
    lsb: 0,
    width: 8,
    meaning: 'what to do',
    values: { 0: 'nothing', 1: 'reset', 4: 'flush caches' },
  },
  L2: { lsb: 8, width: 4, meaning: 'flush: what happens to the L2 cache', values: cacheActions() },
  LSC: { lsb: 12, width: 4, meaning: 'flush: what happens to the load/store caches', values: cacheActions() },
  OTHER: { lsb: 16, width: 4, meaning: 'flush: what happens to the other caches', values: cacheActions() },
});

/** What a flush does to one kind of cache; the two add up. */
export const CacheAction = { CLEAN: 1, INVALIDATE: 2 } as const;

function cacheActions(): Record<number, string> {
  return { 0: 'nothing', 1: 'clean', 2: 'invalidate', 3: 'clean and invalidate' };
}

/** Values of GPU_CMD's COMMAND field (CSF). */
export const GpuCommand = { NOP: 0, RESET: 1, FLUSH_CACHES: 4 } as const;

/** Operand of RESET (CSF), from bit 8 on. */
export const ResetKind = { SOFT: 1, HARD: 2 } as const;

/** GPU_CMD that flushes caches; each operand is a sum of {@link CacheAction}. */
export function flushCachesCommand(l2: number, lsc: number, other: number): number {
  return GpuCommand.FLUSH_CACHES | (l2 << 8) | (lsc << 12) | (other << 16);
}

/** Values of GPU_CMD on a GPU with a job manager (Midgard, Bifrost: panfrost): a plain number. Source: panfrost_regs.h. */
export const JobManagerGpuCommand = {
  NOP: 0,
  SOFT_RESET: 1,
  HARD_RESET: 2,
  CLEAN_CACHES: 7,
  CLEAN_INVALIDATE_CACHES: 8,
} as const;
