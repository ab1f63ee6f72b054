/** AS_COMMAND and AS_STATUS: what can be asked of an address space, and whether it is still being done. */
import { PANFROST_REGS, registerLayout } from './layout.ts';

/** AS_COMMAND. */
export const AsCommand = {
  NOP: 0,
  /** Takes over AS_TRANSTAB, AS_MEMATTR and AS_TRANSCFG. */
  UPDATE: 1,
  /** Accesses to the region of AS_LOCKADDR wait from here on, and those begun are finished. */
  LOCK: 2,
  /** Ends the lock. */
  UNLOCK: 3,
  /** Drops translations of the region, cleans what it wrote from the L2 cache, and ends the lock. */
  FLUSH_PT: 4,
  /** The same, and the caches of the cores too. */
  FLUSH_MEM: 5,
} as const;

export const AS_COMMAND_NAMES: Readonly<Record<number, string>> = {
  0: 'NOP',
  1: 'UPDATE',
  2: 'LOCK',
  3: 'UNLOCK',
  4: 'FLUSH_PT',
  5: 'FLUSH_MEM',
};

export const AS_COMMAND = registerLayout('Mali AS_COMMAND', 32, PANFROST_REGS, {
  COMMAND: { lsb: 0, width: 8, meaning: 'what to do', values: AS_COMMAND_NAMES },
});

export const AS_STATUS = registerLayout('Mali AS_STATUS', 32, PANFROST_REGS, {
  AS_ACTIVE: {
    lsb: 0,
    width: 1,
    meaning: 'a command is being carried out: AS_COMMAND must not be written',
    values: { 0: 'idle', 1: 'active' },
  },
});

/** AS_STATUS.AS_ACTIVE as a mask. */
export const AS_ACTIVE = 1;

/**
 * Bits of MMU_INT_RAWSTAT, _CLEAR, _MASK and _STAT. The upper half is "command complete" to panthor, and a bus fault to panfrost.
 */
export const MmuInterrupt = {
  /** First of 16 bits: the address space had a page fault. */
  PAGE_FAULT_SHIFT: 0,
  /** First of 16 bits: a command completed (panthor), or the bus answered with an error (panfrost). */
  COMMAND_SHIFT: 16,
} as const;
