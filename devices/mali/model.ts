import * as v from 'valibot';
import type { IommuModel } from '../iommu.ts';
import { MaliConfigSchema, MaliMmu } from './device/index.ts';
import { PANFROST_PROFILES, PanfrostIommuDriver, PanthorDriver } from './driver/index.ts';

/** What a configuration says of a Mali GPU. */
export const MALI_CONFIG = {
  /** The GPU: address spaces, address sizes, cores, L2 cache, times. */
  mali: v.optional(MaliConfigSchema, {}),
} as const;

/** Registers up to the last address space, in whole pages. */
const REGISTER_BYTES = 0x1_0000;

/** A Mali GPU with Linux's drivers. */
export const MALI: IommuModel<v.InferOutput<v.StrictObjectSchema<typeof MALI_CONFIG, undefined>>> = {
  name: 'mali',
  title: 'Arm Mali',
  completion: 'AS_ACTIVE polls',
  drivers: ['panfrost-6.12', 'panfrost-7.3', 'panthor-6.12', 'panthor-7.3'],
  formats: ['arm-mali-lpae', 'arm-64-lpae-s1'],
  table: { oas: 40 },
  driverTable: {
    'panthor-6.12': { format: 'arm-64-lpae-s1', linux: '6.12' },
    'panthor-7.3': { format: 'arm-64-lpae-s1', linux: '7.3', split: 'refuse' },
  },
  preset: 'mali-assumed',
  alone({ config, mmu, memory }) {
    const device = new MaliMmu({ config: config.mali, mmu, memory });
    const levels = (): number => Number(device.mmuInterrupt.raised) | (Number(device.gpuInterrupt.raised) << 1);
    return { device, registerBytes: REGISTER_BYTES, streams: 16, lines: ['mmu', 'gpu'], levels };
  },
  create({ config, driverName, coherent, mmu, memory, machine, bugs }) {
    if (driverName.startsWith('panthor')) {
      // Panthor drives GPUs with a command-stream front end only.
      const device = new MaliMmu({ config: { ...config.mali, family: 'csf' }, mmu, memory });
      return {
        device,
        driver: new PanthorDriver(driverName === 'panthor-7.3' ? '7.3' : '6.12', device, machine, bugs),
      };
    }
    const device = new MaliMmu({ config: config.mali, mmu, memory });
    const profile = PANFROST_PROFILES[driverName === 'panfrost-7.3' ? '7.3' : '6.12'];
    return { device, driver: new PanfrostIommuDriver({ profile, device, machine, coherent, bugs }) };
  },
};
