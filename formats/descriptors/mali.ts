/**
 * Descriptors of the Mali MMU in its LPAE mode (Midgard, early Bifrost): attributes as in stage 1, permissions as in stage 2,
 * and pages of the last level that look like blocks. Arm publishes no manual; the facts are those of the open drivers.
 */
import { type BitField, type DescriptorLayout, layout } from '../bits/index.ts';
import { LpaeType } from './lpae.ts';

const DRIVERS = 'Linux io-pgtable-arm.c, panfrost';

const type: BitField = {
  lsb: 0,
  width: 2,
  meaning: 'descriptor type',
  values: { 0: 'invalid', 1: 'block or page', 2: 'invalid', 3: 'table' },
  source: DRIVERS,
};

/** A leaf: a block, or a page of the last level. */
export const MALI_LEAF = layout('Mali LPAE block or page', 64, {
  type,
  attrIndx: {
    lsb: 2,
    width: 3,
    meaning: 'which byte of MEMATTR holds the memory type',
    values: {
      0: 'byte 0 (implementation-defined caching)',
      1: 'byte 1 (write-allocate)',
      2: 'byte 2 (implementation-defined caching)',
    },
    source: DRIVERS,
  },
  read: { lsb: 6, width: 1, meaning: 'read permission', values: { 0: 'no reads', 1: 'reads' }, source: DRIVERS },
  write: { lsb: 7, width: 1, meaning: 'write permission', values: { 0: 'no writes', 1: 'writes' }, source: DRIVERS },
  sh: {
    lsb: 8,
    width: 2,
    meaning: 'shareability, seen from the GPU',
    values: { 0: 'none', 2: 'outer: beyond the GPU', 3: 'inner: the cores of the GPU' },
    source: DRIVERS,
  },
  outputAddress: { lsb: 12, width: 36, meaning: 'output address bits 47:12', address: true, source: DRIVERS },
  xn: {
    lsb: 53,
    width: 2,
    meaning: 'execute never',
    values: { 0: 'executable', 3: 'not executable' },
    source: DRIVERS,
  },
});

/** An entry that points to a table of the next level. */
export const MALI_TABLE = layout('Mali LPAE table', 64, {
  type,
  nextTable: { lsb: 12, width: 36, meaning: 'next table address bits 47:12', address: true, source: DRIVERS },
  swSync: {
    lsb: 55,
    width: 1,
    meaning: 'software bit: a walker that does not see the CPU caches sees this entry',
    values: { 0: 'not known to be synced', 1: 'synced' },
    source: DRIVERS,
  },
});

/** An entry that maps nothing. */
const MALI_INVALID = layout('invalid', 64, { type });

/** The layout that describes the descriptor with these bits. The level does not matter: leaves look alike at all. */
export function maliLayout(low: number): DescriptorLayout {
  const kind = low & 3;
  if (kind === LpaeType.BLOCK) return MALI_LEAF;
  return kind === LpaeType.TABLE_OR_PAGE ? MALI_TABLE : MALI_INVALID;
}
