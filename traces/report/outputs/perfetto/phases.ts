import { Cause, type Operation, OperationKind } from '../../../../emulator/index.ts';

/** One thing that an operation spends time on. */
export interface Phase {
  readonly cause: Cause;
  readonly name: string;
}

const IOVA = { cause: Cause.IOVA, name: 'IOVA allocator' };
const BIND = { cause: Cause.BIND, name: 'VM_BIND job' };
const ALLOCATION = { cause: Cause.ALLOCATION, name: 'table memory' };
const EDIT = { cause: Cause.EDIT, name: 'table edit' };
const CACHES = { cause: Cause.SYNC, name: 'cache maintenance' };
export const TLBI: Phase = { cause: Cause.COMMAND, name: 'TLBI' };
const WAIT = { cause: Cause.WAIT, name: 'SYNC wait' };
const EVENTS = { cause: Cause.EVENTS, name: 'fault handling' };

const MAP: readonly Phase[] = [IOVA, BIND, ALLOCATION, EDIT, CACHES, TLBI, WAIT, EVENTS];
/** Tables are given back once the TLBs have forgotten them, the address after that (`__iommu_dma_unmap`). */
const UNMAP: readonly Phase[] = [BIND, EDIT, CACHES, TLBI, WAIT, ALLOCATION, IOVA, EVENTS];

/** What an operation does, in the order in which the kernel does it. */
export function phasesOf({ kind }: Readonly<Operation>): readonly Phase[] {
  return kind === OperationKind.MAP ? MAP : UNMAP;
}
