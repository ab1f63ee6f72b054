import { describe, expect, it } from 'vitest';
import {
  contextDescriptorFault,
  featuresOf,
  idRegistersOf,
  readContextDescriptor,
  readStreamTableEntry,
  type Smmuv3Features,
  smmuv3Features,
  streamRegime,
  streamTableEntryFault,
} from '../../../../devices/index.ts';
import { CONTEXT_DESCRIPTOR } from '../../../../devices/smmuv3/spec/context-descriptor.ts';
import { STREAM_TABLE_ENTRY } from '../../../../devices/smmuv3/spec/stream-table-entry.ts';
import { encodeInto } from '../../../../formats/index.ts';

/** Little-endian 64-bit words as a run of 32-bit words. */
function words(...doublewords: bigint[]): Uint32Array {
  const out = new Uint32Array(16);
  doublewords.forEach((value, i) => {
    out[2 * i] = Number(value & 0xffffffffn);
    out[2 * i + 1] = Number(value >> 32n);
  });
  return out;
}

// As a Linux 6.12 driver wrote them, on QEMU 7.2's SMMUv3 (the capture vfio-dump): stream 0x10.
const LINUX_CD = words(0x1e204c0003510n, 0x10ccd9000n, 0n, 0xfffffffff404ff44n);
const QEMU_IDR = [0xd40101a, 0x2730010, 0, 0x1404, 0, 0x74] as const;

const valid = (values: Record<string, number>): Uint32Array => {
  const entry = new Uint32Array(16);
  encodeInto(STREAM_TABLE_ENTRY, entry, 0, { V: 1, ...values });
  return entry;
};
const steFault = (values: Record<string, number>, features: Smmuv3Features = smmuv3Features()): string | null =>
  streamTableEntryFault(readStreamTableEntry(valid(values), 0), features);
const cdFault = (values: Record<string, number>, features: Smmuv3Features = smmuv3Features()): string | null => {
  const cd = LINUX_CD.slice();
  encodeInto(CONTEXT_DESCRIPTOR, cd, 0, values);
  return contextDescriptorFault(readContextDescriptor(cd, 0), features, true);
};

describe('identification registers', () => {
  it('of the captured SMMU decode to what it was: stage 1 only, 16-bit ASIDs, RIL, 44-bit output, all granules', () => {
    expect(featuresOf(QEMU_IDR)).toMatchObject({
      stage1: true,
      stage2: false,
      coherent: true,
      asidBits: 16,
      rangeInvalidation: true,
      breakBeforeMakeLevel: 2,
      outputBits: 44,
      granules: [12, 14, 16],
      stallModel: 1,
      terminateAborts: true,
      twoLevelStreams: true,
      streamBits: 16,
      commandQueueBits: 19,
      eventQueueBits: 19,
    });
  });

  it('survive decoding and encoding', () => {
    expect(idRegistersOf(featuresOf(QEMU_IDR))).toEqual(QEMU_IDR);
    const all = smmuv3Features({ ats: true, el2: true, pri: true, stallModel: 0, stallMax: 16, substreamBits: 20 });
    expect(featuresOf(idRegistersOf(all))).toEqual(all);
  });

  it('refuse stalls without room for a stalled transaction', () => {
    expect(() => smmuv3Features({ stallModel: 0 })).toThrow(/stallMax/);
  });
});

describe('context descriptor', () => {
  it('written by Linux decodes to its translation regime', () => {
    const cd = readContextDescriptor(LINUX_CD, 0);
    expect(contextDescriptorFault(cd, featuresOf(QEMU_IDR), true)).toBeNull();
    const ste = readStreamTableEntry(valid({ Config: 5 }), 0);
    expect(streamRegime(ste, cd, featuresOf(QEMU_IDR))).toEqual({
      stage1: {
        stage: 1,
        family: 'lpae',
        root0: {
          base: 0x10ccd9000,
          granuleShift: 12,
          inputBits: 48,
          startLevel: 0,
          ignoreHierarchicalPermissions: false,
        },
        root1: null,
        outputBits: 44,
        accessFlagFaults: true,
        hardwareAccessFlag: false,
        hardwareDirty: false,
        memoryAttributes: [0x44, 0xff, 0x04, 0xf4, 0xff, 0xff, 0xff, 0xff],
        tag: 1,
        writeExecuteNever: false,
        singlePrivilege: false,
      },
      stage2: null,
      asid: 1,
      vmid: 0,
    });
  });

  it('is refused for each reason the manual calls ILLEGAL', () => {
    expect(cdFault({})).toBeNull();
    expect(cdFault({ V: 0 })).toBe('V is 0');
    expect(cdFault({ AA64: 0 })).toMatch(/AA64/);
    expect(cdFault({ ENDI: 1 })).toMatch(/ENDI/);
    expect(cdFault({ T0SZ: 15 })).toMatch(/T0SZ/);
    expect(cdFault({ T0SZ: 40 })).toMatch(/T0SZ/);
    expect(cdFault({ TG0: 3 })).toMatch(/TG0/);
    expect(cdFault({ TG0: 1 }, smmuv3Features({ granules: [12] }))).toMatch(/TG0/);
    expect(cdFault({ IPS: 0, TTB0: 0x100000000 })).toMatch(/TTB0/);
    expect(cdFault({ EPD1: 0, T1SZ: 16, TG1: 0 })).toMatch(/TG1/);
    expect(cdFault({ HA: 1 })).toMatch(/HA/);
    expect(cdFault({ S: 1 })).toMatch(/^S is 1/);
    expect(cdFault({ S: 0 }, smmuv3Features({ stallModel: 2, stallMax: 4 }))).toMatch(/^S is 0/);
    expect(cdFault({ A: 0 })).toMatch(/^A is 0/);
    expect(cdFault({ A: 0 }, smmuv3Features({ terminateAborts: false }))).toBeNull();
  });

  it('may hold anything in a half whose walks are disabled', () => {
    expect(cdFault({ EPD0: 1, T0SZ: 0, TG0: 3 })).toBeNull();
  });

  it('takes T0SZ down to 12 with the 64 KiB granule only where 52-bit input addresses are offered', () => {
    expect(cdFault({ TG0: 1, T0SZ: 12 })).toMatch(/T0SZ/);
    expect(cdFault({ TG0: 1, T0SZ: 12 }, smmuv3Features({ inputBits52: true }))).toBeNull();
    expect(cdFault({ TG0: 0, T0SZ: 12 }, smmuv3Features({ inputBits52: true }))).toMatch(/T0SZ/);
  });
});

