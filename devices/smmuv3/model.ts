import * as v from 'valibot';
import { ConfigError } from '../../formats/index.ts';
import type { IommuModel } from '../iommu.ts';
import { Smmuv3, Wire } from './device/index.ts';
import { DRIVER_KERNELS, DriverSchema, Smmuv3Driver } from './driver/index.ts';
import { REGISTERS, Smmuv3FeaturesSchema, smmuv3Features } from './spec/index.ts';

/** What a configuration says of an SMMUv3 and its driver. */
export const SMMUV3_CONFIG = {
  /** What the SMMU offers in its identification registers. Whether it snoops is `table.walk`. */
  smmu: v.optional(v.omit(Smmuv3FeaturesSchema, ['coherent']), {}),
  /** Queues and costs of Linux's driver. */
  driver: v.optional(DriverSchema, {}),
} as const;

/** The two pages of registers, 64 KiB each (IHI 0070 section 6.1). */
const REGISTER_BYTES = 0x2_0000;

/** Arm SMMUv3 with Linux's arm-smmu-v3. */
export const SMMUV3: IommuModel<v.InferOutput<v.StrictObjectSchema<typeof SMMUV3_CONFIG, undefined>>> = {
  name: 'smmuv3',
  title: 'Arm SMMUv3',
  completion: 'CMD_SYNC',
  // Without a kernel in its name, the driver is that of `driver.kernel`.
  drivers: ['arm-smmu-v3', ...DRIVER_KERNELS.map((kernel) => `arm-smmu-v3-${kernel}`)],
  formats: ['arm-64-lpae-s1', 'arm-64-lpae-s2'],
  table: {},
  driverTable: {
    'arm-smmu-v3-6.12': { linux: '6.12' },
    'arm-smmu-v3-7.3': { linux: '7.3', split: 'refuse' },
  },
  imageRegisters: REGISTERS,
  bareTables: ['nested'],
  alone({ config, coherent, mmu, memory, edge }) {
    const device = new Smmuv3({ features: smmuv3Features({ ...config.smmu, coherent }), mmu, memory });
    const lines = Object.values(Wire);
    device.interrupts.onWire = (wire) => edge(lines.indexOf(wire));
    return { device, registerBytes: REGISTER_BYTES, streams: 2 ** device.features.streamBits, lines, levels: () => 0 };
  },
  create({ config, driverName, coherent, mmu, memory, machine, structures, bugs }) {
    const device = new Smmuv3({ features: smmuv3Features({ ...config.smmu, coherent }), mmu, memory });
    if (bugs.wrongLevel > 0 && !(device.features.rangeInvalidation && config.driver.useRanges)) {
      throw new ConfigError(
        'plantedBugs.wrongLevel',
        bugs.wrongLevel,
        '0 without range invalidation: nothing has a hint',
      );
    }
    const kernel = DRIVER_KERNELS.find((name) => driverName === `arm-smmu-v3-${name}`) ?? config.driver.kernel;
    const driver = new Smmuv3Driver({ smmu: device, machine, structures, config: { ...config.driver, kernel }, bugs });
    return { device, driver };
  },
};
