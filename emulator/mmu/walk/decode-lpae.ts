import { highMask, LPAE_STAGE1_LEAF, LPAE_STAGE2_LEAF, LPAE_TABLE, LpaeType, lowMask } from '../../../formats/index.ts';
import { Permission, type StageRegime } from '../regime/index.ts';
import { FaultKind } from './fault.ts';
import { PermissionIndex, WRITABLE_CLEAN } from './permission-tables.ts';
import type { WalkState, WalkStatus } from './walk-state.ts';

/** One step of a walk: what the descriptor at `walk.descriptorAddress` says. Both halves are signed. */
export type Decode = (walk: WalkState, regime: StageRegime, low: number, high: number) => WalkStatus;

/**
 * Reads one VMSAv8-64 descriptor (Arm ARM DDI 0487 D8.3), stage 1 or stage 2; the long descriptors of 32-bit LPAE are the same ones.
 */
export const decodeLpae: Decode = lpaeDecoder();

/** log2 of the number of entries in a contiguous run (D8.7.1); 0 where the manual defines none. */
function contiguousBits(granuleShift: number, level: number): number {
  if (granuleShift === 12) return 4;
  if (granuleShift === 14) return level === 3 ? 7 : level === 2 ? 5 : 0;
  return level >= 2 ? 5 : 0;
}

/**
 * MemAttr[3:0] of stage 2 as a MAIR byte (D8.6.5, without FWB): Device by its low two bits, else outer and inner cacheability. A stage 2
 * gives no allocation hints, which counts as read- and write-allocate. Reserved inner values read as non-cacheable.
 */
const STAGE2_MEMORY: readonly number[] = Array.from({ length: 16 }, (_, attribute) => {
  const halves = [0b0100, 0b0100, 0b1011, 0b1111];
  const outer = attribute >>> 2;
  return outer === 0 ? attribute << 2 : ((halves[outer] as number) << 4) | (halves[attribute & 3] as number);
});

/**
 * The constants stand inside a function, because a bundler turns those of a module into variables, which an engine has to load at
 * each use: a quarter of a step's time.
 */
