import * as v from 'valibot';

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.minValue(0)), fallback);

/**
 * What the DMA API spends on addresses around each map and unmap, in cycles: strict mode pays the allocator too, lazy mode the flush queue
 * besides. All assumed; of a map of 4 KiB a Kunpeng 920 leaves 45.5 ns to the whole DMA API around the page-table code (map_pages series, iommu
 * list), which bounds an address from a magazine. Not for GPU drivers and VM_BIND jobs, which have allocators of their own.
 */
export const IovaCostsSchema = v.strictObject({
  /** An address out of, or into, a magazine of the CPU. */
  magazine: cycles(15),
  /** A magazine out of, or into, the depot that all CPUs share. */
  depot: cycles(60),
  /** An address out of the tree. */
  treeAllocate: cycles(250),
  /** An address back into the tree. */
  treeFree: cycles(150),
  /** A range into the flush queue. */
  queue: cycles(25),
});

export type IovaCosts = v.InferOutput<typeof IovaCostsSchema>;
