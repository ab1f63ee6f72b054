/** How a victim is chosen when no way is free. */
export const REPLACEMENT_POLICIES = ['round-robin', 'lru', 'plru', 'random', 'drop-all'] as const;
/**
 * - `round-robin`: the way after the last victim.
 * - `lru`: the way whose last hit or fill is oldest.
 * - `plru`: tree of bits, as most hardware does it; ways must be a power of two.
 * - `random`: seeded.
 * - `drop-all`: a full set empties the whole cache first (QEMU's IOTLB).
 */
export type ReplacementPolicy = (typeof REPLACEMENT_POLICIES)[number];
