import { Permission, type StageRegime } from '../regime/index.ts';
import { ENTRY } from './entry-attributes.ts';
import { FaultClass } from './fault.ts';
import type { StageWalk } from './stage-walk.ts';

/**
 * The decisions of a translation, each made here and nowhere else: what a finished stage says, how two stages combine, which entry of
 * a cache serves an access and which may be kept, what a stage 2 refuses to the walk of a stage 1, and how often hardware tries to
 * write a descriptor back. The untimed walker, the walker that is alone in time and the walks in flight only move through them, so
 * that they agree on every result and differ in nothing but time and in what their caches spare.
 *
 * Rules of the architecture: Arm ARM DDI 0487, AArch64.S1Translate, AArch64.S2Translate and AArch64.FullTranslate.
 */

const ANY_WRITE = Permission.WRITE | Permission.PRIVILEGED_WRITE;

/** What a walk of stage 1 asks of stage 2 to read one of its descriptors. */
export const READS_DESCRIPTOR = Permission.READ;
/** What it asks to write one back: access flag, dirty state (AArch64.MemSwapTableDesc). */
export const UPDATES_DESCRIPTOR = Permission.WRITE;

/**
 * How often hardware tries to write a descriptor back that changes between its read and the write. Software changes one now and then;
 * what changes every time is no memory (a device's registers), and such a walk ends in an external abort. The number is ours.
 */
export const MOST_UPDATES = 16;

/** Attributes of a bypassed access: everything is allowed. */
export const BYPASS_ATTRIBUTES = (Permission.ALL << ENTRY.PERMISSIONS_SHIFT) | ENTRY.NOT_GLOBAL;

/**
 * What a finished walk says of its leaf, packed as {@link ENTRY} says.
 *
 * @param shift log2 of the page that an entry made of it covers: the leaf, or the contiguous run that it belongs to
 */
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

/** Of a translation that is a stage 2 alone: no ASID owns it, and invalidations by IPA find it. */
export function stage2Alone(attributes: number): number {
  return attributes | ENTRY.STAGE2_ONLY | ENTRY.NOT_GLOBAL;
}

/**
 * Both stages together: the permissions that both grant, the smaller page, the weaker memory type, dirty state that is recorded in
 * both (AArch64.S2CombineS1MemAttrs without FWB).
 */
export function combineAttributes(stage1: number, stage2: number): number {
  const shift1 = stage1 & ENTRY.SHIFT_MASK;
  const shift2 = stage2 & ENTRY.SHIFT_MASK;
  const permissions = stage1 & stage2 & (ENTRY.PERMISSIONS_MASK << ENTRY.PERMISSIONS_SHIFT);
  const memory = combineMemory(
    (stage1 >>> ENTRY.MEMORY_SHIFT) & ENTRY.MEMORY_MASK,
    (stage2 >>> ENTRY.MEMORY_SHIFT) & ENTRY.MEMORY_MASK,
  );
  return (
    (shift1 < shift2 ? shift1 : shift2) |
    permissions |
    (memory << ENTRY.MEMORY_SHIFT) |
    (combineShareability(memory, stage1, stage2) << ENTRY.SHAREABILITY_SHIFT) |
    (stage1 & ENTRY.NOT_GLOBAL) |
    ((stage1 | stage2) & ENTRY.WRITABLE_CLEAN)
  );
}

/** Half a MAIR byte: Normal memory, non-cacheable. */
const NON_CACHEABLE = 0b0100;
/** Of the other halves: x1RW is write-back, x0RW write-through; x tells non-transient from transient. */
const WRITE_BACK = 0b0100;

/** Two MAIR bytes. Device wins over Normal, and of two the stricter one; else inner and outer cacheability combine each by itself. */
function combineMemory(stage1: number, stage2: number): number {
  // Most systems map write-back memory with write-back memory.
  if (stage1 === stage2) return stage1;
  const device1 = (stage1 & 0xf0) === 0;
  const device2 = (stage2 & 0xf0) === 0;
  if (device1 && device2) return Math.min(stage1, stage2);
  if (device1) return stage1;
  if (device2) return stage2;
  return (combineCacheability(stage1 >>> 4, stage2 >>> 4) << 4) | combineCacheability(stage1 & 15, stage2 & 15);
}

/** Non-cacheable wins over write-through, and that over write-back; the allocation hints are stage 1's (S2CombineS1AttrHints). */
function combineCacheability(stage1: number, stage2: number): number {
  if (stage1 === NON_CACHEABLE || stage2 === NON_CACHEABLE) return NON_CACHEABLE;
  return (stage2 & WRITE_BACK) === 0 ? stage1 & ~WRITE_BACK : stage1;
}

/** Outer wins over inner, and that over none; Device and fully non-cacheable memory is outer shareable (EffectiveShareability). */
function combineShareability(memory: number, stage1: number, stage2: number): number {
  if ((memory & 0xf0) === 0 || memory === 0x44) return 2;
  const one = (stage1 >>> ENTRY.SHAREABILITY_SHIFT) & ENTRY.SHAREABILITY_MASK;
  const two = (stage2 >>> ENTRY.SHAREABILITY_SHIFT) & ENTRY.SHAREABILITY_MASK;
  if (one === 2 || two === 2) return 2;
  return one === 3 || two === 3 ? 3 : 0;
}

const TABLE_BITS = ENTRY.LEAF | (ENTRY.HIERARCHICAL_MASK << ENTRY.HIERARCHICAL_SHIFT);

/** Attributes of a walk-cache leaf as a TLB entry has them. */
export function withoutTableBits(attributes: number): number {
  return attributes & ~TABLE_BITS;
}

/**
 * Whether an entry serves an access: its permissions suffice, and a write finds the dirty state recorded. Where it does not, the
 * tables are walked again: only the walk can mark the page dirty, or say why and at which level the access is refused.
 */
export function permits(attributes: number, access: number): boolean {
  if (((attributes >>> ENTRY.PERMISSIONS_SHIFT) & access) !== access) return false;
  return (attributes & ENTRY.WRITABLE_CLEAN) === 0 || (access & ANY_WRITE) === 0;
}

/**
 * AArch64.S2HasPermissionsFault: whether a stage 2 with PTW refuses Device memory to what it translates, which it does with stage-1
 * tables. The refusal is a permission fault; an entry of a cache that {@link isDevice} does not serve then, see {@link permits}.
 *
 * @param purpose what the stage 2 translates
 */
export function refusesDevice(regime: StageRegime, purpose: FaultClass): boolean {
  return regime.protectedTableWalk === true && purpose === FaultClass.TABLE;
}

/** Whether attributes are those of Device memory. */
export function isDevice(attributes: number): boolean {
  return ((attributes >>> ENTRY.MEMORY_SHIFT) & 0xf0) === 0;
}

/** {@link permits}, for an entry of stage 2 that may be Device memory. @param normalOnly see {@link refusesDevice} */
export function serves(attributes: number, access: number, normalOnly: boolean): boolean {
  return permits(attributes, access) && !(normalOnly && isDevice(attributes));
}

/** Whether a walk cache may keep where a stage-1 table lies: only in one piece, which a stage-2 page as large as a table makes sure. */
export function keepsTable(attributes2: number, granuleShift: number): boolean {
  return (attributes2 & ENTRY.SHIFT_MASK) >= granuleShift;
}
