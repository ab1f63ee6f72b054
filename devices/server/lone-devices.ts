/** Each MMU as a device that stands alone, without a driver: a client is that. */
import type { IommuDevice } from '../iommu.ts';
import { IPMMU_LEAF_STRIDE, Ipmmu } from '../ipmmu/index.ts';
import type { MachineConfig } from '../machine/index.ts';
import { MaliMmu } from '../mali/index.ts';
import type { MmuName } from '../mmus.ts';
import { SMMU_HARDWARE, Smmuv2 } from '../smmuv2/index.ts';
import { Smmuv3, smmuv3Features, Wire } from '../smmuv3/index.ts';
import type { DeviceMemory } from './device-memory.ts';

/** A device with its surroundings. */
export interface LoneDevice {
  readonly device: IommuDevice;
  /** Bytes of its registers. */
  readonly registerBytes: number;
  /** StreamIDs are below this. */
  readonly streams: number;
  /** Names of its interrupt lines, at most 32. */
  readonly lines: readonly string[];
  /** Level-sensitive lines that are at 1 now, a bit each. */
  levels(): number;
}

/** @param edge told of each edge on a line, by its number */
type Make = (config: MachineConfig, memory: DeviceMemory, edge: (line: number) => void) => LoneDevice;

/** The two pages of an SMMUv3, 64 KiB each (IHI 0070 section 6.1). */
const SMMUV3_BYTES = 0x2_0000;
/** Up to the last address space of a Mali, in whole pages. */
const MALI_BYTES = 0x1_0000;
/** Most context interrupts that have a line of their own; the first line is the global one. */
const BANK_LINES = 31;

const none = (): number => 0;

export const LONE_DEVICES: Readonly<Record<MmuName, Make>> = {
  smmuv3: (config, memory, edge) => {
    const coherent = config.table.walk === 'coherent';
    const device = new Smmuv3({ features: smmuv3Features({ ...config.smmu, coherent }), mmu: config.mmu, memory });
    const lines = Object.values(Wire);
    device.interrupts.onWire = (wire) => edge(lines.indexOf(wire));
    return { device, registerBytes: SMMUV3_BYTES, streams: 2 ** device.features.streamBits, lines, levels: none };
  },
  smmuv2: (config, memory, edge) => {
    const device = new Smmuv2({ hardware: SMMU_HARDWARE[config.smmuv2.hardware], mmu: config.mmu, memory });
    device.onGlobalInterrupt = () => edge(0);
    device.onContextInterrupt = (bank) => edge(1 + Math.min(bank, BANK_LINES - 1));
    const banks = Array.from({ length: BANK_LINES }, (_, bank) => `context ${bank}`);
    return { device, registerBytes: device.pages.size, streams: 0x8000, lines: ['global', ...banks], levels: none };
  },
  mali: (config, memory) => {
    const device = new MaliMmu({ config: config.mali, mmu: config.mmu, memory });
    const levels = (): number => Number(device.mmuInterrupt.raised) | (Number(device.gpuInterrupt.raised) << 1);
    return { device, registerBytes: MALI_BYTES, streams: 16, lines: ['mmu', 'gpu'], levels };
  },
  'ipmmu-vmsa': (config, memory) => {
    const device = new Ipmmu({ config: config.ipmmu, mmu: config.mmu, memory });
    const registerBytes = IPMMU_LEAF_STRIDE * (device.leaves.length + 1);
    return { device, registerBytes, streams: device.streams, lines: ['mmu'], levels: () => Number(device.interrupt) };
  },
};
