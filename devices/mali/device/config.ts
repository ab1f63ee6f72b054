/**
 * A Mali GPU as far as its memory side goes, as plain JSON. Arm publishes neither sizes nor latencies of the MMU or the caches: every
 * default here is assumed, unless its line says otherwise. Cycles are GPU clock cycles.
 */
import * as v from 'valibot';
import { type MmuOptions, PRESETS } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { MAX_ADDRESS_SPACES } from '../spec/index.ts';

const whole = (least: number, most: number, value: number) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)), value);
const cycles = (value: number) => v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e9)), value);

const timing = v.strictObject({
  /** GPU clock, to convert the microseconds of drivers. */
  clockMHz: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(10_000)), 800),
  /** A register access of the CPU: 100 ns for a read, which waits for its answer, 20 ns for a write, which is posted. */
  registerRead: cycles(80),
  registerWrite: cycles(16),
  /** UPDATE: the registers are broadcast to the TLBs of all cores. */
  update: cycles(100),
  /** LOCK, besides the accesses under way that it waits for. */
  lock: cycles(100),
  /** UNLOCK and the flushes, besides what they drop and write back. */
  unlock: cycles(100),
  /** Writing back one dirty line: 64 bytes at 16 bytes a cycle. */
  cleanLine: cycles(4),
  /** Lines of the L2 cache that a flush looks at per cycle. */
  linesPerCycle: v.optional(v.pipe(v.number(), v.minValue(0.01)), 4),
  /** Flushing the caches of the cores, which all do at once. */
  flushCores: cycles(300),
  /** Reset of the GPU. */
  reset: cycles(20_000),
});

const cache = v.pipe(
  v.strictObject({
    /** Bytes; 1 MiB is a middle configuration of a Bifrost or Valhall L2. */
    size: whole(2 ** 12, 2 ** 26, 2 ** 20),
    line: v.optional(v.picklist([32, 64, 128]), 64),
    ways: whole(1, 64, 16),
    /** Cycles of a hit, and of a line that comes from memory. */
    hit: cycles(20),
    miss: cycles(180),
  }),
  v.check(({ size, line, ways }) => size % (line * ways) === 0, 'size must be a multiple of line * ways'),
);

export const MaliConfigSchema = v.strictObject({
  /**
   * `job-manager`: Midgard, Bifrost, early Valhall (panfrost). `csf`: command-stream front end (panthor). They differ in GPU_CMD, in
   * what the upper half of the MMU's interrupt means, and in a few exception codes.
   */
  family: v.optional(v.picklist(['job-manager', 'csf']), 'job-manager'),
  /** GPU_AS_PRESENT: eight address spaces, as most products have. */
  asPresent: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** MAX_ADDRESS_SPACES - 1)), 0xff),
  /** GPU_MMU_FEATURES. */
  vaBits: whole(32, 48, 48),
  paBits: whole(32, 48, 40),
  /** Shader cores, each with a TLB of its own; the tiler has one more. */
  cores: whole(1, 64, 4),
  l2: v.optional(cache, {}),
  timing: v.optional(timing, {}),
});

export type MaliConfig = v.InferOutput<typeof MaliConfigSchema>;
export type MaliConfigInput = v.InferInput<typeof MaliConfigSchema>;

/**
 * Fills in defaults and checks.
 * @throws ConfigError naming the first field that is wrong
 */
export function parseMaliConfig(input: unknown): MaliConfig {
  const parsed = v.safeParse(MaliConfigSchema, input);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ConfigError(`mali.${v.getDotPath(issue) ?? ''}`, issue.input, issue.expected ?? issue.message);
}

/** The configuration of the emulator's MMU for a GPU: one TBU per core and one for the tiler. */
export function mmuOptionsOf(config: MaliConfig, mmu: MmuOptions = PRESETS['mali-assumed']): MmuOptions {
  return {
    ...mmu,
    masters: config.cores + 1,
    // Nothing of an address space is global to another.
    deviations: { ...mmu.deviations, globalPagesBelongToAsid: true },
    // What an address space translates with lies in registers: nothing is fetched, so nothing is cached or goes stale.
    configurationCache: { enabled: false },
  };
}
