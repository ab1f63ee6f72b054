import { ConfigError, Errno, getField, leafSizes, PLAIN_BITS, type PlacedField } from '../../../../formats/index.ts';
import type { RegisterPort } from '../../../registers/index.ts';
import { featuresOf, IDR0, IDR1, IDR3, IDR5, IIDR, REGISTERS, type Smmuv3Features } from '../../spec/index.ts';
import type { DriverConfig } from '../config.ts';
import { KERNEL_TRAITS } from '../kernel.ts';

/** Linux `ENXIO`: the SMMU is none that the driver can use. */
const ENXIO = 6;
/** Most log2 of command, event and page request queue entries: what a contiguous 1 MiB holds (`Q_MAX_SZ_SHIFT`, CMA alignment 8). */
const QUEUE_BYTES_BITS = 20;
/** StreamID bits of a level 2 array: an SMMU with no more has a linear table. */
export const STREAM_SPLIT = 8;

const ARM = 0x43b;
const MMU_600 = 0x483;
const MMU_700 = 0x487;

/** Why the SMMU cannot be used. */
export class ProbeError extends ConfigError {
  /** What Linux's probe returns, negative. */
  readonly errno: number;

  constructor(errno: number, field: string, value: unknown, allowed: string) {
    super(field, value, allowed);
    this.errno = -errno;
  }
}

/** What the driver knows of its SMMU (Linux `arm_smmu_device_hw_probe`). */
export interface ProbedSmmu {
  /** What the identification registers say. */
  readonly features: Smmuv3Features;
  /** IDR0 to IDR5 as read; those that Linux does not read are 0. */
  readonly idr: Uint32Array;
  /** Its accesses snoop, by firmware or IDR0.COHACC. */
  readonly coherent: boolean;
  readonly twoLevelStreams: boolean;
  /** CMD_SYNC wakes CPUs in WFE, and no erratum forbids it. */
  readonly sev: boolean;
  /** Completion is seen in memory: the SMMU overwrites the CMD_SYNC. */
  readonly polledByMessage: boolean;
  /** Contexts are EL2-E2H ones. */
  readonly e2h: boolean;
  /** Both stages, and no erratum forbids them together. */
  readonly nesting: boolean;
  /** A batch that is one short of full goes out with a CMD_SYNC (errata of MMU-700). */
  readonly forcedSync: boolean;
  /** IDR1.ATTR_TYPES_OVR: entries must say that memory types come with the transaction. */
  readonly attributeOverride: boolean;
  /** IDR3.FWB. */
  readonly forceWriteBack: boolean;
  /** Output bits of stage 1, which is the input of stage 2. */
  readonly intermediateBits: number;
  /** Page and block sizes of all granules, as a bitmap. */
  readonly pageSizes: number;
  readonly commandQueueBits: number;
  readonly eventQueueBits: number;
  readonly priQueueBits: number;
}

/**
 * Reads the identification registers: IDR0, IDR1, IDR3, IDR5 and IIDR.
 * @throws ProbeError for an SMMU that Linux refuses
 */
