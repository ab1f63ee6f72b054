/**
 * What the leaves of each format look like: the descriptor bits for every combination of protection flags, worked out once from
 * the layout tables. The flags mean what Linux's io-pgtable-arm.c makes of them.
 */
import { type DescriptorLayout, encode, highMask, lowMask, Shareability } from '../bits/index.ts';
import { LPAE_STAGE1_LEAF, LPAE_STAGE2_LEAF, LpaeType } from '../descriptors/index.ts';
import { Prot, Quirk } from '../table/index.ts';

/** Which MAIR / MEMATTR byte holds which memory type, as Linux sets them up. */
const MemoryByte = { NON_CACHEABLE: 0, CACHE: 1, DEVICE: 2 } as const;
/** Stage-2 memory types. */
const StageTwoMemory = { DEVICE: 1, NON_CACHEABLE: 5, WRITE_BACK: 15, FORCED_WRITE_BACK: 6 } as const;
const EXECUTE_NEVER = 3;

/** Combinations of the six protection flags. */
const PROT_COMBINATIONS = 64;

/** How leaves of one table are encoded. */
export interface LeafEncoding {
  /** Descriptor bits by protection flags, type and address excepted. */
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  /** Bits 1:0 of a leaf of the last level. */
  readonly pageType: number;
  /** Bits that a split hands down from the block to its pages: every attribute but the contiguous hint. */
  readonly inheritLow: number;
  readonly inheritHigh: number;
}

/** Bits 11:2 hold attributes in every LPAE leaf. */
const LOWER_ATTRIBUTES = 0xffc;

const fields1 = LPAE_STAGE1_LEAF.fields;
const INHERIT_HIGH = highMask(fields1.pxn) | highMask(fields1.uxn) | highMask(fields1.dbm);

/** Bits of the dirty state in a stage-1 leaf: dirty when DBM is set and read-only is not. */
export const DIRTY_STATE = {
  dbmHigh: highMask(fields1.dbm),
  readOnlyLow: lowMask(fields1.apReadOnly),
} as const;

/** Encodings that were worked out, by format and quirks: tables share them. */
const known = new Map<string, LeafEncoding>();

function once(key: string, make: () => LeafEncoding): LeafEncoding {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}

/** Leaves of ARM_64_LPAE_S1 and ARM_32_LPAE_S1. */
export function stageOneEncoding(quirks: number): LeafEncoding {
  return once(`stage 1 ${quirks}`, () => stageOne(quirks));
}

/** Leaves of ARM_64_LPAE_S2 and ARM_32_LPAE_S2. */
export function stageTwoEncoding(quirks: number): LeafEncoding {
  return once(`stage 2 ${quirks}`, () => stageTwo(quirks));
}

function stageOne(quirks: number): LeafEncoding {
  return encodingTable(LPAE_STAGE1_LEAF, LpaeType.TABLE_OR_PAGE, (prot) => {
    const readOnly = (prot & Prot.WRITE) === 0 && (prot & Prot.READ) !== 0;
    const noExecute = (prot & Prot.NOEXEC) === 0 ? 0 : 1;
    return {
      nonGlobal: 1,
      apReadOnly: readOnly ? 1 : 0,
      dbm: !readOnly && (quirks & Quirk.ARM_HD) !== 0 ? 1 : 0,
      apUnprivileged: (prot & Prot.PRIV) === 0 ? 1 : 0,
      attrIndx: attributeIndex(prot),
      sh: (prot & Prot.CACHE) === 0 ? Shareability.OUTER : Shareability.INNER,
      pxn: noExecute,
      uxn: noExecute,
      ns: (quirks & Quirk.ARM_NS) === 0 ? 0 : 1,
      af: 1,
    };
  });
}

function stageTwo(quirks: number): LeafEncoding {
  const forced = (quirks & Quirk.ARM_S2FWB) !== 0;
  return encodingTable(LPAE_STAGE2_LEAF, LpaeType.TABLE_OR_PAGE, (prot) => ({
    s2apRead: (prot & Prot.READ) === 0 ? 0 : 1,
    s2apWrite: (prot & Prot.WRITE) === 0 ? 0 : 1,
    memAttr: stageTwoMemory(prot, forced),
    sh: (prot & Prot.CACHE) === 0 ? Shareability.OUTER : Shareability.INNER,
    xn: (prot & Prot.NOEXEC) === 0 ? 0 : EXECUTE_NEVER,
    af: 1,
  }));
}

/** Encodes the leaves of a format for every combination of protection flags. */
export function encodingTable<Name extends string>(
  of: DescriptorLayout<Name>,
  pageType: number,
  fieldsOf: (prot: number) => Readonly<Partial<Record<Name, number>>>,
): LeafEncoding {
  const low = new Uint32Array(PROT_COMBINATIONS);
  const high = new Uint32Array(PROT_COMBINATIONS);
  for (let prot = 0; prot < PROT_COMBINATIONS; prot++) {
    const words = encode(of, fieldsOf(prot));
    low[prot] = words.low;
    high[prot] = words.high;
  }
  return { low, high, pageType, inheritLow: LOWER_ATTRIBUTES, inheritHigh: INHERIT_HIGH };
}

/** The MAIR or MEMATTR byte of a protection. */
export function attributeIndex(prot: number): number {
  if ((prot & Prot.MMIO) !== 0) return MemoryByte.DEVICE;
  return (prot & Prot.CACHE) === 0 ? MemoryByte.NON_CACHEABLE : MemoryByte.CACHE;
}

function stageTwoMemory(prot: number, forced: boolean): number {
  if ((prot & Prot.MMIO) !== 0) return StageTwoMemory.DEVICE;
  if ((prot & Prot.CACHE) === 0) return StageTwoMemory.NON_CACHEABLE;
  return forced ? StageTwoMemory.FORCED_WRITE_BACK : StageTwoMemory.WRITE_BACK;
}