function lpaeDecoder(): Decode {
  const STAGE1 = LPAE_STAGE1_LEAF.fields;
  const STAGE2 = LPAE_STAGE2_LEAF.fields;

  /** Bit 0: valid. Bit 1: a table above level 3, a page at it. */
  const VALID = LpaeType.BLOCK;
  const TABLE_OR_PAGE = LpaeType.TABLE_OR_PAGE & ~VALID;

  // Bits of the low half; stage 1 and stage 2 agree where they both have the field.
  const AF = lowMask(STAGE1.af);
  const NG = lowMask(STAGE1.nonGlobal);
  const NS = lowMask(STAGE1.ns);
  const ATTRIBUTES_SHIFT = STAGE1.attrIndx.lsb;
  const SHAREABILITY_SHIFT = STAGE1.sh.lsb;
  /** AP[2:1] of stage 1, and S2AP[1:0], as two-bit numbers. */
  const ACCESS_SHIFT = STAGE1.apUnprivileged.lsb;
  /** AP[2]: set for read only. S2AP[1]: set for writable. */
  const AP2 = lowMask(STAGE1.apReadOnly);
  const S2AP1 = lowMask(STAGE2.s2apWrite);

  // Bits of the high half.
  const DBM = highMask(STAGE1.dbm);
  const CONTIGUOUS = highMask(STAGE1.contiguous);
  /** PXN and UXN of stage 1, and XN[1:0] of stage 2, as two-bit numbers. */
  const NEVER_SHIFT = STAGE1.pxn.lsb - 32;
  /** PXNTable, XNTable, APTable[1:0] and NSTable of a table descriptor, as a five-bit number: `hierarchical`. */
  const HIERARCHICAL_SHIFT = LPAE_TABLE.fields.pxnTable.lsb - 32;
  /** NSTable in `hierarchical`. */
  const NS_TABLE = 16;

  /** Output address bits 47:32 in the high half. */
  const ADDRESS_HIGH = highMask(STAGE1.outputAddress);
  /** With the 64K granule, bits 15:12 hold address bits 51:48, which are bits 19:16 of the high half. */
  const ADDRESS_51_48 = lowMask(STAGE1.outputAddressLow);
  const ADDRESS_51_48_UP = 16 - STAGE1.outputAddressLow.lsb;

  const GRANTED = Permission.ALL;
  const { DIRTY_MODIFIER } = PermissionIndex;
  const NEVER_AT = PermissionIndex.NEVER_SHIFT;
  const HIERARCHICAL_AT = PermissionIndex.HIERARCHICAL_SHIFT;

  return function decode(walk, regime, low, high) {
    const level = walk.level;
    // AArch64.DecodeDescriptorType: bit 0 clear is invalid; a block is reserved at level 3 and above the first block level.
    if ((low & VALID) === 0) return walk.refuse(FaultKind.TRANSLATION, level);
    let addressHigh = high & ADDRESS_HIGH;
    if (walk.granuleShift === 16) addressHigh |= (low & ADDRESS_51_48) << ADDRESS_51_48_UP;

    if ((low & TABLE_OR_PAGE) !== 0 && level < 3) {
      // AArch64.S1Walk: the next table's address must fit the output size; then the hierarchical attributes accumulate.
      if ((addressHigh & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
      walk.hierarchical |= (high >>> HIERARCHICAL_SHIFT) & walk.hierarchicalMask;
      return walk.request(level + 1, addressHigh, low & (-1 << walk.granuleShift));
    }
    if ((low & TABLE_OR_PAGE) === 0 && (level < walk.firstBlockLevel || level === 3)) {
      return walk.refuse(FaultKind.TRANSLATION, level);
    }
    return leaf(walk, regime, low, high, addressHigh);
  };

  /** A block or page: its address, attributes and checks. */
  function leaf(walk: WalkState, regime: StageRegime, low: number, high: number, addressHigh: number): WalkStatus {
    const level = walk.level;
    // AArch64.OAOutOfRange of the output address.
    if ((addressHigh & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
    const granuleShift = walk.granuleShift;
    const shift = granuleShift + (3 - level) * (granuleShift - 3);
    walk.setOutput(shift, low, addressHigh);
    walk.contiguousShift = (high & CONTIGUOUS) === 0 ? shift : shift + contiguousBits(granuleShift, level);
    walk.accessFlag = (low & AF) !== 0;
    walk.shareability = (low >>> SHAREABILITY_SHIFT) & 3;
    walk.dirtyModifier = (high & DBM) !== 0;
    const hierarchical = walk.hierarchical;
    const entry = walk.permissionTable[
      ((low >>> ACCESS_SHIFT) & 3) |
        (((high >>> NEVER_SHIFT) & 3) << NEVER_AT) |
        ((high & DBM) === 0 ? 0 : DIRTY_MODIFIER) |
        ((hierarchical & 15) << HIERARCHICAL_AT)
    ] as number;
    walk.permissions = entry & GRANTED;
    walk.writableClean = (entry & WRITABLE_CLEAN) !== 0;
    if (regime.stage === 1) {
      const attribute = (low >>> ATTRIBUTES_SHIFT) & 7;
      walk.attributeIndex = attribute;
      walk.memoryAttribute = regime.memoryAttributes[attribute] ?? 0;
      walk.nonSecure = (low & NS) !== 0 || (hierarchical & NS_TABLE) !== 0;
      walk.notGlobal = (low & NG) !== 0;
      return walk.finishLeaf(regime, low, high, low & ~AP2, AF);
    }
    walk.attributeIndex = (low >>> ATTRIBUTES_SHIFT) & 15;
    walk.memoryAttribute = STAGE2_MEMORY[walk.attributeIndex] as number;
    walk.nonSecure = false;
    walk.notGlobal = false;
    return walk.finishLeaf(regime, low, high, low | S2AP1, AF);
  }
}
