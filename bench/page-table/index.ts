/** Page-table software of long descriptors, measured; and the machines that others measure theirs on. */
export { CountingFlush, newMachine } from './machines.ts';
export { pageTableBenchmarks, pageTableMachineBenchmarks } from './rows.ts';
