import * as v from 'valibot';
import {
  type PlantedBugsConfig,
  Smmuv3,
  Smmuv3Driver,
  type Smmuv3Features,
  smmuv3Features,
} from '../../../devices/index.ts';
import {
  Bus,
  BusView,
  CpuCache,
  CpuCacheSchema,
  DmaApi,
  type MmuOptions,
  PhysicalMemory,
} from '../../../emulator/index.ts';
import type { Machine } from '../../../formats/index.ts';
import { BumpAllocator } from '../bump-allocator.ts';

export const RAM_BASE = 0x8000_0000;
const RAM_SIZE = 0x1000_0000;

/** A machine with RAM at 2 GiB, an SMMUv3 at 0x9050000 and its driver. */
export function machineWith(
  asked: Parameters<typeof smmuv3Features>[0] = {},
  options: {
    mmu?: MmuOptions;
    driver?: ConstructorParameters<typeof Smmuv3Driver>[0]['config'];
    bugs?: PlantedBugsConfig;
    cache?: boolean;
  } = {},
) {
  const features: Smmuv3Features = smmuv3Features(asked);
  const memory = new PhysicalMemory({ banks: [{ base: RAM_BASE, size: RAM_SIZE, node: 0 }] });
  const cache = options.cache === true ? new CpuCache(memory, v.parse(CpuCacheSchema, {})) : null;
  const bus = new Bus(memory, cache);
  const port = bus.port('smmu', features.coherent ? BusView.COHERENT : BusView.NON_COHERENT);
  const smmu = new Smmuv3({ features, memory: port, ...(options.mmu === undefined ? {} : { mmu: options.mmu }) });
  bus.attach('smmu', 0x905_0000, 0x2_0000, smmu);
  const pages = new BumpAllocator(cache ?? memory, RAM_BASE, RAM_SIZE);
  const warnings: string[] = [];
  const machine: Machine = {
    memory: cache ?? memory,
    dma: new DmaApi(cache ?? memory),
    pages,
    warn: (code) => warnings.push(code),
  };
  const makeDriver = (): Smmuv3Driver =>
    new Smmuv3Driver({
      smmu,
      machine,
      structures: features.coherent ? machine.memory : memory,
      ...(options.driver === undefined ? {} : { config: options.driver }),
      ...(options.bugs === undefined ? {} : { bugs: options.bugs }),
    });
  return { features, memory, cache, bus, port, smmu, machine, pages, warnings, makeDriver };
}
