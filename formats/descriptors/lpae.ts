/**
 * Descriptors of VMSAv8-64 and 32-bit LPAE (Arm ARM DDI 0487 D8.3, G5.5): both walk the same 64-bit descriptors; only the
 * sizes of the addresses in them differ.
 *
 * The sections of DDI 0487 move from issue to issue. The numbers here are meant for issue L.a (checked there for D8.7.1 only);
 * the words after them find the place in any issue.
 */

import { type BitField, type DescriptorLayout, layout } from '../bits/index.ts';

const TABLE_FORMAT = 'DDI 0487 D8.3.1, table descriptors';
const LEAF_FORMAT = 'DDI 0487 D8.3.1, block and page descriptors';
const PERMISSIONS = 'DDI 0487 D8.4, memory access control';
const ATTRIBUTES = 'DDI 0487 D8.6, memory region attributes';

/** LPAE tables always end at level 3. */
export const LPAE_LAST_LEVEL = 3;

/** Values of bits 1:0. */
export const LpaeType = {
  INVALID: 0,
  /** A leaf above the last level. */
  BLOCK: 1,
  /** Reserved: reads as invalid. */
  RESERVED: 2,
  /** A table above the last level, a page at it. */
  TABLE_OR_PAGE: 3,
} as const;

const type: BitField = {
  lsb: 0,
  width: 2,
  meaning: 'descriptor type',
  values: { 0: 'invalid', 1: 'block', 2: 'invalid', 3: 'table (levels 0 to 2) or page (level 3)' },
  source: LEAF_FORMAT,
};
/** Address bits in place; what lies below the size of the leaf is zero, or holds bits 51:48 (see `outputAddressHigh`). */
const outputAddress: BitField = {
  lsb: 16,
  width: 32,
  meaning: 'output address bits 47:16',
  address: true,
  source: LEAF_FORMAT,
};
const outputAddressLow: BitField = {
  lsb: 12,
  width: 4,
  meaning: '4K and 16K granule: address bits 15:12; 64K granule: address bits 51:48',
  source: `${LEAF_FORMAT}; FEAT_LPA`,
};
const contiguous: BitField = {
  lsb: 52,
  width: 1,
  meaning: 'one of an aligned run of entries that map consecutive addresses alike',
  values: { 0: 'on its own', 1: 'part of a contiguous run' },
  source: 'DDI 0487 D8.7.1, the Contiguous bit',
};
const dirtyModifier: BitField = {
  lsb: 51,
  width: 1,
  meaning: 'DBM: hardware may make a read-only descriptor writable, which marks the page dirty',
  values: { 0: 'dirty state not managed', 1: 'dirty state managed by hardware' },
  source: 'DDI 0487 D8.5.2, dirty state',
};
const accessFlag: BitField = {
  lsb: 10,
  width: 1,
  meaning: 'access flag',
  values: { 0: 'not accessed: faults, or is set by hardware', 1: 'accessed' },
  source: 'DDI 0487 D8.5.1, the Access flag',
};
const shareability: BitField = {
  lsb: 8,
  width: 2,
  meaning: 'shareability',
  values: { 0: 'non-shareable', 1: 'reserved', 2: 'outer shareable', 3: 'inner shareable' },
  source: 'DDI 0487 D8.6.2, shareability',
};
const software: BitField = {
  lsb: 55,
  width: 4,
  meaning: 'free for software',
  source: LEAF_FORMAT,
};

const blockTranslation: BitField = {
  lsb: 16,
  width: 1,
  meaning: 'nT: the block is being split or joined, and must not be held in a TLB',
  source: 'DDI 0487 D8.14, block size change, nT; FEAT_BBM',
};

