import { highMask, LPAE_STAGE1_LEAF, LPAE_STAGE2_LEAF, LPAE_TABLE, LpaeType, lowMask } from '../../formats/index.ts';
import { FaultKind, Permission, type StageRegime } from './regime.ts';
import type { WalkState, WalkStatus } from './walk-state.ts';

/**
 * Reads one VMSAv8-64 descriptor (Arm ARM DDI 0487 D8.3), stage 1 or stage 2; the long descriptors of 32-bit LPAE are the same ones.
 */

const STAGE1 = LPAE_STAGE1_LEAF.fields;
const STAGE2 = LPAE_STAGE2_LEAF.fields;

/** Bit 0: valid. Bit 1: a table above level 3, a page at it. */
const VALID = LpaeType.BLOCK;
const TABLE_OR_PAGE = LpaeType.TABLE_OR_PAGE & ~VALID;

/** Where single fields stand, stage 1 and stage 2 alike unless named. Bits of the low half. */
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

/** Bits of the high half. */
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

const { READ, WRITE, EXECUTE, PRIVILEGED_READ, PRIVILEGED_WRITE, PRIVILEGED_EXECUTE } = Permission;
const ANY_WRITE = WRITE | PRIVILEGED_WRITE;

/**
 * Permissions of a stage-1 leaf under its tables (AArch64.S1DirectBasePermissions, D8.4), by AP[2:1] + 4 * PXN + 8 * UXN + 16 times the
 * low four bits of `hierarchical`.
 */
const STAGE1_PERMISSIONS = stage1Permissions(false, false);

/** The same for a regime without an unprivileged level (EL2, EL3): AP[1], PXN and their table bits mean nothing. */
const STAGE1_SINGLE_PERMISSIONS = stage1Permissions(true, false);

/** The same for AArch32 (G5.6): XN forbids execution at both levels, and executing needs the right to read. */
const STAGE1_AARCH32_PERMISSIONS = stage1Permissions(false, true);

/** Stage 2 (AArch64.S2DirectBasePermissions, D8.4) by S2AP[1:0] + 4 * XN[1:0]; execution as with FEAT_XNX. */
const STAGE2_PERMISSIONS = stage2Permissions();

/** One step of a walk over VMSAv8-64 tables. */
export function decodeLpae(walk: WalkState, regime: StageRegime, low: number, high: number): WalkStatus {
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
  return decodeLeaf(walk, regime, low, high, addressHigh);
}

