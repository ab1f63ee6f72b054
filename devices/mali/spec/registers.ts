/**
 * The register map of a Mali GPU, as far as its MMU and its caches go: GPU control, the MMU's interrupt, and the address spaces.
 * Offsets are bytes from the start of the GPU's region. 64-bit registers are pairs, the lower half first.
 * Source: Linux panfrost_regs.h and panthor_regs.h.
 */

/** One register, or the first of an array of them. */
export interface MaliRegister {
  /** Byte offset from the GPU's base; for a register of an address space, from that address space's own base. */
  readonly offset: number;
  readonly bits: 32 | 64;
  /** `r`: writes are ignored. `w`: reads as zero. */
  readonly access: 'r' | 'w' | 'rw';
  readonly meaning: string;
}

function register(offset: number, bits: 32 | 64, access: 'r' | 'w' | 'rw', meaning: string): MaliRegister {
  return { offset, bits, access, meaning };
}

/** GPU control. */
export const GPU_CONTROL = {
  GPU_ID: register(0x00, 32, 'r', 'Architecture and product'),
  GPU_MMU_FEATURES: register(0x14, 32, 'r', 'Address sizes'),
  GPU_AS_PRESENT: register(0x18, 32, 'r', 'One bit for each address space that exists'),
  GPU_INT_RAWSTAT: register(0x20, 32, 'rw', 'Interrupts pending, masked or not; panthor writes it in tests only'),
  GPU_INT_CLEAR: register(0x24, 32, 'w', 'Ones clear bits of GPU_INT_RAWSTAT'),
  GPU_INT_MASK: register(0x28, 32, 'rw', 'Interrupts let through'),
  GPU_INT_STAT: register(0x2c, 32, 'r', 'RAWSTAT and MASK'),
  GPU_CMD: register(0x30, 32, 'w', 'Starts a command: cache maintenance, reset'),
  GPU_STATUS: register(0x34, 32, 'r', 'Bit 0: the GPU works'),
  GPU_COHERENCY_FEATURES: register(0x300, 32, 'r', 'Coherency protocols the bus interface offers'),
  GPU_COHERENCY_PROTOCOL: register(0x304, 32, 'rw', 'Coherency protocol in use'),
} as const satisfies Readonly<Record<string, MaliRegister>>;

/** The MMU's interrupt. */
export const MMU_CONTROL = {
  MMU_INT_RAWSTAT: register(0x2000, 32, 'rw', 'Interrupts pending, masked or not'),
  MMU_INT_CLEAR: register(0x2004, 32, 'w', 'Ones clear bits of MMU_INT_RAWSTAT'),
  MMU_INT_MASK: register(0x2008, 32, 'rw', 'Interrupts let through'),
  MMU_INT_STAT: register(0x200c, 32, 'r', 'RAWSTAT and MASK'),
} as const satisfies Readonly<Record<string, MaliRegister>>;

/** Where address space 0 begins, and how far the next one is. */
export const MMU_BASE = 0x2400;
export const MMU_AS_STRIDE = 0x40;
/** Address spaces that the register map has room for; GPU_AS_PRESENT says which exist. */
export const MAX_ADDRESS_SPACES = 16;

/** One address space: offsets from its own base, {@link addressSpaceBase}. */
export const ADDRESS_SPACE = {
  AS_TRANSTAB: register(0x00, 64, 'rw', 'Translation table base; in the legacy mode also how it is walked'),
  AS_MEMATTR: register(0x08, 64, 'rw', 'Eight memory types that a descriptor names by index'),
  AS_LOCKADDR: register(0x10, 64, 'rw', 'Region that LOCK and the flushes act on'),
  AS_COMMAND: register(0x18, 32, 'w', 'Starts a command on the address space'),
  AS_FAULTSTATUS: register(0x1c, 32, 'r', 'What the fault was'),
  AS_FAULTADDRESS: register(0x20, 64, 'r', 'Where it was'),
  AS_STATUS: register(0x28, 32, 'r', 'Whether a command is being carried out'),
  AS_TRANSCFG: register(0x30, 64, 'rw', 'Address mode, sizes and attributes of walks'),
  AS_FAULTEXTRA: register(0x38, 64, 'r', 'More about the fault, as the implementation defines it'),
} as const satisfies Readonly<Record<string, MaliRegister>>;

/** Offset of the first register of address space `as`. */
export function addressSpaceBase(as: number): number {
  return MMU_BASE + as * MMU_AS_STRIDE;
}

/** First byte behind the last address space. */
export const MMU_END = addressSpaceBase(MAX_ADDRESS_SPACES);