describe('stream table entry', () => {
  const stage2 = { Config: 6, S2AA64: 1, S2T0SZ: 24, S2SL0: 1, S2TG: 0, S2PS: 5 };

  it('is refused for each reason the manual calls ILLEGAL', () => {
    expect(steFault({ V: 0, Config: 5 })).toBe('V is 0');
    expect(steFault({ Config: 5 })).toBeNull();
    expect(steFault({ Config: 5 }, smmuv3Features({ stage1: false }))).toMatch(/S1P/);
    expect(steFault({ Config: 6 }, smmuv3Features({ stage2: false }))).toMatch(/S2P/);
    expect(steFault({ Config: 5, S1CDMax: 1 })).toMatch(/S1CDMax/);
    expect(
      steFault({ Config: 5, S1CDMax: 8, S1Fmt: 1 }, smmuv3Features({ substreamBits: 8, twoLevelContexts: false })),
    ).toMatch(/CD2L/);
    expect(steFault({ Config: 5, STRW: 1 })).toMatch(/STRW/);
    expect(steFault({ Config: 5, STRW: 2 })).toMatch(/STRW/);
    expect(steFault({ Config: 5, S1STALLD: 1 })).toMatch(/S1STALLD/);
    expect(steFault({ ...stage2, Config: 7, STRW: 2 }, smmuv3Features({ el2: true }))).toMatch(/STRW/);
    expect(steFault({ Config: 5, EATS: 2 })).toMatch(/EATS/);
    expect(steFault(stage2)).toBeNull();
    expect(steFault({ ...stage2, S2AA64: 0 })).toMatch(/S2AA64/);
    expect(steFault({ ...stage2, S2TG: 3 })).toMatch(/S2TG/);
    expect(steFault({ ...stage2, S2T0SZ: 15 })).toMatch(/S2T0SZ/);
    expect(steFault({ ...stage2, S2SL0: 0, S2T0SZ: 24 })).toMatch(/S2SL0/);
    expect(steFault({ ...stage2, S2PS: 0, S2TTB: 0x100000000 })).toMatch(/S2TTB/);
    expect(steFault({ ...stage2, S2S: 1 })).toMatch(/S2S/);
  });

  it('takes as many stage 2 input bits as addresses have, more than 48 with 64 KiB tables only', () => {
    const fault = (
      outputBits: Smmuv3Features['outputBits'],
      granule: 12 | 14 | 16,
      inputBits: number,
    ): string | null => {
      const S2TG = { 12: 0, 14: 2, 16: 1 }[granule];
      // The level that suits the size: as low as 16 tables side by side allow.
      const S2SL0 = granule === 12 ? (inputBits > 43 ? 2 : 1) : inputBits > (granule === 14 ? 40 : 46) ? 2 : 1;
      return steFault({ ...stage2, S2PS: 6, S2TG, S2SL0, S2T0SZ: 64 - inputBits }, smmuv3Features({ outputBits }));
    };
    for (const granule of [12, 14, 16] as const) {
      expect(fault(36, granule, 36)).toBeNull();
      expect(fault(36, granule, 37)).toMatch(/S2T0SZ gives more/);
      expect(fault(48, granule, 48)).toBeNull();
      expect(fault(48, granule, 49)).toMatch(/S2T0SZ gives more/);
      if (granule !== 16) expect(fault(52, granule, 49)).toMatch(/S2T0SZ gives more/);
    }
    expect(fault(52, 16, 52)).toBeNull();
  });

  it('of the reserved configurations 1 to 3 behaves as abort, and is not refused', () => {
    for (const Config of [0, 1, 2, 3]) expect(steFault({ Config, S1CDMax: 31 })).toBeNull();
  });

  it('gives stage 2 the start level that S2SL0 means for its granule', () => {
    const regime = (values: Record<string, number>) =>
      streamRegime(readStreamTableEntry(valid({ ...stage2, ...values }), 0), null, smmuv3Features()).stage2?.root0;
    expect(regime({ S2SL0: 1 })).toMatchObject({ granuleShift: 12, startLevel: 1, inputBits: 40 });
    expect(regime({ S2SL0: 2 })).toMatchObject({ granuleShift: 12, startLevel: 0 });
    expect(regime({ S2TG: 2, S2SL0: 1 })).toMatchObject({ granuleShift: 14, startLevel: 2 });
    expect(regime({ S2TG: 1, S2SL0: 2 })).toMatchObject({ granuleShift: 16, startLevel: 1 });
  });
});
