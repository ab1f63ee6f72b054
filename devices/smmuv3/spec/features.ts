/**
 * What one SMMUv3 offers: the identification registers IDR0, IDR1, IDR3 and IDR5 (Arm IHI 0070, section 6.3.1 to 6.3.6) in
 * plain fields, and back. The configuration of a device is exactly this, so its identification registers cannot but tell the truth.
 */
import * as v from 'valibot';
import { ConfigError, getField, OUTPUT_SIZES, setField } from '../../../formats/index.ts';
import { IDR0, IDR1, IDR3, IDR5 } from './identification.ts';

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
  outputBits: v.optional(v.picklist(OUTPUT_SIZES), 48),
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
    outputBits: OUTPUT_SIZES[value(5, IDR5.OAS)] ?? 52,
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
  set(5, IDR5.OAS, OUTPUT_SIZES.indexOf(features.outputBits));
  set(5, IDR5.GRAN4K, features.granules.includes(12));
  set(5, IDR5.GRAN16K, features.granules.includes(14));
  set(5, IDR5.GRAN64K, features.granules.includes(16));
  set(5, IDR5.VAX, features.inputBits52);
  set(5, IDR5.STALL_MAX, features.stallMax);
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
  return [a, b, c, d, e, f];
}
