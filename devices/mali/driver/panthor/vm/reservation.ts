/**
 * What panthor sets aside before it queues an operation on a VM: the tables and the descriptions of mappings that it can need at
 * most, whatever the tree looks like by the time it runs (`panthor_vm_prepare_map_op_ctx`, `panthor_vm_prepare_unmap_op_ctx`).
 */

/** Spans of the entries above the last level, for the four levels of a 48-bit space with 4 KiB pages. */
const TABLE_SPANS = [2 ** 39, 2 ** 30, 2 ** 21] as const;
const HUGE_PAGE = 2 ** 21;

/** Descriptions of mappings: the new one, and what stays on either side of an old one; an unmap needs only the latter. */
export const MAP_VMAS = 3;
export const UNMAP_VMAS = 2;

/** Tables for a map of `[va, va + size)`: one per span of an entry that the range touches. Wraps at 2^64, as the driver's numbers do. */
export function tablesToMap(va: number, size: number): number {
  let tables = 0;
  for (const span of TABLE_SPANS) {
    const end = (Math.ceil((va + size) / span) * span) % 2 ** 64;
    const covered = end - Math.floor(va / span) * span;
    tables += (covered < 0 ? covered + 2 ** 64 : covered) / span;
  }
  return tables;
}

/** Tables for an unmap: one for each end that may cut a 2 MiB page in two. */
export function tablesToUnmap(va: number, size: number): number {
  const end = va + size;
  let tables = va % HUGE_PAGE === 0 ? 0 : 1;
  if (end % HUGE_PAGE !== 0 && Math.ceil(va / HUGE_PAGE) !== Math.ceil(end / HUGE_PAGE)) tables++;
  return tables;
}