export function probeSmmu(port: RegisterPort, config: DriverConfig): ProbedSmmu {
  const traits = KERNEL_TRAITS[config.kernel];
  if (config.regionSize < 0x20000) {
    throw new ProbeError(Errno.EINVAL, 'driver.regionSize', config.regionSize, 'at least 128 KiB');
  }
  const idr = new Uint32Array(6);
  const read = (register: 0 | 1 | 3 | 5): void => {
    idr[register] = port.read32(REGISTERS[`IDR${register}`].offset);
  };
  const value = (register: number, field: PlacedField): number => getField(idr, register, field);
  const refuse = (field: string, found: number, allowed: string): never => {
    throw new ProbeError(ENXIO, `smmu.${field}`, found, allowed);
  };
  read(0);
  const endianness = value(0, IDR0.TTENDIAN);
  if (endianness !== 0 && endianness !== 2) refuse('IDR0.TTENDIAN', endianness, '0 or 2: little-endian tables');
  const said = value(0, IDR0.COHACC) !== 0;
  const coherent = config.firmwareCoherency === 'probed' ? said : config.firmwareCoherency === 'coherent';
  if (value(0, IDR0.S1P) === 0 && value(0, IDR0.S2P) === 0) {
    throw new ProbeError(ENXIO, 'smmu.features.stage1', false, 'stage 1 or stage 2');
  }
  const formats = value(0, IDR0.TTF);
  if (formats < 2) refuse('IDR0.TTF', formats, '2 or 3: VMSAv8-64 tables');
  read(1);
  for (const name of ['TABLES_PRESET', 'QUEUES_PRESET', 'REL'] as const) {
    if (value(1, IDR1[name]) !== 0) refuse(`IDR1.${name}`, 1, '0: structures in memory of the driver');
  }
  const most = (asked: number, entryBits: number): number => Math.min(asked, QUEUE_BYTES_BITS - entryBits);
  const commandQueueBits = Math.min(most(value(1, IDR1.CMDQS), 4), config.commandQueueBits);
  if (2 ** commandQueueBits <= config.batch) {
    throw new ProbeError(
      ENXIO,
      'driver.batch',
      config.batch,
      `less than the command queue's ${2 ** commandQueueBits} entries`,
    );
  }
  read(3);
  read(5);
  const iidr = Uint32Array.of(port.read32(REGISTERS.IIDR.offset));
  const errata = errataOf(iidr, traits.forcedSyncBeforeR1p1);
  const features = featuresOf([idr[0] as number, idr[1] as number, 0, idr[3] as number, 0, idr[5] as number]);
  const stages = features.stage1 && features.stage2;
  const { outputBits } = features;
  return {
    features,
    idr,
    coherent,
    twoLevelStreams: features.twoLevelStreams && features.streamBits > STREAM_SPLIT,
    sev: features.sev && !errata.noSev,
    polledByMessage: features.msi && coherent,
    e2h: features.el2 && config.kernelAtEl2,
    nesting: stages && !errata.noNesting,
    forcedSync: errata.forcedSync,
    attributeOverride: value(1, IDR1.ATTR_TYPES_OVR) !== 0,
    forceWriteBack: value(3, IDR3.FWB) !== 0,
    intermediateBits: traits.leastOutputOf40Bits && formats === 3 ? Math.max(outputBits, 40) : outputBits,
    pageSizes: pageSizesOf(value(5, IDR5.GRAN4K), value(5, IDR5.GRAN16K), value(5, IDR5.GRAN64K), outputBits),
    commandQueueBits,
    eventQueueBits: Math.min(most(features.eventQueueBits, 5), config.eventQueueBits),
    priQueueBits: most(features.priQueueBits, 4),
  };
}

/** The page and block sizes of the granules offered. */
function pageSizesOf(has4k: number, has16k: number, has64k: number, outputBits: number): number {
  // Only 64 KiB tables have the 4 TiB blocks of 52-bit addresses, but Linux takes the size in for all.
  const plain = (granule: number): number => leafSizes(granule, PLAIN_BITS);
  return (
    (has4k !== 0 ? plain(12) : 0) +
    (has16k !== 0 ? plain(14) : 0) +
    (has64k !== 0 ? plain(16) : 0) +
    (outputBits === 52 ? 2 ** 42 : 0)
  );
}

/** Arm's parts with errata that the driver works around (Linux `arm_smmu_device_iidr_probe`). */
function errataOf(
  iidr: Uint32Array,
  forcedSyncBeforeR1p1: boolean,
): { noSev: boolean; noNesting: boolean; forcedSync: boolean } {
  const none = { noSev: false, noNesting: false, forcedSync: false };
  if (getField(iidr, 0, IIDR.Implementer) !== ARM) return none;
  const product = getField(iidr, 0, IIDR.ProductID);
  const variant = getField(iidr, 0, IIDR.Variant);
  const revision = getField(iidr, 0, IIDR.Revision);
  // 1076982: no wake-up events before r0p3; 1209401: no nesting before r2p0.
  if (product === MMU_600) return { ...none, noSev: variant === 0 && revision <= 2, noNesting: variant < 2 };
  if (product !== MMU_700) return none;
  // 2812531: forced CMD_SYNC; 2268618 and 2812531: no nesting.
  const mended = forcedSyncBeforeR1p1 && (variant > 1 || (variant === 1 && revision >= 1));
  return { noSev: false, noNesting: true, forcedSync: !mended };
}
