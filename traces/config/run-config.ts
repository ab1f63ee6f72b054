import * as v from 'valibot';
import {
  DEFAULT_MMU,
  FlushQueueSchema,
  GRANULES,
  MachineConfigSchema,
  MMUS,
  plantedOf,
  VmBindSchema,
} from '../../devices/index.ts';
import { DEFAULT_PRESET, PRESETS } from '../../emulator/index.ts';
import { ConfigError, parseStackSpec } from '../../formats/index.ts';
import { AccessSchema } from './access.ts';
import { checkConfig } from './check.ts';
import { CPU_PROFILES, type CpuName, DEFAULT_CPU, pricedConfig } from './cpu-profiles.ts';
import { EditCostsSchema } from './edit-costs.ts';
import { IovaCostsSchema } from './iova-costs.ts';
import { checkShape, isObject } from './shape.ts';

const bindSchema = v.strictObject({
  /** Maps and unmaps at once, or as VM_BIND jobs that are prepared first and run later. */
  mode: v.optional(v.picklist(['direct', 'async']), 'direct'),
  // What each descriptor costs is in `editCosts`.
  ...v.omit(VmBindSchema, ['mapCyclesPerDescriptor', 'unmapCyclesPerDescriptor']).entries,
});

const invalidationSchema = v.strictObject({
  /** Strict: each unmap invalidates and waits. Lazy: a flush queue does it for many unmaps together. */
  mode: v.optional(v.picklist(['strict', 'lazy']), 'strict'),
  flushQueue: v.optional(FlushQueueSchema, {}),
});

const domainsSchema = v.strictObject({
  /** Whether all maps and unmaps that name no domain belong to one; else their domains are inferred. */
  single: v.optional(v.boolean(), false),
});

const DEFAULT_CLOCK_MHZ = 1000;

const cpuLoadSchema = v.strictObject({
  /** By what operations are told apart that run on different CPUs: the CPU that the capture names, or their domain. */
  by: v.optional(v.picklist(['cpu', 'domain']), 'cpu'),
  /** A CPU begins its next operation as soon as it is free, not when the capture has it. */
  backToBack: v.optional(v.boolean(), false),
});

const interconnectSchema = v.strictObject({
  /** Cycles until one CPU has a cache line that another one had last. */
  transferCycles: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e9)), 50),
});

/**
 * One run of the machine, as plain JSON: the machine itself, what of the capture happens on it and when, and what the device does.
 * `tablewalk config` prints the default one; a report carries the one that was run.
 */
export const RunConfigSchema = v.strictObject({
  ...MachineConfigSchema.entries,
  /** Clock of the SMMU, by which seconds of the trace become cycles. */
  clockMHz: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(100_000)), DEFAULT_CLOCK_MHZ),
  /** CPU and interconnect whose prices are meant where a price is not given: they are known in nanoseconds, and the clock makes cycles of them. */
  cpu: v.optional(v.picklist(Object.keys(CPU_PROFILES) as CpuName[]), DEFAULT_CPU),
  /** On how many CPUs the operations run at once: `capture` for as many as the capture names, a number for at most so many, CPU n on n modulo it. */
  cpus: v.optional(
    v.union([v.literal('capture'), v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096))]),
    1,
  ),
  cpuLoad: v.optional(cpuLoadSchema, {}),
  interconnect: v.optional(interconnectSchema, {}),
  domains: v.optional(domainsSchema, {}),
  bind: v.optional(bindSchema, {}),
  invalidation: v.optional(invalidationSchema, {}),
  access: v.optional(AccessSchema, {}),
  editCosts: v.optional(EditCostsSchema, {}),
  iovaCosts: v.optional(IovaCostsSchema, {}),
});

export type RunConfig = v.InferOutput<typeof RunConfigSchema>;
export type RunConfigInput = v.InferInput<typeof RunConfigSchema>;

/**
 * A whole machine from part of one.
 * @throws ConfigError naming the first wrong field
 */
export function runConfig(input: RunConfigInput = {}): RunConfig {
  return readRunConfig(input);
}

/** As {@link runConfig}, for what comes from outside: a file, the options of a command. @throws ConfigError naming the first wrong field */
export function readRunConfig(input: unknown): RunConfig {
  checkShape(RunConfigSchema, input);
  const config = checkConfig(RunConfigSchema, withDefaults(input));
  // An allocator is written as text, which only its own parser can judge.
  parseStackSpec(config.table.allocator);
  checkPlanted(config);
  return config;
}

