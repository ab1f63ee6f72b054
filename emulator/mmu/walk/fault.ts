/** Why a translation was refused (Arm ARM D8.15; SMMUv3 IHI 0070 section 3.12). 0 means it was not. */
export const FaultKind = {
  NONE: 0,
  /** No valid descriptor, or the address is outside every table. */
  TRANSLATION: 1,
  /** An address in a descriptor or the output is larger than the configured size. */
  ADDRESS_SIZE: 2,
  /** Access flag clear and not managed by hardware. */
  ACCESS_FLAG: 3,
  PERMISSION: 4,
  /** The memory system refused to read a descriptor. */
  EXTERNAL_ABORT: 5,
  /** TLB conflict: two entries match. */
  TLB_CONFLICT: 6,
} as const;

export type FaultKind = (typeof FaultKind)[keyof typeof FaultKind];

/** What an MMU was doing when a stage 2 refused it (CLASS of an event record, Arm IHI 0070 section 7.3). */
export const FaultClass = {
  /** Fetching a context descriptor. */
  CONTEXT: 0,
  /** Fetching a stage-1 table descriptor. */
  TABLE: 1,
  /** Translating the input address. */
  INPUT: 2,
} as const;

export type FaultClass = (typeof FaultClass)[keyof typeof FaultClass];

/** What a person calls each kind of fault, in the words of the Arm ARM. */
export const FAULT_NAMES: Readonly<Record<FaultKind, string>> = {
  [FaultKind.NONE]: 'no fault',
  [FaultKind.TRANSLATION]: 'translation fault',
  [FaultKind.ADDRESS_SIZE]: 'address size fault',
  [FaultKind.ACCESS_FLAG]: 'access flag fault',
  [FaultKind.PERMISSION]: 'permission fault',
  [FaultKind.EXTERNAL_ABORT]: 'external abort on a table walk',
  [FaultKind.TLB_CONFLICT]: 'TLB conflict abort',
};
