import { FaultKind } from './regime.ts';

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