/** Refuses bugs that change nothing in such a run; what the MMU has no place for is refused when the machine is made. */
function checkPlanted(config: RunConfig): void {
  for (const { field, floor, needs = [] } of plantedOf(config.plantedBugs)) {
    const value = config.plantedBugs[field as keyof typeof config.plantedBugs];
    if (needs.includes('non-coherent') && config.table.walk === 'coherent') {
      throw new ConfigError(
        `plantedBugs.${field}`,
        value,
        'nothing with coherent walks, which need no DMA API (--walk non-coherent)',
      );
    }
    if (needs.includes('lazy') && config.invalidation.mode !== 'lazy') {
      throw new ConfigError(
        `plantedBugs.${field}`,
        value,
        'nothing in strict mode, which has no flush queue (--invalidation lazy)',
      );
    }
    if (floor === 'map and unmap' && config.bind.mode === 'async') {
      throw new ConfigError(`plantedBugs.${field}`, value, 'nothing in VM_BIND jobs, which edit tables by themselves');
    }
  }
}

/**
 * Puts what the MMU is usually made like, the preset's TLBs and the CPU's prices under the fields that are given. What is wrong is left
 * for the schema to refuse.
 */
function withDefaults(given: unknown): unknown {
  if (!isObject(given)) throw new ConfigError('configuration', given, 'an object');
  const { mmu: priced, ...prices } = pricesFor(given);
  const input = overlay(prices, given) as Record<string, unknown>;
  return withMachine(input, priced ?? {});
}

/** The prices of the CPU at the clock that are given, or of those that are meant. */
function pricesFor({ cpu, clockMHz }: Record<string, unknown>): Record<string, unknown> {
  const name = Object.keys(CPU_PROFILES).find((one) => one === cpu) as CpuName | undefined;
  const isClock = typeof clockMHz === 'number' && clockMHz >= 1;
  return pricedConfig(name ?? DEFAULT_CPU, isClock ? clockMHz : DEFAULT_CLOCK_MHZ);
}

/** @param priced what of `mmu` are prices; a preset has its own where it says so */
function withMachine(input: Record<string, unknown>, priced: unknown): unknown {
  const { iommu = {} } = input;
  const modelName = (isObject(iommu) ? iommu['model'] : undefined) ?? DEFAULT_MMU;
  const model = Object.values(MMUS).find(({ name }) => name === modelName);
  const sized = { ...input, ...withTableSizes(input) };
  const [format] = model?.formats ?? [];
  const driver = isObject(iommu) && typeof iommu['driver'] === 'string' ? iommu['driver'] : model?.drivers[0];
  const usual: Record<string, unknown> = {
    ...model?.table,
    ...(driver === undefined ? {} : model?.driverTable?.[driver]),
  };
  const given = withGranule(sized['table'] ?? {});
  const linux = String((isObject(given) ? given['linux'] : undefined) ?? usual['linux'] ?? '');
  // Linux from 6.13 on refuses to unmap a part of a block.
  const split = linux === '7.3' ? { split: 'refuse' } : {};
  const table = overlay({ ...(format === undefined ? {} : { format }), ...split, ...usual }, given);
  const name = input['preset'] ?? model?.preset ?? DEFAULT_PRESET;
  const preset = Object.entries(PRESETS).find(([key]) => key === name)?.[1];
  if (preset === undefined) return { ...sized, table };
  return { ...sized, table, preset: name, mmu: overlay(overlay(priced, preset), input['mmu'] ?? {}) };
}

/** A granule as people write it, `4K` or 4096, as the schema has it. */
function withGranule(table: unknown): unknown {
  if (!isObject(table) || table['granule'] === undefined) return table;
  const asked = String(table['granule']).toLowerCase();
  const granule = Object.entries(GRANULES).find(([name, log2]) => name === asked || String(2 ** log2) === asked);
  return granule === undefined ? table : { ...table, granule: granule[0] };
}

/** Where only one of the table and the SMMU says how large addresses are, the other follows. */
function withTableSizes(input: Record<string, unknown>): Record<string, unknown> {
  const { table = {}, smmu = {} } = input;
  if (!isObject(table) || !isObject(smmu)) return {};
  const { oas = smmu['outputBits'], ias } = table;
  const sizes = {
    ...(oas === undefined ? {} : { outputBits: oas }),
    ...(typeof ias === 'number' && ias > 48 ? { inputBits52: true } : {}),
  };
  return { table: { ...(oas === undefined ? {} : { oas }), ...table }, smmu: { ...sizes, ...smmu } };
}

function overlay(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over;
  const both: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over))
    both[key] = Object.hasOwn(base, key) ? overlay(base[key], value) : value;
  return both;
}
