/**
 * The commands of an SMMUv3 command queue: 16 bytes each, as Arm IHI 0070 chapter 4 lays them out. One table gives encoding,
 * decoding and explanation. Secure, Realm and EL3 commands are not offered by a Non-secure queue and are illegal here.
 */
import { addressField, bitField, decodeAll, encodeInto, getField, type Layout } from '../../../formats/index.ts';

/** Size of a command. */
export const COMMAND_BYTES = 16;
/** Size of a command in 32-bit words. */
export const COMMAND_WORDS = 4;

const opcode = bitField(0, 8, 'Opcode');
const ssv = bitField(11, 1, 'SubstreamID is valid');
const substreamId = bitField(12, 20, 'SubstreamID');
const streamId = bitField(32, 32, 'StreamID');
const leafOfConfig = bitField(64, 1, 'Only the last level; 0: intermediate descriptors too');
const vmid = bitField(32, 16, 'VMID');
const asid = bitField(48, 16, 'ASID');
const range = {
  NUM: bitField(12, 5, 'Range invalidation: number of units, minus 1'),
  SCALE: bitField(20, 6, 'Range invalidation: log2 of the pages in a unit'),
};
const target = {
  Leaf: bitField(64, 1, 'Only last-level entries; 0: walk-cache entries too'),
  TTL: bitField(72, 2, 'Level of the leaf, 0: any'),
  TG: bitField(74, 2, 'Range invalidation: granule, 1 4 KiB, 2 16 KiB, 3 64 KiB; 0: one address'),
};
const inputAddress = addressField(76, 52, 'Input address, bits [63:12]');
const ipa = addressField(76, 40, 'Intermediate physical address, bits [51:12]');

/** The fields of every command, by the name of the manual. */
export const COMMAND_FIELDS = {
  PREFETCH_CONFIG: { opcode, SSV: ssv, SubstreamID: substreamId, StreamID: streamId },
  PREFETCH_ADDR: {
    opcode,
    SSV: ssv,
    SubstreamID: substreamId,
    StreamID: streamId,
    Size: bitField(64, 5, 'log2 of the pages to fetch'),
    Stride: bitField(69, 5, 'Distance of the pages'),
    Address: inputAddress,
  },
  CFGI_STE: { opcode, StreamID: streamId, Leaf: leafOfConfig },
  CFGI_STE_RANGE: { opcode, StreamID: streamId, Range: bitField(64, 5, '2^(Range+1) streams; 31: all') },
  CFGI_CD: { opcode, SubstreamID: substreamId, StreamID: streamId, Leaf: leafOfConfig },
  CFGI_CD_ALL: { opcode, StreamID: streamId },
  TLBI_NH_ALL: { opcode, VMID: vmid },
  TLBI_NH_ASID: { opcode, VMID: vmid, ASID: asid },
  TLBI_NH_VA: { opcode, ...range, VMID: vmid, ASID: asid, ...target, Address: inputAddress },
  TLBI_NH_VAA: { opcode, ...range, VMID: vmid, ...target, Address: inputAddress },
  TLBI_EL2_ALL: { opcode },
  TLBI_EL2_ASID: { opcode, ASID: asid },
  TLBI_EL2_VA: { opcode, ...range, ASID: asid, ...target, Address: inputAddress },
  TLBI_EL2_VAA: { opcode, ...range, ...target, Address: inputAddress },
  TLBI_S12_VMALL: { opcode, VMID: vmid },
  TLBI_S2_IPA: { opcode, ...range, VMID: vmid, ...target, Address: ipa },
  TLBI_NSNH_ALL: { opcode },
  ATC_INV: {
    opcode,
    Global: bitField(9, 1, 'Every substream'),
    SSV: ssv,
    SubstreamID: substreamId,
    StreamID: streamId,
    Size: bitField(64, 6, 'log2 of the 4 KiB pages; 52: everything'),
    Address: inputAddress,
  },
  PRI_RESP: {
    opcode,
    SSV: ssv,
    SubstreamID: substreamId,
    StreamID: streamId,
    PRGIndex: bitField(64, 9, 'Page request group'),
    Resp: bitField(76, 2, '0 denied, 1 failure, 2 success'),
  },
  RESUME: {
    opcode,
    Ac: bitField(12, 1, 'Retry the transaction; 0: terminate it'),
    Ab: bitField(13, 1, 'A terminated transaction aborts; 0: reads as zero, writes ignored'),
    StreamID: streamId,
    STAG: bitField(64, 16, 'Tag of the stalled transaction, from its event record'),
  },
  STALL_TERM: { opcode, StreamID: streamId },
  SYNC: {
    opcode,
    CS: bitField(12, 2, 'Completion signal: 0 none, 1 interrupt, 2 wake-up event'),
    MSH: bitField(22, 2, 'Shareability of the MSI'),
    MSIAttr: bitField(24, 4, 'Memory type of the MSI'),
    MSIData: bitField(32, 32, 'Data of the MSI'),
    MSIAddress: addressField(66, 50, 'Target of the MSI, bits [51:2]; 0: wired interrupt'),
  },
} as const satisfies Readonly<Record<string, Layout>>;

