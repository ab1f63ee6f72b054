/** Linux's drivers of Mali GPUs, as far as they edit tables and answer faults. */
export { DriverCpu } from './driver-cpu.ts';
export type { EditedTable } from './edited-table.ts';
export { IrqReturn } from './irq-return.ts';
export * from './panfrost/index.ts';
export * from './panthor/index.ts';
export { joinPages, type Segment } from './scatter-list.ts';
