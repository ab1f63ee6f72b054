/**
 * What one SMMUv3 offers: the identification registers IDR0, IDR1, IDR3 and IDR5 (Arm IHI 0070, section 6.3.1 to 6.3.6) in
 * plain fields, and back. The configuration of a device is exactly this, so its identification registers cannot but tell the truth.
 */
import * as v from 'valibot';
import { ConfigError } from '../../../formats/index.ts';
import { ADDRESS_SIZES } from './encodings.ts';
import { field, getField, type Layout, setField } from './layout.ts';

export const IDR0 = {
  S2P: field(0, 1, 'Stage 2 is offered'),
  S1P: field(1, 1, 'Stage 1 is offered'),
  TTF: field(2, 2, 'Table formats: 1 VMSAv8-32, 2 VMSAv8-64, 3 both'),
  COHACC: field(4, 1, 'Reads of tables, queues and structures are coherent'),
  BTM: field(5, 1, 'Broadcast TLB maintenance of the CPUs is received'),
  HTTU: field(6, 2, 'Hardware updates: 1 access flag, 2 access flag and dirty state'),
  DORMHINT: field(8, 1, 'Dormant hint'),
  HYP: field(9, 1, 'EL2 stage 1 contexts are offered'),
  ATS: field(10, 1, 'ATS is offered'),
  NS1ATS: field(11, 1, 'Split-stage ATS is not offered'),
  ASID16: field(12, 1, '16-bit ASIDs'),
  MSI: field(13, 1, 'Message-signalled interrupts'),
  SEV: field(14, 1, 'Wake-up events for CPUs in WFE'),
  ATOS: field(15, 1, 'Address translation operations'),
  PRI: field(16, 1, 'Page request interface'),
  VMW: field(17, 1, 'VMID wildcards'),
  VMID16: field(18, 1, '16-bit VMIDs'),
  CD2L: field(19, 1, 'Two-level context descriptor tables'),
  VATOS: field(20, 1, 'Virtual ATOS page'),
  TTENDIAN: field(21, 2, 'Table endianness: 0 mixed, 2 little, 3 big'),
  ATSRECERR: field(23, 1, 'Errors of ATS requests can be recorded'),
  STALL_MODEL: field(24, 2, '0 stall or terminate, 1 terminate only, 2 stall is forced'),
  TERM_MODEL: field(26, 1, 'Terminated transactions always abort'),
  ST_LEVEL: field(27, 2, '0 linear stream table, 1 two-level too'),
} as const satisfies Layout;

export const IDR1 = {
  SIDSIZE: field(0, 6, 'Bits of a StreamID'),
  SSIDSIZE: field(6, 5, 'Bits of a SubstreamID'),
  PRIQS: field(11, 5, 'log2 of the most PRI queue entries'),
  EVENTQS: field(16, 5, 'log2 of the most event queue entries'),
  CMDQS: field(21, 5, 'log2 of the most command queue entries'),
  ATTR_PERMS_OVR: field(26, 1, 'Permissions of transactions can be overridden'),
  ATTR_TYPES_OVR: field(27, 1, 'Memory types of transactions can be overridden'),
  REL: field(28, 1, 'Preset bases are relative'),
  QUEUES_PRESET: field(29, 1, 'Queue bases are fixed'),
  TABLES_PRESET: field(30, 1, 'Table base is fixed'),
} as const satisfies Layout;

export const IDR3 = {
  HAD: field(2, 1, 'Hierarchical permissions can be disabled'),
  PBHA: field(3, 1, 'Page-based hardware attributes'),
  XNX: field(4, 1, 'Separate stage 2 execute-never by privilege'),
  PPS: field(5, 1, 'The PASID of a page request is used in the response'),
  MPAM: field(7, 1, 'MPAM'),
  FWB: field(8, 1, 'Stage 2 can force write-back'),
  STT: field(9, 1, 'Small translation tables'),
  RIL: field(10, 1, 'Range invalidation and level hint'),
  BBML: field(11, 2, 'Break-before-make level: 0, 1 or 2'),
} as const satisfies Layout;

export const IDR5 = {
  OAS: field(0, 3, 'Output address size: 0 to 6 for 32, 36, 40, 42, 44, 48, 52 bits'),
  GRAN4K: field(4, 1, '4 KiB granule'),
  GRAN16K: field(5, 1, '16 KiB granule'),
  GRAN64K: field(6, 1, '64 KiB granule'),
  VAX: field(10, 2, '0: 48-bit input addresses, 1: 52-bit'),
  STALL_MAX: field(16, 16, 'Most stalled transactions'),
} as const satisfies Layout;

const flag = (value: boolean) => v.optional(v.boolean(), value);
const bits = (least: number, most: number, value: number) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)), value);