export type CommandName = keyof typeof COMMAND_FIELDS;

/** Opcodes (IHI 0070 section 4.1.1). */
export const Opcode = {
  PREFETCH_CONFIG: 0x01,
  PREFETCH_ADDR: 0x02,
  CFGI_STE: 0x03,
  CFGI_STE_RANGE: 0x04,
  CFGI_CD: 0x05,
  CFGI_CD_ALL: 0x06,
  TLBI_NH_ALL: 0x10,
  TLBI_NH_ASID: 0x11,
  TLBI_NH_VA: 0x12,
  TLBI_NH_VAA: 0x13,
  TLBI_EL2_ALL: 0x20,
  TLBI_EL2_ASID: 0x21,
  TLBI_EL2_VA: 0x22,
  TLBI_EL2_VAA: 0x23,
  TLBI_S12_VMALL: 0x28,
  TLBI_S2_IPA: 0x2a,
  TLBI_NSNH_ALL: 0x30,
  ATC_INV: 0x40,
  PRI_RESP: 0x41,
  RESUME: 0x44,
  STALL_TERM: 0x45,
  SYNC: 0x46,
} as const satisfies Readonly<Record<CommandName, number>>;

const NAMES: readonly (CommandName | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  (Object.keys(Opcode) as CommandName[]).find((name) => Opcode[name] === code),
);

/** Name of the command with this opcode; undefined for a reserved one. */
export function commandName(code: number): CommandName | undefined {
  return NAMES[code];
}

/** Range of CMD_CFGI_STE_RANGE that means every stream: Linux's CFGI_ALL. */
export const CFGI_RANGE_ALL = 31;
/** Size of CMD_ATC_INV that means every address. */
export const ATC_INV_ALL = 52;

/** Values of the CS field of CMD_SYNC. */
export const SyncSignal = { NONE: 0, IRQ: 1, SEV: 2 } as const;

/** Values for the fields of a command; those left out are 0. Address fields hold the address. */
export type CommandFields<N extends CommandName> = Partial<
  Readonly<Record<Exclude<keyof (typeof COMMAND_FIELDS)[N], 'opcode'>, number>>
>;

/** A command as a person reads it: its name and its fields. */
export interface Command {
  readonly name: CommandName;
  readonly fields: Readonly<Record<string, number>>;
}

/** Writes a command to `words[at..at+3]`. Fields it does not name become 0. */
export function encodeCommand<N extends CommandName>(
  name: N,
  fields: CommandFields<N>,
  words: Uint32Array,
  at: number,
): void {
  words.fill(0, at, at + COMMAND_WORDS);
  encodeInto<Layout>(COMMAND_FIELDS[name], words, at, { ...fields, opcode: Opcode[name] });
}

/** The command at `words[at..at+3]`, or null for a reserved opcode. */
export function decodeCommand(words: Uint32Array, at: number): Command | null {
  const name = commandName(getField(words, at, opcode));
  if (name === undefined) return null;
  const { opcode: _, ...fields } = decodeAll<Layout>(COMMAND_FIELDS[name], words, at);
  return { name, fields };
}

/** Bytes that a range invalidation covers: (NUM + 1) * 2^SCALE pages of the granule that TG names (section 4.4.1.1). */
export function rangeBytes(num: number, scale: number, tg: number): number {
  return (num + 1) * 2 ** (scale + 10 + 2 * tg);
}

/** log2 of the granule that TG names; 0 for "not a range". */
export function granuleShiftOfTg(tg: number): number {
  return tg === 0 ? 0 : 10 + 2 * tg;
}
