/** What a synthetic GPU workload is like. It is declared, not measured: no real GPU or game made it. */
import * as v from 'valibot';
import { ConfigError } from '../../formats/index.ts';

const whole = (least: number, most: number, value: number) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)), value);
const share = (value: number) => v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), value);

const GpuCaptureSchema = v.strictObject({
  frames: whole(1, 1_000_000, 60),
  /** Frames a second. */
  rate: whole(1, 1000, 60),
  /** Address spaces: applications that draw at the same time. */
  spaces: whole(1, 8, 2),
  /** Size of the picture in pixels; a render target has four bytes for each. */
  width: whole(16, 16_384, 1920),
  height: whole(16, 16_384, 1080),
  /** Frames that the CPU may be ahead of the GPU: what a frame mapped is unmapped so much later. */
  framesInFlight: whole(1, 8, 2),
  /** Buffers of commands, vertices, indices and constants that each frame maps and gives back, and their largest size in KiB. */
  frameBuffers: whole(0, 1000, 12),
  frameBufferKiB: whole(4, 65_536, 256),
  /** Textures that each application knows; what share of frames wants one that is not resident; largest size in KiB. */
  textures: whole(0, 10_000, 96),
  textureShare: share(0.4),
  textureKiB: whole(4, 262_144, 8192),
  /** Tiles of 64 KiB of one sparse texture that each frame makes resident, and gives back once they are out of sight. */
  sparseTiles: whole(0, 10_000, 6),
  sparseFrames: whole(1, 10_000, 30),
  /** The tiler's heap grows in chunks of 2 MiB, from page faults. Share of the frames that need one more, and the most. */
  heapShare: share(0.15),
  heapChunks: whole(0, 1024, 16),
  /** Memory for textures of all applications in MiB: beyond it the ones used longest ago are unmapped. */
  residentMiB: whole(1, 1_048_576, 48),
  /** Share of the memory that comes in whole 2 MiB pages; the rest in runs of 4 KiB pages. */
  hugeShare: share(0.5),
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
});
export type GpuCaptureConfig = v.InferOutput<typeof GpuCaptureSchema>;
export type GpuCaptureInput = v.InferInput<typeof GpuCaptureSchema>;

/** @throws ConfigError naming the first field that is wrong */
export function parseGpuCapture(input: unknown): GpuCaptureConfig {
  const parsed = v.safeParse(GpuCaptureSchema, input);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ConfigError(`gpu.${v.getDotPath(issue) ?? ''}`, issue.input, issue.expected ?? issue.message);
}
