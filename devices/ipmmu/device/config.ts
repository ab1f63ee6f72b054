import * as v from 'valibot';
import type { MmuOptions } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { IPMMU_GENERATION_NAMES } from '../spec/index.ts';

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

/** An IPMMU system, as plain JSON. */
export const IpmmuSchema = v.strictObject({
  generation: v.optional(v.picklist(IPMMU_GENERATION_NAMES), 'gen3'),
  /** IPMMUs with micro-TLBs behind the root, 1 to 15 (Gen3 and later; Gen2 has none, its root has the micro-TLBs). */
  leaves: v.optional(whole(1, 15), 1),
  /** Clock of the IPMMU in MHz: microseconds that a driver waits become cycles by it. Default (assumed): 400. */
  clockMhz: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(10_000)), 400),
  /** Cycles until a register access is done, as the processor sees it. Default (assumed): 40, 100 ns. */
  accessCycles: v.optional(whole(0, 1_000_000), 40),
});
export type IpmmuConfig = v.InferOutput<typeof IpmmuSchema>;
export type IpmmuOptions = v.InferInput<typeof IpmmuSchema>;

/**
 * Fills in defaults and checks.
 * @throws ConfigError naming the first field that is wrong
 */
export function parseIpmmuConfig(options: IpmmuOptions): IpmmuConfig {
  const parsed = v.safeParse(IpmmuSchema, options);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new ConfigError(`ipmmu.${v.getDotPath(issue) ?? ''}`, issue.input, issue.expected ?? issue.message);
}

/**
 * The translating part. Renesas publishes no size and no latency: all assumed. A micro-TLB for each master, a TLB that all share in the
 * root, walks there too; a context's registers are at hand, so that no configuration is fetched.
 */
export const IPMMU_MMU: MmuOptions = {
  interface: {
    microTlb: { entries: 16, ways: 'full', policy: 'lru', latency: 1, ports: 1 },
    mainTlb: { enabled: false },
    slots: 16,
  },
  link: { request: 4, response: 4 },
  configurationCache: { enabled: false },
  tlb: { enabled: true, entries: 512, ways: 4, policy: 'lru', latency: 4, ports: 2 },
  slots: 32,
  walkSlots: 4,
  walkCache: { stage1: [0, 8, 32, 0], stage2: [0, 8, 32, 0], stage1Levels: [1, 2], stage2Levels: [1, 2], latency: 2 },
};
