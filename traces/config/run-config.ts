import * as v from 'valibot';
import { DriverSchema, FlushQueueSchema, Smmuv3FeaturesSchema, VmBindSchema } from '../../devices/index.ts';
import {
  CpuCacheSchema,
  DEFAULT_PRESET,
  DmaSchema,
  MmuSchema,
  PageAllocatorSchema,
  PhysicalMemorySchema,
  PRESETS,
  type PresetName,
} from '../../emulator/index.ts';
import { AllocatorCostsSchema, ConfigError, LINUX_VERSIONS, parseStackSpec } from '../../formats/index.ts';
import { FaultsSchema } from '../planted-faults.ts';
import { AccessSchema } from '../replay/access.ts';
import { EditCostsSchema } from '../replay/edit-costs.ts';
import { checkConfig } from './check.ts';

/** Table formats by the name the command line gives them. */
export const FORMAT_NAMES = {
  'arm-64-lpae-s1': 'ARM_64_LPAE_S1',
  'arm-64-lpae-s2': 'ARM_64_LPAE_S2',
} as const;

/** log2 of each granule. */
export const GRANULES = { '4k': 12, '16k': 14, '64k': 16 } as const;

const tableSchema = v.strictObject({
  /** Format of every domain's table. An SMMUv3 walks VMSAv8-64 stage 1 and stage 2. */
  format: v.optional(v.picklist(['arm-64-lpae-s1', 'arm-64-lpae-s2']), 'arm-64-lpae-s1'),
  granule: v.optional(v.picklist(['4k', '16k', '64k']), '4k'),
  /** Input address size in bits: how large an IOVA may be. */
  ias: v.optional(v.pipe(v.number(), v.integer(), v.minValue(12), v.maxValue(52)), 48),
  /** Output address size in bits: 32, 36, 40, 42, 44, 48 or 52. */
  oas: v.optional(v.picklist([32, 36, 40, 42, 44, 48, 52]), 48),
  /** Whether the table walker snoops the CPU caches. */
  walk: v.optional(v.picklist(['coherent', 'non-coherent']), 'coherent'),
  /** Kernel whose order of events the page-table code follows. */
  linux: v.optional(v.pipe(v.union([v.string(), v.number()]), v.transform(String), v.picklist(LINUX_VERSIONS)), '6.12'),
  /** What unmapping a part of a block does. */
  split: v.optional(v.picklist(['in-place', 'refuse', 'unmap-and-remap']), 'in-place'),
  /** Mark aligned runs of leaves with the contiguous hint. */
  contiguous: v.optional(v.boolean(), false),
  /** Stack of table allocators, layers joined by `/`: see `tablewalk replay --help`. */
  allocator: v.optional(v.pipe(v.string(), v.minLength(1)), 'page'),
});

const bindSchema = v.strictObject({
  /** Maps and unmaps at once, or as VM_BIND jobs that are prepared first and run later. */
  mode: v.optional(v.picklist(['direct', 'async']), 'direct'),
  // What each descriptor costs is in `editCosts`.
  ...v.omit(VmBindSchema, ['mapCyclesPerDescriptor', 'unmapCyclesPerDescriptor']).entries,
});

const share = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);

const occupiedSchema = v.strictObject({
  /** Share of the RAM that the rest of the system holds, 0 to 1: what is left is under pressure when it is little. */
  share,
  /** Share of that given back at random places, 0 to 1: what is free is fragmented then. */
  returned: share,
});

const invalidationSchema = v.strictObject({
  /** Strict: each unmap invalidates and waits. Lazy: a flush queue does it for many unmaps together. */
  mode: v.optional(v.picklist(['strict', 'lazy']), 'strict'),
  flushQueue: v.optional(FlushQueueSchema, {}),
});

/**
 * One run of the machine, as plain JSON: the page-table software, the memory system, the MMU, the driver, what the device
 * does, and what everything costs. `tablewalk config` prints the default one; a report carries the one that was run.
 */
export const RunConfigSchema = v.strictObject({
  /** Seed of every choice by chance. Parts with a seed of their own add it to theirs. */
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
  /** Clock of the SMMU, by which seconds of the trace become cycles. */
  clockMHz: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(100_000)), 1000),
  table: v.optional(tableSchema, {}),
  bind: v.optional(bindSchema, {}),
  invalidation: v.optional(invalidationSchema, {}),
  access: v.optional(AccessSchema, {}),
  memory: v.optional(PhysicalMemorySchema, {}),
  pages: v.optional(PageAllocatorSchema, {}),
  occupied: v.optional(occupiedSchema, {}),
  cpuCache: v.optional(CpuCacheSchema, {}),
  /** The SMMU's own DMA path: its table walks and the cache maintenance for them. Whether it snoops is `table.walk`. */
  dma: v.optional(v.omit(DmaSchema, ['coherent']), {}),
  /** MMU to start from; `mmu` below changes single fields of it. */
  preset: v.optional(v.picklist(Object.keys(PRESETS) as PresetName[]), DEFAULT_PRESET),
  mmu: v.optional(MmuSchema, {}),
  /** What the SMMU offers in its identification registers. Whether it snoops is `table.walk`. */
  smmu: v.optional(v.omit(Smmuv3FeaturesSchema, ['coherent']), {}),
  driver: v.optional(DriverSchema, {}),
  /** What table allocators cost; what zeroing costs is in `pages`. */
  allocatorCosts: v.optional(v.omit(AllocatorCostsSchema, ['zero4k']), {}),
  editCosts: v.optional(EditCostsSchema, {}),
  /** Faults planted into the page-table software, for tests of the sanitizer. */
  faults: v.optional(FaultsSchema, {}),
});

export type RunConfig = v.InferOutput<typeof RunConfigSchema>;
export type RunConfigInput = v.InferInput<typeof RunConfigSchema>;

/** A whole machine from part of one. @throws ConfigError naming the first wrong field. */
export function runConfig(input: unknown = {}): RunConfig {
  const config = checkConfig(RunConfigSchema, withPreset(input));
  // An allocator is written as text, which only its own parser can judge.
  parseStackSpec(config.table.allocator);
  const { dropSyncFraction } = config.dma;
  if (dropSyncFraction > 0 && config.table.walk === 'coherent') {
    throw new ConfigError(
      'dma.dropSyncFraction',
      dropSyncFraction,
      '0 with coherent walks, which need no sync (--walk non-coherent)',
    );
  }
  return config;
}

/** Puts the preset's MMU under the fields that are given. What is wrong is left for the schema to refuse. */
function withPreset(input: unknown): unknown {
  if (!isObject(input)) throw new ConfigError('configuration', input, 'an object');
  const name = input['preset'] ?? DEFAULT_PRESET;
  const preset = Object.entries(PRESETS).find(([key]) => key === name)?.[1];
  if (preset === undefined) return input;
  return { ...input, ...withTableSizes(input), mmu: overlay(preset, input['mmu'] ?? {}) };
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
  for (const [key, value] of Object.entries(over)) both[key] = key in base ? overlay(base[key], value) : value;
  return both;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
