import { Permission, type StageRegime } from '../regime/index.ts';

/**
 * What the permission bits of a VMSAv8-64 leaf grant, worked out once per kind of regime, so that a walk looks one byte up.
 * Rules: Arm ARM DDI 0487 D8.4 (AArch64.S1DirectBasePermissions, AArch64.S2DirectBasePermissions), G5.6 for AArch32.
 */

const { READ, WRITE, EXECUTE, PRIVILEGED_READ, PRIVILEGED_WRITE, PRIVILEGED_EXECUTE } = Permission;
const ANY_WRITE = WRITE | PRIVILEGED_WRITE;

/**
 * How a table is indexed: AP[2:1] (stage 2: S2AP), plus these times PXN and XN (stage 2: XN[1:0]), DBM, and the low four bits of
 * `hierarchical`.
 */
export const PermissionIndex = { NEVER_SHIFT: 2, DIRTY_MODIFIER: 16, HIERARCHICAL_SHIFT: 5 } as const;
const ENTRIES = 512;

/** Set in an entry beside the `Permission` bits: the write it grants has to mark the page dirty first. */
export const WRITABLE_CLEAN = 64;

const TABLES = new Map<number, Uint8Array>();

/** The table for a stage. Regimes of one kind share it. */
export function permissionTable(regime: StageRegime): Uint8Array {
  const kind =
    (regime.stage === 2 ? 1 : 0) |
    (regime.singlePrivilege === true ? 2 : 0) |
    (regime.aarch32 === true ? 4 : 0) |
    (regime.writeExecuteNever ? 8 : 0) |
    (regime.hardwareDirty ? 16 : 0) |
    (regime.executeByPrivilege === true ? 32 : 0);
  let table = TABLES.get(kind);
  if (table === undefined) {
    table = new Uint8Array(ENTRIES);
    for (let index = 0; index < ENTRIES; index++) {
      const access = index & 3;
      const never = (index >> PermissionIndex.NEVER_SHIFT) & 3;
      const managed = regime.hardwareDirty && (index & PermissionIndex.DIRTY_MODIFIER) !== 0;
      const hierarchical = index >> PermissionIndex.HIERARCHICAL_SHIFT;
      table[index] =
        regime.stage === 1
          ? stage1Entry(regime, access, never, managed, hierarchical)
          : stage2Entry(regime, access, never, managed);
    }
    TABLES.set(kind, table);
  }
  return table;
}

/** `access` is AP[2:1], `never` PXN + 2 * UXN, `hierarchical` PXNTable + 2 * XNTable + 4 * APTable. */
function stage1Entry(
  regime: StageRegime,
  access: number,
  never: number,
  managed: boolean,
  hierarchical: number,
): number {
  // A regime without an unprivileged level (EL2, EL3) ignores AP[1], PXN and their table bits: one answer for both levels.
  const single = regime.singlePrivilege === true;
  const unprivileged = single || ((access & 1) !== 0 && (hierarchical & 4) === 0);
  // With dirty state by hardware, a clean page with DBM counts as writable.
  const clean = managed && (access & 2) !== 0;
  const readOnly = ((access & 2) !== 0 && !clean) || (hierarchical & 8) !== 0;
  const uxn = ((never | hierarchical) & 2) !== 0;
  const pxn = single ? uxn : ((never | hierarchical) & 1) !== 0;

  let granted: number = PRIVILEGED_READ;
  if (!readOnly) granted |= PRIVILEGED_WRITE;
  if (unprivileged) granted |= readOnly ? READ : READ | WRITE;
  if (regime.aarch32 === true) {
    // XN forbids execution at both levels, and executing needs the right to read.
    if (!uxn && unprivileged) granted |= EXECUTE;
    if (!uxn && !pxn) granted |= PRIVILEGED_EXECUTE;
  } else {
    if (!uxn) granted |= EXECUTE;
    // What the unprivileged level may write, the privileged one never executes.
    if (!pxn && (single || (granted & WRITE) === 0)) granted |= PRIVILEGED_EXECUTE;
  }
  if (regime.writeExecuteNever) {
    if ((granted & WRITE) !== 0) granted &= ~EXECUTE;
    if ((granted & PRIVILEGED_WRITE) !== 0) granted &= ~PRIVILEGED_EXECUTE;
  }
  return clean && (granted & ANY_WRITE) !== 0 ? granted | WRITABLE_CLEAN : granted;
}

/** `access` is S2AP[1:0], `never` XN[1:0]. */
function stage2Entry(regime: StageRegime, access: number, never: number, managed: boolean): number {
  const clean = managed && (access & 2) === 0;
  let granted = 0;
  if ((access & 1) !== 0) granted |= READ | PRIVILEGED_READ;
  if ((access & 2) !== 0 || clean) granted |= ANY_WRITE;
  // XN[1:0]: 00 both execute, 01 unprivileged only, 10 none, 11 privileged only. Without FEAT_XNX bit 1 alone forbids it.
  const forbids = regime.executeByPrivilege === true ? never : never & 2;
  const readable = regime.aarch32 !== true || (access & 1) !== 0;
  if (readable && (forbids === 0 || forbids === 1)) granted |= EXECUTE;
  if (readable && (forbids === 0 || forbids === 3)) granted |= PRIVILEGED_EXECUTE;
  return clean ? granted | WRITABLE_CLEAN : granted;
}
