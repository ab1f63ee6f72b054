/** Mali: the MMU of Arm's GPUs, and the drivers that edit it. */
export * from './device/index.ts';
export type { EditedTable } from './driver/edited-table.ts';
export { IrqReturn } from './driver/irq-return.ts';
export * from './driver/panfrost/index.ts';
export * from './driver/panthor/index.ts';
export { joinPages, type Segment } from './driver/scatter-list.ts';
export * from './gpu/index.ts';
export * from './gpuvm/index.ts';
export { MALI, MALI_CONFIG } from './model.ts';
export * as maliSpec from './spec/index.ts';
export { CSF_EXCEPTIONS, exceptionName, JOB_MANAGER_EXCEPTIONS } from './spec/index.ts';
export * from './vm-bind/index.ts';
