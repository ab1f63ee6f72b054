/**
 * Exception codes, as AS_FAULTSTATUS, the job slots and the command streams report them, with the names that the drivers print. The
 * faults of the MMU begin at 0xc0; their low bits are the level of the table walk.
 * Linux 6.12 and 7.3 agree on both tables.
 */

/** First code of each kind of MMU fault; the level (0 to 3) is added. */
export const MmuException = {
  /** No valid descriptor. */
  TRANSLATION: 0xc0,
  /** The identity mode found an address it cannot pass on (job-manager GPUs). */
  TRANSLATION_IDENTITY: 0xc7,
  PERMISSION: 0xc8,
  /** The walk itself had a bus error (job-manager GPUs). */
  TABLE_BUS: 0xd0,
  /** A descriptor whose access flag is clear. */
  ACCESS_FLAG: 0xd8,
  /** The input address is larger than INA_BITS allow. */
  INPUT_SIZE: 0xe0,
  /** An address in a descriptor is larger than OUTA_BITS allow. */
  OUTPUT_SIZE: 0xe4,
  /** The memory type named by the leaf is a faulting one. */
  MEMORY_TYPE: 0xe8,
} as const;

/** Code of a fault of `kind` at `level`. */
export function mmuException(kind: number, level: number): number {
  return kind + (level & 3);
}

/** What the drivers print for a code without a name. */
export const UNKNOWN_EXCEPTION = 'Unknown exception type';

function levels(first: number, names: string, count: number, from = 0): Record<number, string> {
  const found: Record<number, string> = {};
  for (let at = 0; at < count; at++) found[first + at] = `${names}${from + at}`;
  return found;
}

/** Both families report these alike. */
const SHARED: Readonly<Record<number, string>> = {
  0: 'OK',
  4: 'TERMINATED',
  5: 'KABOOM',
  6: 'EUREKA',
  8: 'ACTIVE',
  80: 'INSTR_INVALID_PC',
  81: 'INSTR_INVALID_ENC',
  85: 'INSTR_BARRIER_FAULT',
  88: 'DATA_INVALID_FAULT',
  89: 'TILE_RANGE_FAULT',
  90: 'ADDR_RANGE_FAULT',
  91: 'IMPRECISE_FAULT',
  96: 'OOM',
  136: 'GPU_SHAREABILITY_FAULT',
  137: 'SYS_SHAREABILITY_FAULT',
  138: 'GPU_CACHEABILITY_FAULT',
  ...levels(MmuException.TRANSLATION, 'TRANSLATION_FAULT_', 5),
  ...levels(MmuException.PERMISSION, 'PERM_FAULT_', 4),
  ...levels(MmuException.OUTPUT_SIZE, 'ADDR_SIZE_FAULT_OUT', 4),
  ...levels(MmuException.MEMORY_TYPE, 'MEM_ATTR_FAULT_', 4),
};

/** GPUs with a job manager (Midgard, Bifrost, early Valhall). Source: Linux panfrost_device.c. */
export const JOB_MANAGER_EXCEPTIONS: Readonly<Record<number, string>> = {
  ...SHARED,
  1: 'DONE',
  2: 'INTERRUPTED',
  3: 'STOPPED',
  64: 'JOB_CONFIG_FAULT',
  65: 'JOB_POWER_FAULT',
  66: 'JOB_READ_FAULT',
  67: 'JOB_WRITE_FAULT',
  68: 'JOB_AFFINITY_FAULT',
  72: 'JOB_BUS_FAULT',
  82: 'INSTR_TYPE_MISMATCH',
  83: 'INSTR_OPERAND_FAULT',
  84: 'INSTR_TLS_FAULT',
  86: 'INSTR_ALIGN_FAULT',
  97: 'OOM_AFBC',
  127: 'UNKNOWN',
  128: 'DELAYED_BUS_FAULT',
  [MmuException.TRANSLATION_IDENTITY]: 'TRANSLATION_FAULT_IDENTITY',
  ...levels(MmuException.TABLE_BUS, 'TRANSTAB_BUS_FAULT_', 4),
  ...levels(MmuException.ACCESS_FLAG, 'ACCESS_FLAG_', 4),
  ...levels(MmuException.INPUT_SIZE, 'ADDR_SIZE_FAULT_IN', 4),
  ...levels(0xec, 'MEM_ATTR_NONCACHE_', 4),
};

/** GPUs with a command-stream front end (Valhall CSF and later). Source: Linux panthor_device.c. */
export const CSF_EXCEPTIONS: Readonly<Record<number, string>> = {
  ...SHARED,
  15: 'CS_RES_TERM',
  64: 'CS_CONFIG_FAULT',
  65: 'CS_UNRECOVERABLE',
  68: 'CS_ENDPOINT_FAULT',
  72: 'CS_BUS_FAULT',
  73: 'CS_INSTR_INVALID',
  74: 'CS_CALL_STACK_OVERFLOW',
  75: 'CS_INHERIT_FAULT',
  104: 'CSF_FW_INTERNAL_ERROR',
  105: 'CSF_RES_EVICTION_TIMEOUT',
  128: 'GPU_BUS_FAULT',
  ...levels(MmuException.ACCESS_FLAG + 1, 'ACCESS_FLAG_', 3, 1),
  [MmuException.INPUT_SIZE]: 'ADDR_SIZE_FAULT_IN',
};

/** The name of a code in one of the two tables, or {@link UNKNOWN_EXCEPTION}. */
export function exceptionName(names: Readonly<Record<number, string>>, code: number): string {
  return names[code] ?? UNKNOWN_EXCEPTION;
}
