/**
 * The records an SMMUv3 writes to its event queue: 32 bytes each, as Arm IHI 0070 section 7.3 lays them out.
 */
import { addressField, bitField, decodeAll, encodeInto, getField, type Layout } from '../../../formats/index.ts';

/** Size of an event record. */
export const EVENT_BYTES = 32;
/** Size of an event record in 32-bit words. */
export const EVENT_WORDS = 8;

/** Event numbers, bits [7:0] of a record. */
export const EventId = {
  /** Unsupported upstream transaction. Never raised by the model. */
  F_UUT: 0x01,
  C_BAD_STREAMID: 0x02,
  F_STE_FETCH: 0x03,
  C_BAD_STE: 0x04,
  F_BAD_ATS_TREQ: 0x05,
  F_STREAM_DISABLED: 0x06,
  F_TRANSL_FORBIDDEN: 0x07,
  C_BAD_SUBSTREAMID: 0x08,
  F_CD_FETCH: 0x09,
  C_BAD_CD: 0x0a,
  F_WALK_EABT: 0x0b,
  F_TRANSLATION: 0x10,
  F_ADDR_SIZE: 0x11,
  F_ACCESS: 0x12,
  F_PERMISSION: 0x13,
  F_TLB_CONFLICT: 0x20,
  F_CFG_CONFLICT: 0x21,
  E_PAGE_REQUEST: 0x24,
  F_VMS_FETCH: 0x25,
} as const;

export type EventName = keyof typeof EventId;

/** Values of the CLASS field: what the SMMU was translating when it met the fault. */
export const EventClass = {
  /** The address of a context descriptor (a stage 2 fault). */
  CD: 0,
  /** The address of a stage 1 table descriptor (a stage 2 fault). */
  TTD: 1,
  /** The input address of the transaction. */
  IN: 2,
} as const;

const id = bitField(0, 8, 'Event number');
const header = {
  id,
  SSV: bitField(11, 1, 'SubstreamID is valid'),
  SubstreamID: bitField(12, 20, 'SubstreamID'),
  StreamID: bitField(32, 32, 'StreamID'),
};
const transaction = {
  PnU: bitField(97, 1, 'Privileged'),
  InD: bitField(98, 1, 'Instruction fetch'),
  RnW: bitField(99, 1, 'Read'),
  InputAddress: bitField(128, 64, 'Input address'),
};
const reason = bitField(64, 16, 'Implementation defined; 0');
const fetchAddress = addressField(195, 49, 'Address of the fetch that was aborted, bits [51:3]');
const translation = {
  STAG: bitField(64, 16, 'Tag of the stalled transaction, for CMD_RESUME'),
  Stall: bitField(95, 1, 'The transaction is stalled'),
  ...transaction,
  NSIPA: bitField(100, 1, 'Non-secure IPA; 0 on a Non-secure stream'),
  S2: bitField(103, 1, 'Stage 2 fault'),
  CLASS: bitField(104, 2, 'What was translated: 0 context descriptor, 1 table descriptor, 2 input address'),
  TTRnW: bitField(108, 1, 'CLASS is 1: the descriptor was being read'),
  IPAddress: addressField(204, 40, 'Intermediate physical address of a stage 2 fault, bits [51:12]'),
};

/** The fields of every record, by event. */
export const EVENT_FIELDS = {
  F_UUT: { ...header, Reason: reason, ...transaction },
  C_BAD_STREAMID: header,
  F_STE_FETCH: { ...header, Reason: reason, FetchAddress: fetchAddress },
  C_BAD_STE: header,
  F_BAD_ATS_TREQ: { ...header, InputAddress: transaction.InputAddress },
  F_STREAM_DISABLED: header,
  F_TRANSL_FORBIDDEN: { ...header, RnW: transaction.RnW, InputAddress: transaction.InputAddress },
  // The SubstreamID is always valid here: there is no SSV.
  C_BAD_SUBSTREAMID: { id, SubstreamID: header.SubstreamID, StreamID: header.StreamID },
  F_CD_FETCH: { ...header, Reason: reason, FetchAddress: fetchAddress },
  C_BAD_CD: header,
  F_WALK_EABT: {
    ...header,
    Reason: reason,
    ...transaction,
    S2: translation.S2,
    CLASS: translation.CLASS,
    FetchAddress: fetchAddress,
  },
  F_TRANSLATION: { ...header, ...translation },
  F_ADDR_SIZE: { ...header, ...translation },
  F_ACCESS: { ...header, ...translation },
  F_PERMISSION: { ...header, ...translation },
  F_TLB_CONFLICT: { ...header, Reason: reason, ...transaction, S2: translation.S2, CLASS: translation.CLASS },
  F_CFG_CONFLICT: { ...header, Reason: reason },
  E_PAGE_REQUEST: {
    ...header,
    uX: bitField(98, 1, 'Unprivileged execution is expected'),
    uW: bitField(99, 1, 'Unprivileged writes are expected'),
    uR: bitField(100, 1, 'Unprivileged reads are expected'),
    pX: bitField(101, 1, 'Privileged execution is expected'),
    pW: bitField(102, 1, 'Privileged writes are expected'),
    pR: bitField(103, 1, 'Privileged reads are expected'),
    Span: bitField(108, 8, 'Pages of 4 KiB'),
    InputAddress: addressField(140, 52, 'First page'),
  },
  F_VMS_FETCH: { ...header, Reason: reason, FetchAddress: fetchAddress },
} as const satisfies Readonly<Record<EventName, Layout>>;

/** Values for the fields of a record; those left out are 0. Address fields hold the address. */
export type EventFields<N extends EventName> = Partial<
  Readonly<Record<Exclude<keyof (typeof EVENT_FIELDS)[N], 'id'>, number>>
>;

/** An event record as a person reads it. */
export interface EventRecord {
  readonly name: EventName;
  readonly fields: Readonly<Record<string, number>>;
}

const NAMES: readonly (EventName | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  (Object.keys(EventId) as EventName[]).find((name) => EventId[name] === code),
);

/** Name of an event number; undefined for one that this model never writes. */
export function eventName(code: number): EventName | undefined {
  return NAMES[code];
}

/** Writes a record to `words[at..at+7]`. Fields it does not name become 0. */
export function encodeEvent<N extends EventName>(
  name: N,
  fields: EventFields<N>,
  words: Uint32Array,
  at: number,
): void {
  words.fill(0, at, at + EVENT_WORDS);
  encodeInto<Layout>(EVENT_FIELDS[name], words, at, { ...fields, id: EventId[name] });
}

/** The record at `words[at..at+7]`, or null when its number is unknown. */
export function decodeEvent(words: Uint32Array, at: number): EventRecord | null {
  const name = eventName(getField(words, at, id));
  if (name === undefined) return null;
  const { id: _, ...fields } = decodeAll<Layout>(EVENT_FIELDS[name], words, at);
  return { name, fields };
}