/** A block or page: its address, attributes and checks. Apart from the tables, which are most of what a walk reads. */
function decodeLeaf(walk: WalkState, regime: StageRegime, low: number, high: number, addressHigh: number): WalkStatus {
  const level = walk.level;
  // AArch64.OAOutOfRange of the output address.
  if ((addressHigh & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
  const shift = walk.granuleShift + (3 - level) * (walk.granuleShift - 3);
  walk.setOutput(shift, low, addressHigh);
  walk.contiguousShift = (high & CONTIGUOUS) === 0 ? shift : shift + contiguousBits(walk.granuleShift, level);
  walk.accessFlag = (low & AF) !== 0;
  walk.shareability = (low >>> SHAREABILITY_SHIFT) & 3;
  walk.dirtyModifier = (high & DBM) !== 0;
  if (regime.stage === 1) {
    stage1Attributes(walk, regime, low, high);
    return walk.finishLeaf(regime, low, high, low & ~AP2, AF);
  }
  stage2Attributes(walk, regime, low, high);
  return walk.finishLeaf(regime, low, high, low | S2AP1, AF);
}

function stage1Attributes(walk: WalkState, regime: StageRegime, low: number, high: number): void {
  walk.attributeIndex = (low >>> ATTRIBUTES_SHIFT) & 7;
  walk.memoryAttribute = regime.memoryAttributes[walk.attributeIndex] ?? 0;
  walk.nonSecure = (low & NS) !== 0 || (walk.hierarchical & NS_TABLE) !== 0;
  walk.notGlobal = (low & NG) !== 0;
  // With dirty state by hardware, a clean page with DBM counts as writable.
  const clean = regime.hardwareDirty && walk.dirtyModifier && (low & AP2) !== 0;
  const access = ((clean ? low & ~AP2 : low) >>> ACCESS_SHIFT) & 3;
  const never = (high >>> NEVER_SHIFT) & 3;
  let table = STAGE1_PERMISSIONS;
  if (regime.singlePrivilege === true) table = STAGE1_SINGLE_PERMISSIONS;
  else if (regime.aarch32 === true) table = STAGE1_AARCH32_PERMISSIONS;
  let permissions = table[access | (never << 2) | ((walk.hierarchical & 15) << 4)] as number;
  if (regime.writeExecuteNever) {
    if ((permissions & WRITE) !== 0) permissions &= ~EXECUTE;
    if ((permissions & PRIVILEGED_WRITE) !== 0) permissions &= ~PRIVILEGED_EXECUTE;
  }
  walk.permissions = permissions;
  walk.writableClean = clean && (permissions & ANY_WRITE) !== 0;
}

function stage2Attributes(walk: WalkState, regime: StageRegime, low: number, high: number): void {
  walk.attributeIndex = (low >>> ATTRIBUTES_SHIFT) & 15;
  walk.memoryAttribute = 0;
  walk.nonSecure = false;
  walk.notGlobal = false;
  const clean = regime.hardwareDirty && walk.dirtyModifier && (low & S2AP1) === 0;
  const access = ((clean ? low | S2AP1 : low) >>> ACCESS_SHIFT) & 3;
  let never = (high >>> NEVER_SHIFT) & 3;
  // Without FEAT_XNX bit 53 is not looked at: bit 54 alone forbids execution.
  if (regime.executeByPrivilege !== true) never &= 2;
  let permissions = STAGE2_PERMISSIONS[access | (never << 2)] as number;
  if (regime.aarch32 === true) permissions = executeNeedsRead(permissions);
  walk.permissions = permissions;
  walk.writableClean = clean;
}

/** log2 of the number of entries in a contiguous run (D8.7.1); 0 where the manual defines none. */
export function contiguousBits(granuleShift: number, level: number): number {
  if (granuleShift === 12) return 4;
  if (granuleShift === 14) return level === 3 ? 7 : level === 2 ? 5 : 0;
  return level >= 2 ? 5 : 0;
}

function executeNeedsRead(permissions: number): number {
  let kept = permissions;
  if ((kept & READ) === 0) kept &= ~EXECUTE;
  if ((kept & PRIVILEGED_READ) === 0) kept &= ~PRIVILEGED_EXECUTE;
  return kept;
}

function stage1Permissions(singlePrivilege: boolean, aarch32: boolean): Uint8Array {
  const table = new Uint8Array(256);
  for (let index = 0; index < 256; index++) {
    const unprivileged = singlePrivilege || (index & 0x01) !== 0;
    const readOnly = (index & 0x02) !== 0 || (index & 0x80) !== 0;
    const hidden = !singlePrivilege && (index & 0x40) !== 0;
    const uxn = (index & 0x28) !== 0;
    const pxn = singlePrivilege ? uxn : (index & 0x14) !== 0;
    let granted: number = PRIVILEGED_READ;
    if (!readOnly) granted |= PRIVILEGED_WRITE;
    if (unprivileged && !hidden) granted |= readOnly ? READ : READ | WRITE;
    if (!uxn) granted |= EXECUTE;
    // What the unprivileged level may write, the privileged one never executes.
    const exposed = !singlePrivilege && !aarch32 && (granted & WRITE) !== 0;
    if (!pxn && !exposed && !(aarch32 && uxn)) granted |= PRIVILEGED_EXECUTE;
    table[index] = aarch32 ? executeNeedsRead(granted) : granted;
  }
  return table;
}

function stage2Permissions(): Uint8Array {
  const table = new Uint8Array(16);
  for (let index = 0; index < 16; index++) {
    let granted = 0;
    if ((index & 1) !== 0) granted |= READ | PRIVILEGED_READ;
    if ((index & 2) !== 0) granted |= WRITE | PRIVILEGED_WRITE;
    // XN[1:0]: 00 both execute, 01 unprivileged only, 10 none, 11 privileged only.
    const never = index >> 2;
    if (never === 0 || never === 1) granted |= EXECUTE;
    if (never === 0 || never === 3) granted |= PRIVILEGED_EXECUTE;
    table[index] = granted;
  }
  return table;
}
