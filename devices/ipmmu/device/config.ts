import * as v from 'valibot';
import { ConfigError } from '../../../formats/index.ts';
import { IPMMU_GENERATION_NAMES } from '../spec/index.ts';

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

/** An IPMMU system, as plain JSON. */
export const IpmmuSchema = v.strictObject({
  /** Default: the one with most contexts. */
  generation: v.optional(v.picklist(IPMMU_GENERATION_NAMES), 'gen4'),
  /** IPMMUs with micro-TLBs behind the root, 1 to 15 (Gen3 and later; Gen2 has none, its root has the micro-TLBs). */
  leaves: v.optional(whole(1, 15), 1),
  /** Cycles of the IPMMU in a microsecond that a driver waits: its clock in MHz. Default: that of a run, 1000. */
  cyclesPerMicrosecond: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(10_000)), 1000),
  /** Cycles until a register access is done, as the processor sees it. Default (assumed): 100, 100 ns. */
  accessCycles: v.optional(whole(0, 1_000_000), 100),
  /** Xen's driver: contexts walk the stage 2 of their guest (`table.format` arm-64-lpae-s2, `table.ias` 40), not tables of its own. */
  sharesGuestTables: v.optional(v.boolean(), false),
  /** Cycles that the CPU spends on one fault, from the interrupt on. Default (assumed): 2000. */
  faultCycles: v.optional(whole(0, 1_000_000), 2000),
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