/** A leaf of a stage 1. */
export const LPAE_STAGE1_LEAF = layout('VMSAv8-64 / LPAE stage 1 block or page', 64, {
  type,
  attrIndx: {
    lsb: 2,
    width: 3,
    meaning: 'which byte of MAIR holds the memory type',
    values: { 0: 'byte 0 (Linux: normal non-cacheable)', 1: 'byte 1 (Linux: write-back)', 2: 'byte 2 (Linux: device)' },
    source: 'DDI 0487 D8.6.1, stage 1 memory types',
  },
  ns: {
    lsb: 5,
    width: 1,
    meaning: 'output is non-secure, in walks made by the secure world',
    values: { 0: 'secure', 1: 'non-secure' },
    source: PERMISSIONS,
  },
  apUnprivileged: {
    lsb: 6,
    width: 1,
    meaning: 'AP[1]: unprivileged access',
    values: { 0: 'privileged only', 1: 'unprivileged too' },
    source: PERMISSIONS,
  },
  apReadOnly: {
    lsb: 7,
    width: 1,
    meaning: 'AP[2]: write permission',
    values: { 0: 'read and write', 1: 'read only' },
    source: PERMISSIONS,
  },
  sh: shareability,
  af: accessFlag,
  nonGlobal: {
    lsb: 11,
    width: 1,
    meaning: 'nG: whether TLB entries match by ASID',
    values: { 0: 'global: all ASIDs', 1: 'this ASID only' },
    source: 'DDI 0487 D8.13.3, global and process-specific entries',
  },
  outputAddressLow,
  outputAddress,
  guarded: {
    lsb: 50,
    width: 1,
    meaning: 'GP: branches into the page need a landing pad',
    source: 'DDI 0487 D8.4.5, guarded pages; FEAT_BTI',
  },
  dbm: dirtyModifier,
  contiguous,
  pxn: {
    lsb: 53,
    width: 1,
    meaning: 'privileged execute never',
    values: { 0: 'executable', 1: 'not executable when privileged' },
    source: PERMISSIONS,
  },
  uxn: {
    lsb: 54,
    width: 1,
    meaning: 'unprivileged execute never (execute never where there is one privilege)',
    values: { 0: 'executable', 1: 'not executable when unprivileged' },
    source: PERMISSIONS,
  },
  software,
  pbha: {
    lsb: 59,
    width: 4,
    meaning: 'page-based hardware attributes',
    source: 'DDI 0487 D8.6.7, page-based hardware attributes',
  },
});

/** A leaf of a stage 2. */
export const LPAE_STAGE2_LEAF = layout('VMSAv8-64 / LPAE stage 2 block or page', 64, {
  type,
  memAttr: {
    lsb: 2,
    width: 4,
    meaning: 'memory type, to be combined with stage 1',
    values: { 1: 'device nGnRE', 5: 'normal non-cacheable', 15: 'normal write-back' },
    source: `${ATTRIBUTES}.5`,
  },
  s2apRead: {
    lsb: 6,
    width: 1,
    meaning: 'S2AP[0]: read permission',
    values: { 0: 'no reads', 1: 'reads' },
    source: PERMISSIONS,
  },
  s2apWrite: {
    lsb: 7,
    width: 1,
    meaning: 'S2AP[1]: write permission',
    values: { 0: 'no writes', 1: 'writes' },
    source: PERMISSIONS,
  },
  sh: shareability,
  af: accessFlag,
  outputAddressLow,
  outputAddress,
  dbm: dirtyModifier,
  contiguous,
  xn: {
    lsb: 53,
    width: 2,
    meaning: 'execute never',
    values: {
      0: 'executable',
      1: 'executable when unprivileged',
      2: 'not executable',
      3: 'executable when privileged (without FEAT_XNX: not executable)',
    },
    source: PERMISSIONS,
  },
  software,
  pbha: {
    lsb: 59,
    width: 4,
    meaning: 'page-based hardware attributes',
    source: 'DDI 0487 D8.6.7, page-based hardware attributes',
  },
});

