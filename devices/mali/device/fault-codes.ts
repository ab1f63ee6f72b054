/** From the emulator's faults to the exception codes of AS_FAULTSTATUS. */
import { AccessFlag, FaultKind, type TranslationRequest } from '../../../emulator/index.ts';
import { FaultAccess, MmuException, mmuException } from '../spec/index.ts';

/** An access that a GPU with a command stream could not finish because a table could not be read. */
const CSF_GPU_BUS_FAULT = 0x80;

/** The exception code of a request that its tables refused. */
export function exceptionOf(request: TranslationRequest, family: 'job-manager' | 'csf'): number {
  const { fault, faultLevel: level } = request;
  switch (fault) {
    case FaultKind.PERMISSION:
      return mmuException(MmuException.PERMISSION, level);
    case FaultKind.ACCESS_FLAG:
      return mmuException(MmuException.ACCESS_FLAG, level);
    case FaultKind.ADDRESS_SIZE:
      return mmuException(MmuException.OUTPUT_SIZE, level);
    case FaultKind.EXTERNAL_ABORT:
      return family === 'csf' ? CSF_GPU_BUS_FAULT : mmuException(MmuException.TABLE_BUS, level);
    default:
      return mmuException(MmuException.TRANSLATION, level);
  }
}

/** AS_FAULTSTATUS.ACCESS of a request. Atomic accesses are writes here. */
export function accessOf(flags: number): number {
  if ((flags & AccessFlag.WRITE) !== 0) return FaultAccess.WRITE;
  return (flags & AccessFlag.EXECUTE) !== 0 ? FaultAccess.EXECUTE : FaultAccess.READ;
}
