/** Which SMMU the device is: what its identification registers say, and how it differs from the plain architecture. */
import { ConfigError } from '../../../formats/index.ts';
import type { SmmuCompatible } from '../driver/index.ts';

/** An implementation. Register values are those that its driver finds. */
export interface SmmuHardware {
  /** `compatible` string of its device tree node. */
  readonly compatible: SmmuCompatible;
  readonly ID0: number;
  readonly ID1: number;
  readonly ID2: number;
  readonly ID7: number;
  /** Values after a reset. */
  readonly sCR0: number;
  readonly sACR: number;
  readonly ACTLR: number;
  /** Bits that a stream match register keeps of its id and of its mask. */
  readonly matchBits: number;
  /** Context fault interrupts. */
  readonly contextInterrupts: number;
  /** Writes to ACTLR never stick, whatever sACR.CACHE_LOCK says. */
  readonly actlrLocked: boolean;
}

const MMU500 = {
  compatible: 'arm,mmu-500',
  ID2: 0x5555,
  ID7: 0x24,
  sCR0: 0x200001,
  sACR: 0x4000004,
  ACTLR: 3,
  matchBits: 0x7fff,
  actlrLocked: false,
} as const;

const GENERIC = {
  compatible: 'arm,smmu-v2',
  ID7: 0,
  sCR0: 1,
  sACR: 0,
  ACTLR: 0,
  matchBits: 0x7fff,
  actlrLocked: false,
} as const;

/**
 * Named implementations: those on which Linux's driver was recorded. `mmu500-small` is the reference MMU-500 r2; the numbers of banks,
 * groups and ids of the others are assumed, as each integration chooses them.
 */
export const SMMU_HARDWARE = {
  'mmu500-small': { ...MMU500, ID0: 0xfc005e30, ID1: 0x30000010, contextInterrupts: 16 },
  'mmu500-large': { ...MMU500, ID0: 0xfc005e80, ID1: 0xd0000040, contextInterrupts: 64 },
  'mmu500-r1': { ...MMU500, ID0: 0xfc001e10, ID1: 0x30000008, ID7: 0x10, sACR: 0, contextInterrupts: 8 },
  'mmu500-locked': { ...MMU500, ID0: 0xfc005e10, ID1: 0x30000008, contextInterrupts: 8, actlrLocked: true },
  'mmu500-s2cb': { ...MMU500, ID0: 0xfc005e20, ID1: 0x30040010, contextInterrupts: 16 },
  'v2-ats-16k': {
    ...GENERIC,
    ID0: 0x78007f20,
    ID1: 0x30000010,
    ID2: 0xf555,
    matchBits: 0xffff,
    contextInterrupts: 16,
  },
  'v2-s1only-ats': {
    ...GENERIC,
    ID0: 0x48005410,
    ID1: 0x30000008,
    ID2: 0x7342,
    matchBits: 0x3ff,
    contextInterrupts: 8,
  },
  'v2-s2only': { ...GENERIC, ID0: 0x28005410, ID1: 0x30080008, ID2: 0x5444, matchBits: 0x3ff, contextInterrupts: 8 },
  'v2-aarch32': { ...GENERIC, ID0: 0x79004a10, ID1: 0x30000008, ID2: 0x222, matchBits: 0x1f, contextInterrupts: 8 },
  ap806: {
    ...MMU500,
    compatible: 'marvell,ap806-smmu-500',
    ID0: 0xfc005e20,
    ID1: 0x30000010,
    contextInterrupts: 16,
  },
  'v2-index': { ...GENERIC, ID0: 0x70004a20, ID1: 0x30000008, ID2: 0x5555, matchBits: 0x1f, contextInterrupts: 8 },
  mmu400: {
    ...GENERIC,
    compatible: 'arm,mmu-400',
    ID0: 0x28035810,
    ID1: 0x20000004,
    ID2: 0x22,
    contextInterrupts: 3,
  },
  mmu401: {
    ...GENERIC,
    compatible: 'arm,mmu-401',
    ID0: 0x28035204,
    ID1: 0x20000004,
    ID2: 0x22,
    matchBits: 0x3ff,
    contextInterrupts: 3,
  },
} as const satisfies Readonly<Record<string, SmmuHardware>>;

export type SmmuHardwareName = keyof typeof SMMU_HARDWARE;

/** What the registers cost whoever accesses them, in SMMU clock cycles. */
export interface RegisterTiming {
  /** Until the processor goes on after a write. */
  readonly write: number;
  /** Until a read's value is there. */
  readonly read: number;
  /** SMMU clock cycles in a microsecond: how far a driver's delays bring the clock. */
  readonly perMicrosecond: number;
}

/** Register accesses cost nothing, and the SMMU runs at 1 GHz. */
export const FREE_REGISTERS: RegisterTiming = { write: 0, read: 0, perMicrosecond: 1000 };

/** @throws ConfigError for a timing that is no timing */
export function checkTiming(timing: RegisterTiming): RegisterTiming {
  for (const [field, value] of Object.entries(timing)) {
    const least = field === 'perMicrosecond' ? 1 : 0;
    if (!(value >= least && value <= 1e9)) throw new ConfigError(`timing.${field}`, value, `${least} to 1e9 cycles`);
  }
  return timing;
}
