import * as v from 'valibot';
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
import { AllocatorCostsSchema, LINUX_VERSIONS } from '../../formats/index.ts';
import { FORMAT_NAMES, type FormatKey, GRANULES } from '../iommu.ts';
import { DEFAULT_MMU, MMU_CONFIG, MMUS, type MmuName } from '../mmus.ts';
import { PlantedBugsSchema } from '../planted-bugs/index.ts';

const tableSchema = v.strictObject({
  /** Format of every domain's table: one that the MMU walks. */
  format: v.optional(v.picklist(Object.keys(FORMAT_NAMES) as FormatKey[]), 'arm-64-lpae-s1'),
  granule: v.optional(v.picklist(Object.keys(GRANULES) as (keyof typeof GRANULES)[]), '4k'),
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

const iommuSchema = v.strictObject({
  /** Which MMU it is. */
  model: v.optional(v.picklist(Object.keys(MMUS) as MmuName[]), DEFAULT_MMU),
  /** The driver, by its name; without one the MMU's first. */
  driver: v.optional(v.pipe(v.string(), v.minLength(1))),
});

const share = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0);

const occupiedSchema = v.strictObject({
  /** Share of the RAM that the rest of the system holds, 0 to 1: what is left is under pressure when it is little. */
  share,
  /** Share of that given back at random places, 0 to 1: what is free is fragmented then. */
  returned: share,
});

/** A whole computer, as plain JSON: the page-table software, the memory system, the MMU and its driver, and what all of it costs. */
export const MachineConfigSchema = v.strictObject({
  /** Seed of every choice by chance. Parts with a seed of their own add it to theirs. */
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 1),
  iommu: v.optional(iommuSchema, {}),
  table: v.optional(tableSchema, {}),
  memory: v.optional(PhysicalMemorySchema, {}),
  pages: v.optional(PageAllocatorSchema, {}),
  occupied: v.optional(occupiedSchema, {}),
  cpuCache: v.optional(CpuCacheSchema, {}),
  /** The MMU's own DMA path: its table walks and the cache maintenance for them. Whether it snoops is `table.walk`. */
  dma: v.optional(v.omit(DmaSchema, ['coherent', 'dropSyncFraction']), {}),
  /** TLBs and walker to start from; `mmu` below changes single fields of it. */
  preset: v.optional(v.picklist(Object.keys(PRESETS) as PresetName[]), DEFAULT_PRESET),
  mmu: v.optional(MmuSchema, {}),
  ...MMU_CONFIG,
  /** What table allocators cost; what zeroing costs is in `pages`. */
  allocatorCosts: v.optional(v.omit(AllocatorCostsSchema, ['zero4k']), {}),
  plantedBugs: v.optional(PlantedBugsSchema, {}),
});
export type MachineConfig = v.InferOutput<typeof MachineConfigSchema>;
