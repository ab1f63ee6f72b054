/**
 * The register map of a Mali GPU, as far as its MMU and its caches go: GPU control, the MMU's interrupt, and the address spaces.
 * Offsets are bytes from the start of the block. 64-bit registers are pairs, the lower half first; the drivers' headers call the halves
 * `_LO` and `_HI`. Source: Linux panfrost_regs.h and panthor_regs.h.
 */
import { defineRegisters } from '../../registers/index.ts';
import { AS_COMMAND, AS_STATUS } from './commands.ts';
import { AS_FAULTSTATUS } from './fault-status.ts';
import { GPU_CMD, GPU_MMU_FEATURES, GPU_STATUS } from './gpu-control.ts';
import { AS_TRANSCFG } from './transcfg.ts';

/** GPU control, from the start of the GPU's region. */
export const GPU_CONTROL = defineRegisters({
  GPU_ID: { offset: 0x00, width: 32, access: 'r', meaning: 'Architecture and product' },
  GPU_MMU_FEATURES: {
    offset: 0x14,
    width: 32,
    access: 'r',
    meaning: 'Address sizes',
    fields: GPU_MMU_FEATURES.fields,
  },
  GPU_AS_PRESENT: { offset: 0x18, width: 32, access: 'r', meaning: 'One bit for each address space that exists' },
  GPU_INT_RAWSTAT: { offset: 0x20, width: 32, access: 'r', meaning: 'Interrupts pending, masked or not' },
  GPU_INT_CLEAR: { offset: 0x24, width: 32, access: 'w', meaning: 'Ones clear bits of GPU_INT_RAWSTAT' },
  GPU_INT_MASK: { offset: 0x28, width: 32, access: 'rw', meaning: 'Interrupts let through' },
  GPU_INT_STAT: { offset: 0x2c, width: 32, access: 'r', meaning: 'RAWSTAT and MASK' },
  GPU_CMD: {
    offset: 0x30,
    width: 32,
    access: 'w',
    meaning: 'Starts a command: cache maintenance, reset',
    fields: GPU_CMD.fields,
  },
  GPU_STATUS: { offset: 0x34, width: 32, access: 'r', meaning: 'Whether the GPU works', fields: GPU_STATUS.fields },
  GPU_COHERENCY_FEATURES: { offset: 0x300, width: 32, access: 'r', meaning: 'Coherency protocols that the bus offers' },
  GPU_COHERENCY_PROTOCOL: { offset: 0x304, width: 32, access: 'rw', meaning: 'Coherency protocol in use' },
});

/** The MMU's interrupt, from the start of the GPU's region. Bits: {@link MmuInterrupt}. */
export const MMU_CONTROL = defineRegisters({
  MMU_INT_RAWSTAT: { offset: 0x2000, width: 32, access: 'r', meaning: 'Interrupts pending, masked or not' },
  MMU_INT_CLEAR: { offset: 0x2004, width: 32, access: 'w', meaning: 'Ones clear bits of MMU_INT_RAWSTAT' },
  MMU_INT_MASK: { offset: 0x2008, width: 32, access: 'rw', meaning: 'Interrupts let through' },
  MMU_INT_STAT: { offset: 0x200c, width: 32, access: 'r', meaning: 'RAWSTAT and MASK' },
});

/** Where address space 0 begins, and how far the next one is. */
export const MMU_BASE = 0x2400;
export const MMU_AS_STRIDE = 0x40;
/** Address spaces that the register map has room for; GPU_AS_PRESENT says which exist. */
export const MAX_ADDRESS_SPACES = 16;

/** One address space: offsets from its own base, {@link addressSpaceBase}. */
export const ADDRESS_SPACE = defineRegisters({
  AS_TRANSTAB: {
    offset: 0x00,
    width: 64,
    access: 'rw',
    meaning: 'Translation table base; in the legacy mode also how it is walked',
  },
  AS_MEMATTR: {
    offset: 0x08,
    width: 64,
    access: 'rw',
    meaning: 'Eight memory types that a descriptor names by index',
  },
  AS_LOCKADDR: { offset: 0x10, width: 64, access: 'rw', meaning: 'Region that LOCK and the flushes act on' },
  AS_COMMAND: {
    offset: 0x18,
    width: 32,
    access: 'w',
    meaning: 'Starts a command on the address space',
    fields: AS_COMMAND.fields,
  },
  AS_FAULTSTATUS: {
    offset: 0x1c,
    width: 32,
    access: 'r',
    meaning: 'What the fault was',
    fields: AS_FAULTSTATUS.fields,
  },
  AS_FAULTADDRESS: { offset: 0x20, width: 64, access: 'r', meaning: 'Where the fault was' },
  AS_STATUS: {
    offset: 0x28,
    width: 32,
    access: 'r',
    meaning: 'Whether a command is being carried out',
    fields: AS_STATUS.fields,
  },
  AS_TRANSCFG: {
    offset: 0x30,
    width: 64,
    access: 'rw',
    meaning: 'Address mode, sizes and attributes of walks',
    fields: AS_TRANSCFG.fields,
  },
  AS_FAULTEXTRA: {
    offset: 0x38,
    width: 64,
    access: 'r',
    meaning: 'More about the fault, as the implementation defines it',
  },
});

/** Offset of the first register of address space `as` in the GPU's region. */
export function addressSpaceBase(as: number): number {
  return MMU_BASE + as * MMU_AS_STRIDE;
}

/** First byte behind the last address space. */
export const MMU_END = addressSpaceBase(MAX_ADDRESS_SPACES);
