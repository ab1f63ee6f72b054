import type { PanthorVm, VmCounters } from './vm/index.ts';

/** What VM_BIND came to, over all VMs. */
export interface PanthorTotals extends VmCounters {
  operations: number;
  /** Tables set aside, taken, and given back. */
  reserved: number;
  used: number;
  returned: number;
}

export function newTotals(): PanthorTotals {
  return {
    operations: 0,
    reserved: 0,
    used: 0,
    returned: 0,
    locks: 0,
    lockedBytes: 0,
    excessBytes: 0,
    flushes: 0,
    remappedBytes: 0,
  };
}

/** Adds what one VM counted. */
export function addVm(totals: PanthorTotals, { counters, tables }: PanthorVm): void {
  for (const key of Object.keys(counters) as (keyof VmCounters)[]) totals[key] += counters[key];
  totals.reserved += tables.reserved;
  totals.used += tables.used;
  totals.returned += tables.returned;
}
