import { FaultKind } from '../../../emulator/index.ts';
import { ErrorCode, Imstr } from '../spec/index.ts';

/** IMSTR bit of a fault. An access flag that is clear is a permission to come, and an address that is too large no translation. */
export function faultBit(fault: FaultKind): number {
  switch (fault) {
    case FaultKind.PERMISSION:
    case FaultKind.ACCESS_FLAG:
      return Imstr.PF;
    case FaultKind.EXTERNAL_ABORT:
      return Imstr.ABORT;
    case FaultKind.TLB_CONFLICT:
      return Imstr.MHIT;
    default:
      return Imstr.TF;
  }
}

/** IMSTR.ERRCODE of a fault. */
export function errorCode(fault: FaultKind): number {
  return faultBit(fault) === Imstr.PF ? ErrorCode.PERMISSION : faultBit(fault) === Imstr.TF ? ErrorCode.FORMAT : 0;
}
