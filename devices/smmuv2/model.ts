import * as v from 'valibot';
import { encodeField } from '../../formats/index.ts';
import type { IommuModel } from '../iommu.ts';
import { SpoiledPort } from '../planted-bugs/index.ts';
import { SMMU_HARDWARE, type SmmuHardware, type SmmuHardwareName, Smmuv2 } from './device/index.ts';
import { ARM_SMMU_KERNELS, ArmSmmuDriver, type ArmSmmuKernelName, Smmuv2Driver } from './driver/index.ts';
import { PlantedWrites, spoilsWrites } from './planted-writes.ts';
import { ID0, ID1 } from './spec/index.ts';

const cycles = (least: number) => v.pipe(v.number(), v.minValue(least), v.maxValue(1e6));
const small = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(128));

/** An SMMUv2 and its driver. */
const Smmuv2Schema = v.strictObject({
  /** Implementation: its identification registers and quirks. */
  hardware: v.optional(v.picklist(Object.keys(SMMU_HARDWARE) as SmmuHardwareName[]), 'mmu500-large'),
  /** Context banks instead of the implementation's. Default 128, the most that an MMU-500 has (Arm DDI 0517). */
  contextBanks: v.optional(small, 128),
  /** Stream mapping groups instead of the implementation's; it must match streams. Default 128. */
  groups: v.optional(small, 128),
  /** Kernel whose driver it is. */
  kernel: v.optional(v.picklist(Object.keys(ARM_SMMU_KERNELS) as ArmSmmuKernelName[]), '6.12'),
  /** Qualcomm's variant: a table that went away has the whole ASID dropped instead of each of its pages. */
  walkByAsid: v.optional(v.boolean(), false),
  /** Faults stall until they are answered; Linux 6.12 never answers. */
  stalls: v.optional(v.boolean(), false),
  /** SMMU clock cycles of one register write, of one read, and in a microsecond. Assumed. */
  writeCycles: v.optional(cycles(0), 20),
  readCycles: v.optional(cycles(0), 80),
  cyclesPerMicrosecond: v.optional(cycles(1), 1000),
});

/** What a configuration says of an SMMUv2. */
export const SMMUV2_CONFIG = {
  smmuv2: v.optional(Smmuv2Schema, {}),
} as const;

/** Most context interrupts that have a line of their own where the device stands alone; the line before them is the global one. */
const BANK_LINES = 31;

/** Arm SMMUv2 (MMU-500) with Linux's arm-smmu. */
export const SMMUV2: IommuModel<v.InferOutput<v.StrictObjectSchema<typeof SMMUV2_CONFIG, undefined>>> = {
  name: 'smmuv2',
  title: 'Arm SMMUv2 (MMU-500)',
  completion: 'TLBSYNC',
  drivers: ['arm-smmu'],
  formats: ['arm-64-lpae-s1', 'arm-64-lpae-s2', 'arm-32-lpae-s1', 'arm-32-lpae-s2'],
  table: {},
  preset: 'mmu-500-agilex7',
  bareTables: ['arm-v7s', 'both-halves'],
  alone({ config, mmu, memory, edge }) {
    const device = new Smmuv2({ hardware: SMMU_HARDWARE[config.smmuv2.hardware], mmu, memory });
    device.onGlobalInterrupt = () => edge(0);
    device.onContextInterrupt = (bank) => edge(1 + Math.min(bank, BANK_LINES - 1));
    const banks = Array.from({ length: BANK_LINES }, (_, bank) => `context ${bank}`);
    return { device, registerBytes: device.pages.size, streams: 0x8000, lines: ['global', ...banks], levels: () => 0 };
  },
  create({ config: { smmuv2 }, coherent, mmu, memory, machine, bugs }) {
    const hardware = resized(SMMU_HARDWARE[smmuv2.hardware], smmuv2.contextBanks, smmuv2.groups);
    const timing = {
      write: smmuv2.writeCycles,
      read: smmuv2.readCycles,
      perMicrosecond: smmuv2.cyclesPerMicrosecond,
    };
    const device = new Smmuv2({ hardware, mmu, memory, timing });
    const planted = spoilsWrites(bugs) ? new PlantedWrites(bugs) : null;
    const port = planted === null ? device : new SpoiledPort(device, planted);
    const driver = new Smmuv2Driver(port, machine, {
      compatible: hardware.compatible,
      contextInterrupts: hardware.contextInterrupts,
      kernel: smmuv2.kernel,
      coherentWalk: coherent,
      walkByAsid: smmuv2.walkByAsid,
      stalls: smmuv2.stalls,
      clock: device,
      log: (_, text) => machine.log?.(text),
    });
    if (planted !== null) planted.pages = driver.features.pages;
    return { device, driver: new ArmSmmuDriver(device, driver, bugs) };
  },
};

/** The implementation with other numbers of banks and groups. */
function resized(hardware: SmmuHardware, banks: number, groups: number): SmmuHardware {
  const matches = (hardware.ID0 & ID0.SMS.lowMask) !== 0;
  // The global half of the region must hold as many pages as there are banks.
  const halfPages = Math.max(Math.ceil(Math.log2(banks)) - 1, 0);
  const kept = hardware.ID1 & ~(ID1.NUMCB.lowMask | ID1.NUMPAGENDXB.lowMask);
  return {
    ...hardware,
    ID0: matches ? ((hardware.ID0 & ~ID0.NUMSMRG.lowMask) | groups) >>> 0 : hardware.ID0,
    ID1: (kept | banks | encodeField(ID1.NUMPAGENDXB, halfPages).low) >>> 0,
    contextInterrupts: hardware.contextInterrupts === 3 ? 3 : banks,
  };
}
