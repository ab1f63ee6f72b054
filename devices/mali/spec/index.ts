/** What the registers of a Mali GPU's MMU look like: one file per structure, named as the open drivers name them. */
export {
  AS_ACTIVE,
  AS_COMMAND,
  AS_COMMAND_NAMES,
  AS_STATUS,
  AsCommand,
  MmuInterrupt,
} from './commands.ts';
export {
  CSF_EXCEPTIONS,
  exceptionName,
  JOB_MANAGER_EXCEPTIONS,
  MmuException,
  mmuException,
  UNKNOWN_EXCEPTION,
} from './exceptions.ts';
export { AS_FAULTSTATUS, FAULT_ACCESS_NAMES, FaultAccess, faultStatus } from './fault-status.ts';
export {
  CacheAction,
  flushCachesCommand,
  GPU_CMD,
  GPU_MMU_FEATURES,
  GPU_STATUS,
  GpuCommand,
  GpuInterrupt,
  JobManagerGpuCommand,
  ResetKind,
} from './gpu-control.ts';
export { AS_LOCKADDR, encodeLockAddress, lockShift, lockStart, WHOLE_SPACE } from './lockaddr.ts';
export {
  MEMATTR_AARCH64,
  MemattrAllocation,
  MemattrCache,
  MemattrShareability,
  memattrByte,
  memattrFromMair,
} from './memattr.ts';
export {
  ADDRESS_SPACE,
  addressSpaceBase,
  GPU_CONTROL,
  MAX_ADDRESS_SPACES,
  MMU_AS_STRIDE,
  MMU_BASE,
  MMU_CONTROL,
  MMU_END,
} from './registers.ts';
export {
  AddressMode,
  AS_TRANSCFG,
  decodeAddressBits,
  encodeAddressBits,
  WalkMemory,
  WalkShareability,
} from './transcfg.ts';
export { AS_TRANSTAB_AARCH64, AS_TRANSTAB_LPAE, LegacyMode } from './transtab.ts';
