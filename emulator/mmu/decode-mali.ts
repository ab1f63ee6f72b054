import { FaultKind, Permission, type StageRegime } from './regime.ts';
import type { WalkState, WalkStatus } from './walk-state.ts';

/**
 * Reads one descriptor of Mali's own LPAE variant (address space mode "LPAE" of Midgard and early Bifrost). It differs from VMSAv8-64 in
 * that a leaf has type 1 at every level, also at the last; that bits 7:6 grant writing and reading one by one as a stage 2 does; and
 * that nothing is hierarchical, global or contiguous. Always four levels of 4 KiB tables. Source of the layout: the ARM_MALI_LPAE
 * format of Linux io-pgtable and the page-table entries of Arm's kbase driver.
 */

const TYPE = 3;
const TYPE_LEAF = 1;
const TYPE_TABLE = 3;
const READABLE = 1 << 6;
const WRITABLE = 1 << 7;
const ACCESS_FLAG = 1 << 10;
/** Bit 54, in the high half. */
const EXECUTE_NEVER = 1 << (54 - 32);
const ADDRESS_HIGH = 0xffff;
const PAGE = -1 << 12;

/** One step of a walk over Mali LPAE tables. */
export function decodeMali(walk: WalkState, regime: StageRegime, low: number, high: number): WalkStatus {
  const level = walk.level;
  const type = low & TYPE;
  const addressHigh = high & ADDRESS_HIGH;
  if (type === TYPE_TABLE && level < 3) {
    if ((addressHigh & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
    return walk.request(level + 1, addressHigh, low & PAGE);
  }
  // Blocks at levels 1 and 2, pages at level 3; a table at level 3 and a leaf at level 0 do not exist.
  if (type !== TYPE_LEAF || level < walk.firstBlockLevel) return walk.refuse(FaultKind.TRANSLATION, level);
  if ((addressHigh & walk.outputHighMask) !== 0) return walk.refuse(FaultKind.ADDRESS_SIZE, level);
  walk.setOutput(12 + (3 - level) * 9, low, addressHigh);
  walk.contiguousShift = walk.pageShift;
  walk.attributeIndex = (low >>> 2) & 7;
  walk.memoryAttribute = regime.memoryAttributes[walk.attributeIndex] ?? 0;
  walk.shareability = (low >>> 8) & 3;
  walk.nonSecure = false;
  walk.notGlobal = false;
  walk.accessFlag = (low & ACCESS_FLAG) !== 0;
  walk.dirtyModifier = false;
  walk.writableClean = false;
  let permissions = 0;
  if ((low & READABLE) !== 0) permissions |= Permission.READ | Permission.PRIVILEGED_READ;
  if ((low & WRITABLE) !== 0) permissions |= Permission.WRITE | Permission.PRIVILEGED_WRITE;
  if ((high & EXECUTE_NEVER) === 0) permissions |= Permission.EXECUTE | Permission.PRIVILEGED_EXECUTE;
  walk.permissions = permissions;
  return walk.finishLeaf(regime, low, high, low, 0);
}
