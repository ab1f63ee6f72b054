/**
 * What page-table software complains about when its caller, or the table, is wrong: the places where Linux has a WARN_ON.
 * A warning never changes the result of the call; it is counted and handed to the machine.
 */
export const WarningCode = {
  /** Map: a leaf is already there (-EEXIST). Values: iova, level. */
  LEAF_EXISTS: 'leaf-exists',
  /** Map: a block covers the address, so that no table can be entered there (-EEXIST). Values: iova, level. */
  BLOCK_IN_THE_WAY: 'block-in-the-way',
  /** Map: the table under a new block could not be unmapped (-EINVAL). Values: iova, level. */
  TABLE_NOT_REPLACED: 'table-not-replaced',
  /** Map: the page size is that of no level, found at the last level (-EINVAL). Values: iova, page size. */
  MAP_BELOW_LAST_LEVEL: 'map-below-last-level',
  /** Map: the page size is 0 or not one of the table's, or the count is negative or no integer (-EINVAL). Values: page size. */
  MAP_PAGE_SIZE: 'map-page-size',
  /** Map: iova or pa is outside the configured sizes (-ERANGE). Values: iova, pa. */
  MAP_RANGE: 'map-range',
  /** Unmap: the page size is 0 or not one of the table's, or the count is not 1 or more. Values: page size, count. */
  UNMAP_PAGE_SIZE: 'unmap-page-size',
  /** Unmap: the iova is outside the configured size. Values: iova. */
  UNMAP_RANGE: 'unmap-range',
  /** Unmap: nothing is mapped there. Values: iova, level. */
  UNMAP_HOLE: 'unmap-hole',
  /** Unmap: went past the last level. Values: iova. */
  UNMAP_BELOW_LAST_LEVEL: 'unmap-below-last-level',
  /** Unmap: a page of the last level would have to be split. Values: iova, page size. */
  SPLIT_BELOW_LAST_LEVEL: 'split-below-last-level',
  /** Unmap of part of a block where splitting is not allowed (`split: 'refuse'`). Values: iova, page size. */
  SPLIT_REFUSED: 'split-refused',
  /** Dirty tracking: the size is 0 (-EINVAL). Values: iova. */
  DIRTY_SIZE: 'dirty-size',
  /** Dirty tracking: the range is outside the configured size (-EINVAL). Values: iova, size. */
  DIRTY_RANGE: 'dirty-range',
  /** Dirty tracking: neither a leaf nor a table (-EINVAL). Values: iova, level. */
  DIRTY_HOLE: 'dirty-hole',
  /** Dirty tracking or another walk: went past the last level (-EINVAL). Values: iova. */
  WALK_BELOW_LAST_LEVEL: 'walk-below-last-level',
  /** Creation: stage 2 must start with joined tables, and would need more than 16 of them. Values: ias, oas. */
  TOO_MANY_CONCATENATED: 'too-many-concatenated',
  /** Creation or map: the bus address of a table is not its physical address. Values: physical address, bus address. */
  BUS_ADDRESS: 'bus-address',
} as const;

export type WarningCode = (typeof WarningCode)[keyof typeof WarningCode];
