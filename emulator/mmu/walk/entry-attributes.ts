/**
 * What a TLB or walk-cache entry knows besides its address, packed in 31 bits (so that it stays an integer that a typed array hands
 * out without a heap number).
 */
export const ENTRY = {
  /** log2 of the page size the entry covers. */
  SHIFT_MASK: 0x3f,
  PERMISSIONS_SHIFT: 6,
  PERMISSIONS_MASK: 0x3f,
  /** MAIR byte of the leaf. */
  MEMORY_SHIFT: 12,
  MEMORY_MASK: 0xff,
  SHAREABILITY_SHIFT: 20,
  SHAREABILITY_MASK: 3,
  /** nG: the entry belongs to one ASID. */
  NOT_GLOBAL: 1 << 22,
  /** Writable, but the dirty state is not recorded yet: a write has to walk. */
  WRITABLE_CLEAN: 1 << 23,
  /** Filled by a prefetch. */
  PREFETCHED: 1 << 24,
  /** TLBs: the translation is a stage 2 alone, so invalidations by IPA find it. */
  STAGE2_ONLY: 1 << 25,
  /** Walk caches: NSTable, APTable, XNTable, PXNTable gathered above this entry. */
  HIERARCHICAL_SHIFT: 25,
  HIERARCHICAL_MASK: 0x1f,
  /** Walk caches: the entry is a leaf, not a pointer to a table. */
  LEAF: 1 << 30,
} as const;
