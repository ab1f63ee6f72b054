/** What the system page allocator costs, and where its watermarks lie. */

import * as v from 'valibot';
import { ZERO_4K_CYCLES } from '../../../formats/index.ts';
import { PAGE_SIZE } from './buddy-zone.ts';

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), fallback);

export const PageAllocatorSchema = v.strictObject({
  /** Bytes at the start of RAM that the allocator leaves alone (firmware, kernel image), a multiple of 4 KiB. Default: none. */
  reservedBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.multipleOf(PAGE_SIZE)), 0),
  /** NUMA node that table allocations prefer (`dev_to_node` of the device). */
  node: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(63)), 0),
  /**
   * Min watermark of the whole machine in KiB; null: by Linux's formula, 4 * sqrt(KiB of RAM), clamped to 128 KiB and 256 MiB
   * (`init_per_zone_wmark_min`, mm/page_alloc.c). The low watermark is a quarter above it.
   */
  minFreeKib: v.optional(v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0))), null),
  /** One call for a single page. Assumed: 100 ns at 1 GHz, within the range kernel page allocator micro-benchmarks show. */
  allocateCycles: cycles(100),
  /** Added per order above 0, for the zone lock and the splits that a larger block skips no longer. Assumed. */
  perOrderCycles: cycles(20),
  /** Each further page of a bulk call. Assumed: a third of a call, for lock and checks paid once. */
  bulkPageCycles: cycles(35),
  /** One free of any order. Assumed. */
  freeCycles: cycles(60),
  /** Zeroing 4 KiB, also where an allocator of tables does it: the default is that of `ZERO_4K_CYCLES`. */
  zeroPageCycles: cycles(ZERO_4K_CYCLES),
  /** One direct reclaim, on top of what the reclaimed owner spends. Assumed: 20 us. */
  reclaimCycles: cycles(20_000),
});
export type PageAllocatorConfig = v.InferOutput<typeof PageAllocatorSchema>;

/** The configuration that an empty object gives. */
export const DEFAULT_PAGE_COSTS: PageAllocatorConfig = v.parse(PageAllocatorSchema, {});

/** Free pages of a zone under which reclaim begins (`min`) and under which it is asked for (`low`). */
export function zoneWatermarks(
  config: PageAllocatorConfig,
  zonePages: number,
  totalPages: number,
): { min: number; low: number } {
  const ramKib = (totalPages * PAGE_SIZE) / 1024;
  const kib = config.minFreeKib ?? Math.min(Math.max(Math.floor(Math.sqrt(ramKib * 16)), 128), 262_144);
  // The machine's share, by size of the zone; never more than half a zone, so that tiny test machines can allocate at all.
  const min = Math.min(Math.floor(((kib * 1024) / PAGE_SIZE) * (zonePages / totalPages)), Math.floor(zonePages / 2));
  return { min, low: min + Math.floor(min / 4) };
}
