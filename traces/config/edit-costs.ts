import * as v from 'valibot';

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.minValue(0)), fallback);

/**
 * What the page-table code itself costs, without allocation, cache maintenance and invalidation, in cycles of a 1 GHz clock.
 * The defaults solve two published totals for a fixed and a per-descriptor part: on an i7-12700, mapping one 4 KiB page takes
 * about 60 ns and 256 at once 380 ns, unmapping 75 ns and 520 ns (cover letter of the generic_pt series, iommu list).
 */
export const EditCostsSchema = v.strictObject({
  /** Each call that maps a run of pages. */
  mapCall: cycles(58.7),
  /** Each descriptor written, leaf or table. */
  writeDescriptor: cycles(1.25),
  /** Each call that unmaps a run of pages. */
  unmapCall: cycles(73.3),
  /** Each descriptor cleared. */
  clearDescriptor: cycles(1.75),
});

export type EditCosts = v.InferOutput<typeof EditCostsSchema>;
