/** The DMA path of one device: whether it snoops, what it can address, what goes wrong, and what the calls cost. */

import * as v from 'valibot';

const cycles = (fallback: number) => v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), fallback);
const fraction = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);

/** A bounce buffer for devices that cannot address all of RAM (Linux swiotlb). */
const BouncePoolSchema = v.strictObject({
  /** Physical address, a multiple of 64 KiB, in RAM that no allocator hands out. */
  base: v.pipe(v.number(), v.integer(), v.minValue(0), v.multipleOf(0x10000)),
  /** Bytes, a multiple of 2 KiB. Default: 64 MiB, as in Linux. */
  size: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(0x800), v.maxValue(2 ** 32), v.multipleOf(0x800)),
    2 ** 26,
  ),
});

export const DmaSchema = v.strictObject({
  /** The device snoops the CPU caches (`dma-coherent`): the calls clean nothing and a sync costs nothing. */
  coherent: v.optional(v.boolean(), false),
  /** Address bits of the device (its DMA mask), 12 to 64. */
  addressBits: v.optional(v.pipe(v.number(), v.integer(), v.minValue(12), v.maxValue(64)), 64),
  /** Bus address minus physical address, bytes (`dma-ranges` of the device tree). */
  busOffset: v.optional(v.pipe(v.number(), v.integer(), v.minValue(-(2 ** 52)), v.maxValue(2 ** 52)), 0),
  /** Where memory beyond the mask is bounced to; null: such a mapping fails. */
  bounce: v.optional(v.nullable(BouncePoolSchema), null),
  /** Map calls that fail, by number, the first being 1. */
  mapErrorAt: v.optional(v.array(v.pipe(v.number(), v.integer(), v.minValue(1))), []),
  /** Fraction of map calls that fail, 0 to 1. */
  mapErrorFraction: fraction,
  /** Fraction of syncs for the device that are left out, 0 to 1: the driver bug that the sanitizer must find. */
  dropSyncFraction: fraction,
  /** Seed of both fractions. */
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
  /** One map call, without its cache maintenance. Assumed. */
  mapCycles: cycles(30),
  /** One unmap call, without its cache maintenance. Assumed. */
  unmapCycles: cycles(20),
  /** One sync call of a device that does not snoop, without its cache maintenance. Assumed. */
  syncCycles: cycles(10),
  /** Each line named by a clean or invalidate instruction. Assumed: 20 ns to the point of coherency, pipelined. */
  lineCycles: cycles(20),
  /** The barrier after the instructions (`DSB SY`), once per call that named lines. Assumed: one memory latency. */
  barrierCycles: cycles(100),
});
export type DmaConfig = v.InferOutput<typeof DmaSchema>;

/** The configuration that an empty object gives. */
export const DEFAULT_DMA: DmaConfig = v.parse(DmaSchema, {});
