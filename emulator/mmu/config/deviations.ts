import * as v from 'valibot';

/** What a real or modelled part does otherwise than the architecture. All off is a correct MMU. */
export const DeviationsSchema = v.strictObject({
  /** A block's TLB and IPA-cache entry is indexed by its first 4 KiB page, but looked up by the requested one. */
  blocksFoundByFirstPageOnly: v.optional(v.boolean(), false),
  /** A stage-1 leaf that the walk cache holds is taken for the final translation also when a stage 2 follows: the IPA comes out as PA. */
  cachedLeafSkipsStage2: v.optional(v.boolean(), false),
  /** STE.S2PTW is not looked at: a stage-1 table in Device memory is walked. */
  ignoresProtectedTableWalk: v.optional(v.boolean(), false),
  /** Invalidations by address, and of a context descriptor, look into one set only. */
  invalidationScansOneSet: v.optional(v.boolean(), false),
  /** Invalidations and SYNC take no cycles and wait for nothing. */
  invalidationIsFree: v.optional(v.boolean(), false),
  /** A bypassed stream leaves one TLB entry that matches each of its addresses. */
  bypassEntryMatchesAll: v.optional(v.boolean(), false),
  /** Requests wait for an earlier miss of the same 4 KiB address, of whatever stream, instead of one of the same stream and page. */
  mergesBy4KiBAddress: v.optional(v.boolean(), false),
  /** Invalidations by IPA leave TLB entries of streams with a stage 2 alone, and without the leaf hint drop all walk-cache entries of the VMID. */
  ipaInvalidationMissesTlbs: v.optional(v.boolean(), false),
  /** Invalidation by ASID drops entries of global pages and spares nothing else of the address space. */
  globalPagesBelongToAsid: v.optional(v.boolean(), false),
  /** Stage-2 walk-cache entries carry ASID 0, so that an invalidation of ASID 0 drops them. */
  stage2EntriesHaveAsid0: v.optional(v.boolean(), false),
});

export type Deviations = v.InferOutput<typeof DeviationsSchema>;
