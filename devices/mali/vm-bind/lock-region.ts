/** What the driver's lock around an edit costs: the region that hardware locks, and how much of it nobody edited. */
import { encodeLockAddress, lockShift, lockStart } from '../spec/index.ts';

export interface LockRegion {
  /** First byte; a multiple of `size`. */
  readonly start: number;
  readonly size: number;
  /** What goes into AS_LOCKADDR, as two halves, unsigned. */
  readonly low: number;
  readonly high: number;
  /** Bytes in the region beyond what was asked for: invalidated although nothing changed there. */
  readonly excess: number;
}

const encoded = new Uint32Array(2);

/** The smallest region that holds `[iova, iova + size)`; a size of at least 1, an end of at most 2^48. */
export function lockRegion(iova: number, size: number): LockRegion {
  encodeLockAddress(encoded, iova, size);
  const low = encoded[0] as number;
  const high = encoded[1] as number;
  const span = 2 ** lockShift(low);
  return { start: lockStart(low, high), size: span, low, high, excess: span - size };
}