/**
 * What the SMMU offers. Defaults: what QEMU 7.2's SMMUv3 showed the Linux driver when the bundled captures were made, plus
 * what that emulator left out and this one has (stage 2, substreams, stalls, MSI, hardware updates are off unless asked for).
 */
export const Smmuv3FeaturesSchema = v.strictObject({
  /** IDR0.S1P: stage 1. */
  stage1: flag(true),
  /** IDR0.S2P: stage 2. */
  stage2: flag(true),
  /** IDR0.COHACC: the SMMU reads tables, structures and queues through the CPU caches. */
  coherent: flag(true),
  /** IDR0.HTTU: 0 none, 1 hardware sets the access flag, 2 and marks pages dirty. */
  hardwareUpdate: v.optional(v.picklist([0, 1, 2]), 0),
  /** IDR0.HYP: EL2 stage 1 contexts. */
  el2: flag(false),
  /** IDR0.ATS: translation requests of PCIe devices. */
  ats: flag(false),
  /** IDR0.PRI: page requests of PCIe devices. */
  pri: flag(false),
  /** IDR0.ASID16: bits of an ASID, 8 or 16. */
  asidBits: v.optional(v.picklist([8, 16]), 16),
  /** IDR0.VMID16: bits of a VMID, 8 or 16. */
  vmidBits: v.optional(v.picklist([8, 16]), 16),
  /** IDR0.MSI: interrupts as writes to memory. */
  msi: flag(true),
  /** IDR0.SEV: CMD_SYNC can wake CPUs that wait for an event. */
  sev: flag(true),
  /** IDR0.CD2L: two-level context descriptor tables. */
  twoLevelContexts: flag(true),
  /** IDR0.ST_LEVEL: two-level stream tables. */
  twoLevelStreams: flag(true),
  /** IDR0.STALL_MODEL: 0 stall or terminate, 1 terminate only, 2 stall is forced. */
  stallModel: v.optional(v.picklist([0, 1, 2]), 1),
  /** IDR0.TERM_MODEL: a terminated transaction always aborts, reads never return zeros. */
  terminateAborts: flag(true),
  /** IDR1.SIDSIZE: bits of a StreamID, 0 to 32. */
  streamBits: bits(0, 32, 16),
  /** IDR1.SSIDSIZE: bits of a SubstreamID, 0 to 20. */
  substreamBits: bits(0, 20, 0),
  /** IDR1.CMDQS: log2 of the most command queue entries, 0 to 19. */
  commandQueueBits: bits(0, 19, 19),
  /** IDR1.EVENTQS: log2 of the most event queue entries, 0 to 19. */
  eventQueueBits: bits(0, 19, 19),
  /** IDR1.PRIQS: log2 of the most PRI queue entries, 0 to 19. */
  priQueueBits: bits(0, 19, 0),
  /** IDR3.HAD: hierarchical permissions can be disabled. */
  hierarchicalDisable: flag(true),
  /** IDR3.RIL: range invalidation and the table level hint. */
  rangeInvalidation: flag(true),
  /** IDR3.BBML: break-before-make level, 0 to 2. */
  breakBeforeMakeLevel: v.optional(v.picklist([0, 1, 2]), 2),
  /** IDR5.OAS: bits of an output address. */
  outputBits: v.optional(v.picklist(ADDRESS_SIZES), 48),
  /** IDR5.GRAN4K, GRAN16K, GRAN64K: log2 of the granules offered. */
  granules: v.optional(v.pipe(v.array(v.picklist([12, 14, 16])), v.minLength(1)), [12, 14, 16]),
  /** IDR5.VAX: 52-bit input addresses with the 64 KiB granule. */
  inputBits52: flag(false),
  /** IDR5.STALL_MAX: most stalled transactions, 0 to 65535. */
  stallMax: bits(0, 0xffff, 0),
});

/** What one SMMUv3 offers, see {@link Smmuv3FeaturesSchema}. */
export type Smmuv3Features = v.InferOutput<typeof Smmuv3FeaturesSchema>;

/** Whether a granule of 2^shift bytes is offered. */
export function offersGranule(features: Smmuv3Features, shift: number): boolean {
  return features.granules.some((granule) => granule === shift);
}

/** The identification registers, IDR0 to IDR5. */
export type IdRegisters = readonly [number, number, number, number, number, number];

/** Features with defaults filled in. @throws ConfigError naming the field. */
export function smmuv3Features(config: v.InferInput<typeof Smmuv3FeaturesSchema> = {}): Smmuv3Features {
  const parsed = v.safeParse(Smmuv3FeaturesSchema, config);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new ConfigError(`smmu.features.${v.getDotPath(issue) ?? ''}`, issue.input, issue.expected ?? issue.message);
  }
  const features = parsed.output;
  if (features.stallModel !== 1 && features.stallMax === 0) {
    throw new ConfigError('smmu.features.stallMax', 0, 'at least 1 where stallModel allows stalls');
  }
  return features;
}

