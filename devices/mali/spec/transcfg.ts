/** AS_TRANSCFG: the address mode, the address sizes, and the memory type of table walks. */
import { PANTHOR_REGS, registerLayout } from './layout.ts';

export const AS_TRANSCFG = registerLayout('Mali AS_TRANSCFG', 64, PANTHOR_REGS, {
  ADRMODE: {
    lsb: 0,
    width: 4,
    meaning: 'address mode',
    values: {
      0: 'legacy: AS_TRANSTAB says',
      1: 'unmapped: every access faults',
      2: 'identity',
      6: 'AArch64, 4 KiB granule',
      8: 'AArch64, 64 KiB granule',
    },
  },
  INA_BITS: { lsb: 6, width: 5, meaning: 'input address size: 55 less the bits; 0 stands for the largest' },
  OUTA_BITS: { lsb: 14, width: 5, meaning: 'output address size, encoded as INA_BITS' },
  SL_CONCAT: { lsb: 22, width: 1, meaning: 'first-level tables are concatenated' },
  PTW_MEMATTR: {
    lsb: 24,
    width: 2,
    meaning: 'memory type of table walks',
    values: { 1: 'non-cacheable', 2: 'write-back' },
  },
  PTW_SH: {
    lsb: 28,
    width: 2,
    meaning: 'shareability of table walks',
    values: { 0: 'none', 2: 'outer', 3: 'inner' },
  },
  PTW_RA: { lsb: 30, width: 1, meaning: 'table walks allocate on reads' },
  DISABLE_HIER_AP: { lsb: 33, width: 1, meaning: 'permissions in table descriptors are ignored' },
  DISABLE_AF_FAULT: { lsb: 34, width: 1, meaning: 'a descriptor whose access flag is clear does not fault' },
  WXN: { lsb: 35, width: 1, meaning: 'what is writable is not executable' },
  XREADABLE: { lsb: 36, width: 1, meaning: 'what is executable is readable' },
});

/** AS_TRANSCFG.ADRMODE. */
export const AddressMode = { LEGACY: 0, UNMAPPED: 1, IDENTITY: 2, AARCH64_4K: 6, AARCH64_64K: 8 } as const;

/** AS_TRANSCFG.PTW_MEMATTR. */
export const WalkMemory = { NON_CACHEABLE: 1, WRITE_BACK: 2 } as const;

/** AS_TRANSCFG.PTW_SH. */
export const WalkShareability = { NONE: 0, OUTER: 2, INNER: 3 } as const;

/** What INA_BITS and OUTA_BITS are subtracted from. */
const ADDRESS_BITS_BASE = 55;
/** Most bits of an address that this model handles; an encoded 0 means these. */
const MOST_ADDRESS_BITS = 48;

/** INA_BITS or OUTA_BITS of an address of `bits` bits. */
export function encodeAddressBits(bits: number): number {
  return ADDRESS_BITS_BASE - bits;
}

/** Address size that INA_BITS or OUTA_BITS stand for. */
export function decodeAddressBits(encoded: number): number {
  return encoded === 0 ? MOST_ADDRESS_BITS : Math.min(ADDRESS_BITS_BASE - encoded, MOST_ADDRESS_BITS);
}