/** An entry that points to a table of the next level. */
export const LPAE_TABLE = layout('VMSAv8-64 / LPAE table', 64, {
  type: { ...type, source: TABLE_FORMAT },
  nextTableLow: {
    lsb: 12,
    width: 4,
    meaning: '4K and 16K granule: address bits 15:12; 64K granule: address bits 51:48',
    source: `${TABLE_FORMAT}; FEAT_LPA`,
  },
  nextTable: { lsb: 16, width: 32, meaning: 'next table address bits 47:16', address: true, source: TABLE_FORMAT },
  swSync: {
    lsb: 55,
    width: 1,
    meaning: 'software bit: a walker that does not see the CPU caches sees this entry',
    values: { 0: 'not known to be synced', 1: 'synced' },
    source: 'Linux io-pgtable-arm.c',
  },
  pxnTable: { lsb: 59, width: 1, meaning: 'stage 1: privileged execute never for all below', source: PERMISSIONS },
  uxnTable: { lsb: 60, width: 1, meaning: 'stage 1: unprivileged execute never for all below', source: PERMISSIONS },
  apTable: {
    lsb: 61,
    width: 2,
    meaning: 'stage 1: permissions withheld from all below',
    values: {
      0: 'nothing withheld',
      1: 'no unprivileged access',
      2: 'no writes',
      3: 'no writes, no unprivileged access',
    },
    source: PERMISSIONS,
  },
  nsTable: {
    lsb: 63,
    width: 1,
    meaning: 'the next table is non-secure, in walks made by the secure world',
    values: { 0: 'secure', 1: 'non-secure' },
    source: PERMISSIONS,
  },
});

/** An entry that maps nothing. */
const LPAE_INVALID = layout('invalid', 64, { type });

/**
 * The layout that describes the descriptor with these bits at `level`, its address field as the granule and the level make it.
 * @param granuleShift 12, 14 or 16.
 */
export function lpaeLayout(stage: 1 | 2, level: number, low: number, granuleShift: number): DescriptorLayout {
  const kind = low & 3;
  if (kind === LpaeType.TABLE_OR_PAGE && level < LPAE_LAST_LEVEL) return tableLayout(granuleShift);
  const leaf = level === LPAE_LAST_LEVEL ? kind === LpaeType.TABLE_OR_PAGE : kind === LpaeType.BLOCK;
  return leaf ? leafLayout(stage, level, granuleShift) : LPAE_INVALID;
}

/** With 64 KiB granules bits 15:12 of every address field hold address bits 51:48. */
const addressHigh: BitField = {
  lsb: 12,
  width: 4,
  meaning: 'address bits 51:48',
  source: `${LEAF_FORMAT}; FEAT_LPA`,
};

/** Address bits from `lsb` up to 47. */
function addressFrom(field: BitField, lsb: number, what: string): BitField {
  return { ...field, lsb, width: 48 - lsb, meaning: `${what} bits 47:${lsb}` };
}

function tableLayout(granuleShift: number): DescriptorLayout {
  const { nextTableLow: _, nextTable, ...rest } = LPAE_TABLE.fields;
  const address = { nextTable: addressFrom(nextTable, granuleShift, 'next table address') };
  const high = granuleShift === 16 ? { nextTableHigh: { ...addressHigh, source: `${TABLE_FORMAT}; FEAT_LPA` } } : {};
  const fields: Record<string, BitField> = { ...rest, ...address, ...high };
  return layout(LPAE_TABLE.title, 64, fields);
}

function leafLayout(stage: 1 | 2, level: number, granuleShift: number): DescriptorLayout {
  const base: DescriptorLayout = stage === 1 ? LPAE_STAGE1_LEAF : LPAE_STAGE2_LEAF;
  const { outputAddressLow: _, ...rest } = base.fields;
  const shift = granuleShift + (LPAE_LAST_LEVEL - level) * (granuleShift - 3);
  const kind = level === LPAE_LAST_LEVEL ? 'page' : 'block';
  const fields: Record<string, BitField> = {
    ...rest,
    outputAddress: addressFrom(outputAddress, Math.min(shift, 47), 'output address'),
    ...(granuleShift === 16 ? { outputAddressHigh: addressHigh } : {}),
    ...(kind === 'block' ? { nT: blockTranslation } : {}),
  };
  return layout(base.title.replace('block or page', kind), 64, fields);
}
