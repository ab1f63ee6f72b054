import { Permission } from '../regime/index.ts';
import { ENTRY } from './entry-attributes.ts';
import type { StageWalk } from './stage-walk.ts';

/** Packs what a finished walk knows of its leaf into the attributes of a TLB entry. */
export function leafAttributes(walk: StageWalk, shift: number): number {
  return (
    shift |
    (walk.permissions << ENTRY.PERMISSIONS_SHIFT) |
    (walk.memoryAttribute << ENTRY.MEMORY_SHIFT) |
    (walk.shareability << ENTRY.SHAREABILITY_SHIFT) |
    (walk.notGlobal === true ? ENTRY.NOT_GLOBAL : 0) |
    (walk.writableClean === true ? ENTRY.WRITABLE_CLEAN : 0)
  );
}

/** Attributes of both stages together: permissions of both, the smaller page, dirty state known to both. */
export function combineAttributes(stage1: number, stage2: number): number {
  const shift = Math.min(stage1 & ENTRY.SHIFT_MASK, stage2 & ENTRY.SHIFT_MASK);
  const permissions = stage1 & stage2 & (ENTRY.PERMISSIONS_MASK << ENTRY.PERMISSIONS_SHIFT);
  const rest = stage1 & ~(ENTRY.SHIFT_MASK | (ENTRY.PERMISSIONS_MASK << ENTRY.PERMISSIONS_SHIFT));
  return shift | permissions | rest | (stage2 & ENTRY.WRITABLE_CLEAN);
}

const TABLE_BITS = ENTRY.LEAF | (ENTRY.HIERARCHICAL_MASK << ENTRY.HIERARCHICAL_SHIFT);

/** Attributes of a walk-cache leaf as a TLB entry has them. */
export function withoutTableBits(attributes: number): number {
  return attributes & ~TABLE_BITS;
}

/** Whether an entry serves an access: its permissions suffice, and a write finds the dirty state recorded. */
export function permits(attributes: number, access: number): boolean {
  if (((attributes >>> ENTRY.PERMISSIONS_SHIFT) & access) !== access) return false;
  return (attributes & ENTRY.WRITABLE_CLEAN) === 0 || (access & (Permission.WRITE | Permission.PRIVILEGED_WRITE)) === 0;
}

/** Attributes of a bypassed access: everything is allowed. */
export const BYPASS_ATTRIBUTES = (Permission.ALL << ENTRY.PERMISSIONS_SHIFT) | ENTRY.NOT_GLOBAL;
