import * as v from 'valibot';
import { ConfigError } from '../../formats/index.ts';
import type { IommuModel } from '../iommu.ts';
import { SpoiledPort } from '../planted-bugs/index.ts';
import { IPMMU_LEAF_STRIDE, Ipmmu, IpmmuSchema } from './device/index.ts';
import type { IpmmuKernel } from './driver/index.ts';
import { IpmmuDriver, LinuxIpmmuDriver, LinuxKernel, XenIpmmuDriver, XenKernel, XenTablePool } from './driver/index.ts';
import { PlantedWrites, spoilsWrites } from './planted-writes.ts';

/** What a configuration says of an IPMMU-VMSA. */
export const IPMMU_CONFIG = {
  ipmmu: v.optional(IpmmuSchema, {}),
} as const;

/** Renesas IPMMU-VMSA with Linux's or Xen's driver. */
export const IPMMU_VMSA: IommuModel<v.InferOutput<v.StrictObjectSchema<typeof IPMMU_CONFIG, undefined>>> = {
  name: 'ipmmu-vmsa',
  title: 'Renesas IPMMU-VMSA',
  completion: 'IMCTR.FLUSH polls',
  drivers: ['ipmmu', 'ipmmu-xen'],
  formats: ['arm-32-lpae-s1', 'arm-64-lpae-s1', 'arm-64-lpae-s2'],
  table: { granule: '4k', ias: 32, oas: 40, walk: 'non-coherent' },
  driverTable: { 'ipmmu-xen': { format: 'arm-64-lpae-s1', ias: 39 } },
  preset: 'ipmmu-assumed',
  alone({ config, mmu, memory }) {
    const device = new Ipmmu({ config: config.ipmmu, mmu, memory });
    const registerBytes = IPMMU_LEAF_STRIDE * (device.leaves.length + 1);
    return { device, registerBytes, streams: device.streams, lines: ['mmu'], levels: () => Number(device.interrupt) };
  },
  create({ config, driverName, coherent, mmu, memory, machine, bugs }) {
    if (config.ipmmu.sharesGuestTables && (driverName !== 'ipmmu-xen' || config.ipmmu.generation === 'gen2')) {
      throw new ConfigError('ipmmu.sharesGuestTables', true, 'false, but for ipmmu-xen on Gen3 and later');
    }
    if (coherent) throw new ConfigError('table.walk', 'coherent', 'non-coherent: the walks of an IPMMU do not snoop');
    const device = new Ipmmu({ config: config.ipmmu, mmu, memory });
    const { generation } = device;
    const leafBases = device.leaves.map((_, leaf) => IPMMU_LEAF_STRIDE * (leaf + 1));
    const planted = spoilsWrites(bugs) ? new PlantedWrites(bugs, device, generation, [0, ...leafBases]) : null;
    const port = planted === null ? device : new SpoiledPort(device, planted);
    let kernel: IpmmuKernel;
    if (driverName === 'ipmmu') {
      kernel = new LinuxKernel(new LinuxIpmmuDriver({ port, generation, leafBases, machine }));
    } else {
      const pool = config.ipmmu.sharesGuestTables ? null : new XenTablePool(machine);
      kernel = new XenKernel(new XenIpmmuDriver({ port, generation, leafBases, tables: pool }), pool, machine);
    }
    return { device, driver: new IpmmuDriver(device, kernel, bugs) };
  },
};
