import {
  type RegisterPort,
  type RegisterTiming,
  SMMU_HARDWARE,
  Smmuv2,
  Smmuv2Driver,
  type Smmuv2DriverOptions,
} from '../../devices/index.ts';
import { Bus, BusView, PhysicalMemory, PRESETS } from '../../emulator/index.ts';
import { NO_PAGES } from '../../formats/index.ts';

const RAM = { base: 0x8000_0000, size: 2 ** 25, node: 0 };
/** Cycles of register accesses at 1 GHz. Assumed. */
const TIMING: RegisterTiming = { write: 20, read: 80, perMicrosecond: 1000 };

/**
 * An MMU-500 with Linux's driver and 32 MiB of memory for tables: the world of the scenarios.
 * @param port what the driver's register accesses go through; default the SMMU itself
 */
export function smmuv2World(
  options: Smmuv2DriverOptions,
  port: (smmu: Smmuv2) => RegisterPort = (smmu) => smmu,
): { readonly smmu: Smmuv2; readonly driver: Smmuv2Driver } {
  const memory = new PhysicalMemory({ banks: [RAM] });
  const hardware = SMMU_HARDWARE['mmu500-small'];
  const smmu = new Smmuv2({
    hardware,
    mmu: { ...PRESETS['mmu-500-agilex7'], masters: 1 },
    memory: new Bus(memory, null).port('smmu', BusView.COHERENT),
    timing: TIMING,
  });
  let next = RAM.base;
  const machine = {
    memory,
    dma: { mapSingle: (pa: number): number => pa, unmapSingle(): void {}, syncSingleForDevice(): void {} },
    pages: {
      alloc: (_: unknown, size: number): number => {
        const pa = Math.ceil(next / size) * size;
        if (pa + size > RAM.base + RAM.size) return NO_PAGES;
        next = pa + size;
        return pa;
      },
      free(): void {},
    },
    warn(): void {},
  };
  const driver = new Smmuv2Driver(port(smmu), machine, {
    compatible: hardware.compatible,
    coherentWalk: true,
    clock: smmu,
    ...options,
  });
  return { smmu, driver };
}