/** What the identification registers say. */
export function featuresOf(idr: IdRegisters): Smmuv3Features {
  const words = Uint32Array.from(idr);
  const on = (register: number, f: Parameters<typeof getField>[2]): boolean => getField(words, register, f) !== 0;
  const value = (register: number, f: Parameters<typeof getField>[2]): number => getField(words, register, f);
  const granules: (12 | 14 | 16)[] = [];
  if (on(5, IDR5.GRAN4K)) granules.push(12);
  if (on(5, IDR5.GRAN16K)) granules.push(14);
  if (on(5, IDR5.GRAN64K)) granules.push(16);
  const upTo2 = (n: number): 0 | 1 | 2 => (n === 1 ? 1 : n === 0 ? 0 : 2);
  return {
    stage1: on(0, IDR0.S1P),
    stage2: on(0, IDR0.S2P),
    coherent: on(0, IDR0.COHACC),
    hardwareUpdate: upTo2(value(0, IDR0.HTTU)),
    el2: on(0, IDR0.HYP),
    ats: on(0, IDR0.ATS),
    pri: on(0, IDR0.PRI),
    asidBits: on(0, IDR0.ASID16) ? 16 : 8,
    vmidBits: on(0, IDR0.VMID16) ? 16 : 8,
    msi: on(0, IDR0.MSI),
    sev: on(0, IDR0.SEV),
    twoLevelContexts: on(0, IDR0.CD2L),
    twoLevelStreams: on(0, IDR0.ST_LEVEL),
    stallModel: upTo2(value(0, IDR0.STALL_MODEL)),
    terminateAborts: on(0, IDR0.TERM_MODEL),
    streamBits: value(1, IDR1.SIDSIZE),
    substreamBits: value(1, IDR1.SSIDSIZE),
    commandQueueBits: value(1, IDR1.CMDQS),
    eventQueueBits: value(1, IDR1.EVENTQS),
    priQueueBits: value(1, IDR1.PRIQS),
    hierarchicalDisable: on(3, IDR3.HAD),
    rangeInvalidation: on(3, IDR3.RIL),
    breakBeforeMakeLevel: upTo2(value(3, IDR3.BBML)),
    outputBits: ADDRESS_SIZES[value(5, IDR5.OAS)] ?? 52,
    granules,
    inputBits52: on(5, IDR5.VAX),
    stallMax: value(5, IDR5.STALL_MAX),
  };
}

/** The identification registers that describe `features`. */
export function idRegistersOf(features: Smmuv3Features): IdRegisters {
  const words = new Uint32Array(6);
  const set = (register: number, f: Parameters<typeof setField>[2], value: number | boolean): void =>
    setField(words, register, f, Number(value));
  set(0, IDR0.S1P, features.stage1);
  set(0, IDR0.S2P, features.stage2);
  set(0, IDR0.TTF, 2);
  set(0, IDR0.COHACC, features.coherent);
  set(0, IDR0.HTTU, features.hardwareUpdate);
  set(0, IDR0.HYP, features.el2);
  set(0, IDR0.ATS, features.ats);
  // Split-stage ATS is not modelled.
  set(0, IDR0.NS1ATS, features.ats);
  set(0, IDR0.PRI, features.pri);
  set(0, IDR0.ASID16, features.asidBits === 16);
  set(0, IDR0.VMID16, features.vmidBits === 16);
  set(0, IDR0.MSI, features.msi);
  set(0, IDR0.SEV, features.sev);
  set(0, IDR0.CD2L, features.twoLevelContexts);
  set(0, IDR0.TTENDIAN, 2);
  set(0, IDR0.STALL_MODEL, features.stallModel);
  set(0, IDR0.TERM_MODEL, features.terminateAborts);
  set(0, IDR0.ST_LEVEL, features.twoLevelStreams);
  set(1, IDR1.SIDSIZE, features.streamBits);
  set(1, IDR1.SSIDSIZE, features.substreamBits);
  set(1, IDR1.CMDQS, features.commandQueueBits);
  set(1, IDR1.EVENTQS, features.eventQueueBits);
  set(1, IDR1.PRIQS, features.priQueueBits);
  set(3, IDR3.HAD, features.hierarchicalDisable);
  set(3, IDR3.RIL, features.rangeInvalidation);
  set(3, IDR3.BBML, features.breakBeforeMakeLevel);
  set(5, IDR5.OAS, ADDRESS_SIZES.indexOf(features.outputBits));
  set(5, IDR5.GRAN4K, features.granules.includes(12));
  set(5, IDR5.GRAN16K, features.granules.includes(14));
  set(5, IDR5.GRAN64K, features.granules.includes(16));
  set(5, IDR5.VAX, features.inputBits52);
  set(5, IDR5.STALL_MAX, features.stallMax);
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
  return [a, b, c, d, e, f];
}
