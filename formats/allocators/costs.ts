/**
 * What each step of a table allocator costs, in SMMU clock cycles (1 GHz by default, so a cycle is a nanosecond). Time in results
 * comes from these figures only; no clock is ever read. Figures marked "assumed" have no published source.
 */
import * as v from 'valibot';

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), fallback);

/** Storing zeroes over 4 KiB, whoever does it, in cycles. Assumed: 16 bytes per ns (`DC ZVA` into a warm cache). */
export const ZERO_4K_CYCLES = 256;

export const AllocatorCostsSchema = v.strictObject({
  /** A table taken from a list of free tables. Half of 10.8 ns for an alloc/free pair (SLUB fast path, Linux commit fbd02630c6e3). */
  cachePop: cycles(5.4),
  /** A table put on a list of free tables. The other half of the same pair. */
  cachePush: cycles(5.4),
  /** Storing zeroes over 4 KiB: {@link ZERO_4K_CYCLES}. */
  zero4k: cycles(ZERO_4K_CYCLES),
  /** Bookkeeping of one charge or discharge against an owner's limit. Assumed. */
  account: cycles(4),
  /** Giving a 4 KiB page to the protected owner: a hypervisor call, a stage-2 update and its TLB invalidation. Assumed. */
  hypervisorAssign: cycles(2000),
  /** Taking a 4 KiB page back from the protected owner. Assumed equal to {@link hypervisorAssign}. */
  hypervisorTakeBack: cycles(2000),
});

export type AllocatorCosts = v.InferOutput<typeof AllocatorCostsSchema>;
