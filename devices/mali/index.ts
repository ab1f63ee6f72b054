/** Mali: the MMU of Arm's GPUs, and the drivers that edit it. */
export * from './device/index.ts';
export * from './driver/index.ts';
export * from './gpu/index.ts';
export * from './gpuvm/index.ts';
export { MALI, MALI_CONFIG } from './model.ts';
export * as maliSpec from './spec/index.ts';
export { CSF_EXCEPTIONS, exceptionName, JOB_MANAGER_EXCEPTIONS } from './spec/index.ts';
export * from './vm-bind/index.ts';
