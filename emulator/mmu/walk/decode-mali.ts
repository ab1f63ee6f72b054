import { highMask, LpaeType, lowMask, MALI_LEAF, MALI_TABLE } from '../../../formats/index.ts';
import { Permission, type StageRegime } from '../regime/index.ts';
import { FaultKind } from './fault.ts';
import type { WalkState, WalkStatus } from './walk-state.ts';

/**
 * Reads one descriptor of Mali's own LPAE variant (address space mode "LPAE" of Midgard and early Bifrost). It differs from VMSAv8-64 in
 * that a leaf has type 1 at every level, also at the last; that bits 7:6 grant writing and reading one by one as a stage 2 does; and
 * that nothing is hierarchical, global or contiguous. Always four levels of 4 KiB tables. Source of the layout: the ARM_MALI_LPAE
 * format of Linux io-pgtable and the page-table entries of Arm's kbase driver.
 */

const LEAF = MALI_LEAF.fields;
const TYPE = lowMask(LEAF.type);
const READABLE = lowMask(LEAF.read);
const WRITABLE = lowMask(LEAF.write);
const ATTRIBUTES_SHIFT = LEAF.attrIndx.lsb;
const SHAREABILITY_SHIFT = LEAF.sh.lsb;
/** Drivers set two bits to forbid execution; the upper one is the one that counts. */
const EXECUTE_NEVER = 1 << (LEAF.xn.lsb + LEAF.xn.width - 1 - 32);
const ADDRESS_HIGH = highMask(LEAF.outputAddress);
const TABLE_LOW = lowMask(MALI_TABLE.fields.nextTable) | 0;
/** One step of a walk over Mali LPAE tables. */
export function decodeMali(walk: WalkState, regime: StageRegime, low: number, high: number): WalkStatus {
  const level = walk.level;
  const type = low & TYPE;
  const addressHigh = high & ADDRESS_HIGH;
  if (type === LpaeType.TABLE_OR_PAGE && level < 3) {
    if ((addressHigh & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
    return walk.request(level + 1, addressHigh, low & TABLE_LOW);
  }
  // Blocks at levels 1 and 2, pages at level 3; a table at level 3 and a leaf at level 0 do not exist.
  if (type !== LpaeType.BLOCK || level < walk.firstBlockLevel) return walk.refuse(FaultKind.TRANSLATION, level);
  if ((addressHigh & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
  walk.setOutput(12 + (3 - level) * 9, low, addressHigh);
  walk.contiguousShift = walk.pageShift;
  walk.attributeIndex = (low >>> ATTRIBUTES_SHIFT) & 7;
  walk.memoryAttribute = regime.memoryAttributes[walk.attributeIndex] ?? 0;
  walk.shareability = (low >>> SHAREABILITY_SHIFT) & 3;
  walk.nonSecure = false;
  walk.notGlobal = true;
  // This mode has no access flag: whatever is mapped may be accessed.
  walk.accessFlag = true;
  walk.dirtyModifier = false;
  walk.writableClean = false;
  let permissions = 0;
  if ((low & READABLE) !== 0) permissions |= Permission.READ | Permission.PRIVILEGED_READ;
  if ((low & WRITABLE) !== 0) permissions |= Permission.WRITE | Permission.PRIVILEGED_WRITE;
  if ((high & EXECUTE_NEVER) === 0) permissions |= Permission.EXECUTE | Permission.PRIVILEGED_EXECUTE;
  walk.permissions = permissions;
  return walk.finishLeaf(regime, low, high, low, 0);
}
