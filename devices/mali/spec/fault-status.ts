/** AS_FAULTSTATUS: what kind of access failed, who made it, and why. */
import { PANFROST_REGS, registerLayout } from './layout.ts';

export const AS_FAULTSTATUS = registerLayout('Mali AS_FAULTSTATUS', 32, PANFROST_REGS, {
  EXCEPTION: { lsb: 0, width: 8, meaning: 'exception code: the kind, with the level in its low two bits' },
  ACCESS: {
    lsb: 8,
    width: 2,
    meaning: 'access that failed',
    values: { 0: 'atomic', 1: 'execute', 2: 'read', 3: 'write' },
  },
  DECODER: {
    lsb: 10,
    width: 1,
    meaning: 'where the bus error arose',
    values: { 0: 'slave fault', 1: 'decoder fault' },
  },
  SOURCE_ID: {
    lsb: 16,
    width: 16,
    meaning: 'which unit of the GPU made the access; the encoding is the product’s own',
  },
});

/** AS_FAULTSTATUS.ACCESS. */
export const FaultAccess = { ATOMIC: 0, EXECUTE: 1, READ: 2, WRITE: 3 } as const;

/** Names of AS_FAULTSTATUS.ACCESS as panthor prints them. */
export const FAULT_ACCESS_NAMES = ['ATOMIC', 'EXECUTE', 'READ', 'WRITE'] as const;

/** AS_FAULTSTATUS from its parts. */
export function faultStatus(exception: number, access: number, sourceId: number, decoder = 0): number {
  return (exception | (access << 8) | (decoder << 10) | (sourceId << 16)) >>> 0;
}
