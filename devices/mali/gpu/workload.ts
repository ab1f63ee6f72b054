/**
 * What a GPU works on, as a small declarative file: surfaces in memory, and jobs that read and write them. It describes what is
 * accessed in which order, not what is computed.
 *
 *     { "surfaces": { "albedo": { "kind": "texture", "width": 512, "height": 512, "layout": "compressed" },
 *                     "target": { "kind": "texture", "width": 640, "height": 480, "layout": "tiled" },
 *                     "geometry": { "kind": "buffer", "size": 262144 }, "heap": { "kind": "heap", "size": 4194304 } },
 *       "jobs": [ { "name": "bin", "unit": "tiler", "reads": ["geometry"], "writes": ["heap"] },
 *                 { "name": "shade", "unit": "shader", "after": ["bin"], "reads": ["albedo", "heap"], "writes": ["target"] } ] }
 */
import * as v from 'valibot';
import { ConfigError } from '../../../formats/index.ts';

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const space = v.optional(whole(0, 63), 0);
const names = v.optional(v.array(v.string()), []);

const surface = v.variant('kind', [
  v.strictObject({
    kind: v.literal('texture'),
    space,
    /** Pixels. */
    width: whole(1, 16_384),
    height: whole(1, 16_384),
    bytesPerPixel: v.optional(v.picklist([1, 2, 4, 8, 16]), 4),
    /**
     * `linear`: row by row. `tiled`: blocks of 16 by 16 pixels, each in one piece. `compressed`: such blocks with a header each, in a
     * table in front, and a body of which `ratio` is there.
     */
    layout: v.optional(v.picklist(['linear', 'tiled', 'compressed']), 'tiled'),
    /** Compressed: the part of a block that is left, above 0, at most 1. Assumed. */
    ratio: v.optional(v.pipe(v.number(), v.minValue(0.01), v.maxValue(1)), 0.5),
  }),
  v.strictObject({
    /** Vertices, indices, constants: read and written from the first byte to the last. */
    kind: v.literal('buffer'),
    space,
    size: whole(64, 2 ** 30),
  }),
  v.strictObject({
    /** Backed by memory when it is written, 2 MiB at a time, from page faults. */
    kind: v.literal('heap'),
    space,
    size: v.pipe(whole(2 ** 21, 2 ** 30), v.multipleOf(2 ** 21)),
    /** Bytes that each job that writes it uses. Default: a quarter. */
    used: v.optional(whole(64, 2 ** 30)),
  }),
]);

const job = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1)),
  /** Shader cores share a job tile by tile; the tiler does one alone. */
  unit: v.optional(v.picklist(['shader', 'tiler']), 'shader'),
  space,
  reads: names,
  writes: names,
  /** Jobs of the same frame that must be done before. */
  after: names,
  /** Surfaces that the CPU unmaps and maps again, with other memory, before the job begins: while other jobs run. */
  remaps: names,
});

const GpuWorkloadSchema = v.strictObject({
  /** How often all jobs run, one frame after the other; a job waits for itself in the frame before. */
  frames: v.optional(whole(1, 100_000), 1),
  surfaces: v.record(v.string(), surface),
  jobs: v.pipe(v.array(job), v.minLength(1)),
  /** Accesses that one core has under way. Assumed. */
  outstanding: v.optional(whole(1, 1024), 16),
  /** Cycles from a fault to the first instruction of its handler: 5 µs at 800 MHz. Assumed. */
  interruptLatency: v.optional(whole(0, 1_000_000_000), 4000),
});

export type GpuWorkload = v.InferOutput<typeof GpuWorkloadSchema>;
export type GpuWorkloadInput = v.InferInput<typeof GpuWorkloadSchema>;
export type GpuSurface = GpuWorkload['surfaces'][string];
export type GpuJobSpec = GpuWorkload['jobs'][number];

/** @throws ConfigError naming the field, also for a name that nothing has */
export function parseGpuWorkload(input: unknown): GpuWorkload {
  const parsed = v.safeParse(GpuWorkloadSchema, input);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ConfigError(`workload.${v.getDotPath(issue) ?? ''}`, issue.input, issue.expected ?? issue.message);
  }
  const workload = parsed.output;
  const known = new Set<string>();
  for (const [at, { name, space: own, reads, writes, remaps, after }] of workload.jobs.entries()) {
    const where = `workload.jobs.${at}`;
    if (known.has(name)) throw new ConfigError(`${where}.name`, name, 'a name of its own');
    for (const used of [...reads, ...writes, ...remaps]) {
      const found = workload.surfaces[used];
      if (found === undefined) throw new ConfigError(where, used, Object.keys(workload.surfaces).join(', '));
      if (found.space !== own) throw new ConfigError(where, used, `a surface of address space ${own}`);
    }
    for (const used of remaps) {
      if (workload.surfaces[used]?.kind === 'heap') throw new ConfigError(`${where}.remaps`, used, 'no heap');
    }
    for (const before of after) {
      if (!known.has(before)) throw new ConfigError(`${where}.after`, before, 'the name of an earlier job');
    }
    known.add(name);
  }
  return workload;
}
