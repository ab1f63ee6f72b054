import { getField } from '../../../../formats/index.ts';
import { EVENT_FIELDS, EventId } from '../../spec/index.ts';

/** Bits of {@link FaultRecord.flags} (Linux `IOMMU_FAULT_PAGE_REQUEST_*`). */
const FaultFlag = { PASID_VALID: 1, LAST: 2 } as const;
/** Bits of {@link FaultRecord.permissions} (Linux `IOMMU_FAULT_PERM_*`). */
const FaultPermission = { READ: 1, WRITE: 2, EXECUTE: 4, PRIVILEGED: 8 } as const;

/** A fault whose transaction waits, as Linux reports it to whoever may answer (`struct iommu_fault`). */
export interface FaultRecord {
  readonly flags: number;
  readonly pasid: number;
  /** Names the waiting transaction in the answer. */
  readonly tag: number;
  readonly permissions: number;
  readonly addressLow: number;
  readonly addressHigh: number;
}

const FAULT = EVENT_FIELDS.F_TRANSLATION;

/** The fault of an event record, or null for one that nobody could answer: another event, or a transaction that does not wait. */
export function answerableFault(words: Uint32Array, at: number): FaultRecord | null {
  const id = getField(words, at, FAULT.id);
  if (id < EventId.F_TRANSLATION || id > EventId.F_PERMISSION || getField(words, at, FAULT.Stall) === 0) return null;
  const hasPasid = getField(words, at, FAULT.SSV) !== 0;
  return {
    flags: FaultFlag.LAST | (hasPasid ? FaultFlag.PASID_VALID : 0),
    pasid: hasPasid ? getField(words, at, FAULT.SubstreamID) : 0,
    tag: getField(words, at, FAULT.STAG),
    permissions:
      (getField(words, at, FAULT.RnW) !== 0 ? FaultPermission.READ : FaultPermission.WRITE) |
      (getField(words, at, FAULT.InD) !== 0 ? FaultPermission.EXECUTE : 0) |
      (getField(words, at, FAULT.PnU) !== 0 ? FaultPermission.PRIVILEGED : 0),
    addressLow: words[at + 4] as number,
    addressHigh: words[at + 5] as number,
  };
}
