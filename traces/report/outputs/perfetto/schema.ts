/**
 * Field numbers of Perfetto's `protos/perfetto/trace`, as far as a timeline needs them: `trace_packet.proto`, `interned_data.proto`,
 * `track_event/track_event.proto`, `track_descriptor.proto`, `counter_descriptor.proto`, `debug_annotation.proto`.
 */
export const TRACE_PACKET = 1;
export const Packet = {
  TIMESTAMP: 8,
  SEQUENCE: 10,
  TRACK_EVENT: 11,
  INTERNED: 12,
  SEQUENCE_FLAGS: 13,
  /** Packets deflated as one (RFC 1950), as `traced` does when asked to. */
  COMPRESSED: 50,
  TRACK_DESCRIPTOR: 60,
} as const;
/** Bits of `sequence_flags`. */
export const SequenceFlag = { CLEARED: 1, NEEDS_STATE: 2 } as const;
export const Interned = { EVENT_NAMES: 2, ANNOTATION_NAMES: 3 } as const;
export const InternedName = { ID: 1, NAME: 2 } as const;
export const Descriptor = { UUID: 1, NAME: 2, PARENT: 5, COUNTER: 8, CHILD_ORDERING: 11, RANK: 12 } as const;
/** `child_ordering`: by `sibling_order_rank`. */
export const ORDER_EXPLICIT = 3;
export const Counter = { UNIT: 3, UNIT_NAME: 6 } as const;
export const CounterUnit = { COUNT: 2, SIZE_BYTES: 3 } as const;
export const Event = {
  ANNOTATION: 4,
  TYPE: 9,
  NAME_ID: 10,
  TRACK: 11,
  COUNTER_VALUE: 30,
  DOUBLE_COUNTER_VALUE: 44,
  FLOWS: 47,
} as const;
export const EventType = { BEGIN: 1, END: 2, INSTANT: 3, COUNTER: 4 } as const;
export type EventType = (typeof EventType)[keyof typeof EventType];
export const Annotation = { NAME_ID: 1, UNSIGNED: 3, TEXT: 6, POINTER: 7 } as const;
