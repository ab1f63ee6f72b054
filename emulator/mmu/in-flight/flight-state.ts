/** Where a request in flight is: the step that it takes when it is woken next. */
export const FlightState = {
  // At the TBU.
  DEVICE_PORT: 0,
  RECEIVED: 1,
  PASS: 2,
  MICRO_LOOKUP: 3,
  MICRO_FOUND: 4,
  MAIN_LOOKUP: 5,
  MAIN_FOUND: 6,
  MAIN_MISSED: 7,
  HELD: 8,
  // On the way to the SMMU, and in it.
  LINK: 9,
  LINK_SEND: 10,
  LINK_SENT: 11,
  CONFIGURATION: 12,
  CONFIGURATION_FOUND: 13,
  CONTEXT_STEP: 14,
  CONTEXT_READ: 15,
  CONTEXT_TRANSLATED: 16,
  CONTEXT_GOT: 17,
  CONTEXT_STORE: 18,
  TLB_LOOKUP: 19,
  TLB_FOUND: 20,
  WALK_SLOT: 21,
  STAGE2_ALONE: 22,
  WALK_END: 23,
  TLB_STORE: 24,
  RETURN: 25,
  RETURN_SENT: 26,
  RETURNED: 27,
  // Back at the TBU.
  MAIN_STORE: 28,
  UNHOLD: 29,
  MICRO_STORE: 30,
  ORDER: 31,
  LAST_PORT: 32,
  LAST_BEAT: 33,
  DATA: 34,
  PREFETCH_END: 35,
  /** Refused: the master gets its response without data. */
  REFUSED: 36,
  /** Parked until software answers; it keeps its slot. */
  STALLED: 37,
  /** Software has ended a parked request. */
  ENDED: 38,
  // A read of memory by the SMMU.
  READ: 39,
  READ_SEND: 40,

  // Stage 1 (from here on in Stage1Steps).
  STAGE1: 41,
  PROBE1: 42,
  PROBED1: 43,
  ROOT1: 44,
  STEP1: 45,
  FETCH1: 46,
  GOT1: 47,
  DECODE1: 48,
  UPDATE1: 49,
  UPDATED1: 50,
  TABLE1: 51,
  STORE1: 52,
  LEAF1: 53,
  FINAL1: 54,
  STORE_LEAF1: 55,
  CACHED_FINAL1: 56,
  // Stage 2.
  STAGE2: 57,
  IPA_FOUND: 58,
  WALK2: 59,
  PROBE2: 60,
  PROBED2: 61,
  STEP2: 62,
  FETCH2: 63,
  GOT2: 64,
  DECODE2: 65,
  UPDATED2: 66,
  STORE2: 67,
  LEAF2: 68,
  STORE_LEAF2: 69,
  IPA_STORE: 70,
} as const;

export type FlightState = (typeof FlightState)[keyof typeof FlightState];

/** Returned by a step that has to wait for an event. */
export const WAIT = -1;
