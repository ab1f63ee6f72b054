/** A VM: its address space, its page table, the operations on them and the tables set aside for those. */
export { MapFlag, type PanthorBuffer } from './buffer.ts';
export { splitAddressSpace, type VaSplit } from './va-split.ts';
export { PanthorVm, type PanthorVmOptions, type VmCounters } from './vm.ts';
export { reservationOf, runOperation, type StepObserver, type VmOperation } from './vm-operation.ts';
export { memattrOf, protOf } from './vm-registers.ts';
