/** What a VM's jobs came to. Plain JSON. */
export interface BindTotals {
  submitted: number;
  done: number;
  failed: number;
  refused: number;
  cancelled: number;
  deadlocked: number;
  /** Tables reserved, used and returned, over all jobs that ran. */
  reserved: number;
  used: number;
  returned: number;
  /** The most tables reserved at once. */
  peakReserved: number;
  /** Submissions that had to wait for room, and how long in all, in cycles. */
  throttled: number;
  throttledCycles: number;
  /** Overlapped mappings that were cut, and the previous and next parts that stayed of them. */
  overlaps: number;
  remaps: number;
  /** Bytes in the regions locked around edits, and how many of them were not edited. */
  lockedBytes: number;
  excessBytes: number;
  /** Time in prepare and in run, in cycles, and the longest run; constant prices are part of them. */
  prepareCycles: number;
  /** Of the time in prepare what is no constant price: waiting for room, reserving tables. */
  reservingCycles: number;
  runCycles: number;
  worstRunCycles: number;
}

/** Fresh totals. */
export function newBindTotals(): BindTotals {
  return {
    submitted: 0,
    done: 0,
    failed: 0,
    refused: 0,
    cancelled: 0,
    deadlocked: 0,
    reserved: 0,
    used: 0,
    returned: 0,
    peakReserved: 0,
    throttled: 0,
    throttledCycles: 0,
    overlaps: 0,
    remaps: 0,
    lockedBytes: 0,
    excessBytes: 0,
    prepareCycles: 0,
    reservingCycles: 0,
    runCycles: 0,
    worstRunCycles: 0,
  };
}

/** Adds the totals of another VM: sums, and the larger of what is a peak. */
export function addBindTotals(sum: BindTotals, other: Readonly<BindTotals>): void {
  const peakReserved = Math.max(sum.peakReserved, other.peakReserved);
  const worstRunCycles = Math.max(sum.worstRunCycles, other.worstRunCycles);
  for (const key of Object.keys(sum) as (keyof BindTotals)[]) sum[key] += other[key];
  sum.peakReserved = peakReserved;
  sum.worstRunCycles = worstRunCycles;
}
