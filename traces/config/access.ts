import * as v from 'valibot';

/** What the device does with each mapping while it lives. */
export const ACCESS_PATTERNS = ['none', 'touch', 'sequential', 'random', 'probe', 'linger'] as const;
export type AccessPattern = (typeof ACCESS_PATTERNS)[number];

export const AccessSchema = v.strictObject({
  /**
   * - `none`: nothing is accessed.
   * - `touch`: one access per page (at most 2^18 of an operation, spread evenly) right after the map and one per page just before the unmap: the least a real device does with a buffer.
   * - `sequential`: `accessesPerMap` accesses in ascending order after the map, starting again at the front when the end is reached.
   * - `random`: `accessesPerMap` accesses at seeded random places after the map.
   * - `probe`: `touch`, and one access per page right after its unmap: a device that misbehaves, which shows whether an invalidation is late. By
   *   construction it comes just behind the unmap: it shows that there is a window, not how likely it is to be hit.
   * - `linger`: `touch`, and `lingerRate` accesses a second at seeded random places for `lingerTime` after the unmap: a device that goes on. It shows
   *   how many accesses of such a device a window lets through; not whether there is such a device.
   */
  pattern: v.optional(v.picklist(ACCESS_PATTERNS), 'touch'),
  /** Bytes per access: a power of two from 1 to 4096. Default 64, one cache line. */
  accessSize: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(1),
      v.maxValue(4096),
      v.check((size) => Number.isInteger(Math.log2(size)), 'a power of two'),
    ),
    64,
  ),
  /** Accesses per mapping for `sequential` and `random`: 0 to 2^32. Default 16 (assumed). */
  accessesPerMap: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32)), 16),
  /** For `linger`: seconds after the unmap for which the device goes on, 0 to 1. Default 5 ms (assumed). */
  lingerTime: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.005),
  /** For `linger`: accesses to each such mapping in a second, 1 to 10^6. Default 1000 (assumed). */
  lingerRate: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(1e6)), 1000),
  /** Each access is held against the capture's mapping and a walk of the tables as they are (`check` does so). No device time passes for it. */
  verify: v.optional(v.boolean(), false),
  /** Selects the stream of random places. */
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
});
export type AccessConfig = v.InferOutput<typeof AccessSchema>;
