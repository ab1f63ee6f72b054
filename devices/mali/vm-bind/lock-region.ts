/**
 * The region of a Mali address space that the driver locks around an edit, and that the flush after it invalidates: a power of two,
 * naturally aligned, at least 32 KiB (Linux panthor and panfrost, `lock_region`).
 */

/** log2 of the smallest region. */
const LEAST_SHIFT = 15;
/** log2 of the whole address space: the largest region. */
const MOST_SHIFT = 48;

export interface LockRegion {
  /** First byte; a multiple of `size`. */
  readonly start: number;
  readonly size: number;
  /** What goes into AS_LOCKADDR: the start, with log2 of the size less one in the low six bits. As two halves, unsigned. */
  readonly low: number;
  readonly high: number;
  /** Bytes in the region beyond what was asked for: invalidated although nothing changed there. */
  readonly excess: number;
}

/** The smallest region that holds `[iova, iova + size)`; a size of at least 1, an end of at most 2^48. */
export function lockRegion(iova: number, size: number): LockRegion {
  const last = iova + size - 1;
  let shift = LEAST_SHIFT;
  while (shift < MOST_SHIFT && Math.floor(iova / 2 ** shift) !== Math.floor(last / 2 ** shift)) shift++;
  const span = 2 ** shift;
  const start = Math.floor(iova / span) * span;
  return {
    start,
    size: span,
    // The start is a multiple of 32 KiB, so the low bits are free for the width.
    low: (start >>> 0) + (shift - 1),
    high: Math.floor(start / 2 ** 32),
    excess: span - size,
  };
}
