import * as v from 'valibot';

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), fallback);

export const VmBindSchema = v.strictObject({
  /**
   * The most tables reserved by jobs in flight at once; a submission that would exceed it waits. A job that needs more than this by
   * itself is let through alone. Default: what the project asks for (no driver is known to bound it).
   */
  maxReservedTables: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1024),
  /** Time between the end of prepare and the moment a job may run at the earliest, in cycles: a busy queue, or a test's delay. */
  runDelay: cycles(0),
  /** Whether later jobs still run after one failed (`continue`), or are all cancelled (`unusable`, as panthor declares the VM). */
  afterFailure: v.optional(v.picklist(['continue', 'unusable']), 'continue'),
  /** Fixed cost of prepare, in cycles, on top of what allocation costs. Assumed. */
  prepareCycles: cycles(500),
  /** Fixed cost of run, in cycles: scheduling, locks, VA bookkeeping. 744 ns: a warm bind in the Asahi driver (Asahi pull request 495). */
  runCycles: cycles(744),
  /** Each descriptor written. 256 pages cost 320 ns more than one (generic_pt cover letter, i7-12700). */
  mapCyclesPerDescriptor: cycles(1.25),
  /** Each descriptor cleared. 256 pages cost 445 ns more than one (same source). */
  unmapCyclesPerDescriptor: cycles(1.75),
});

/** How a VM_BIND queue behaves and what its steps cost. */
export type VmBindConfig = v.InferOutput<typeof VmBindSchema>;
export type VmBindConfigInput = v.InferInput<typeof VmBindSchema>;
