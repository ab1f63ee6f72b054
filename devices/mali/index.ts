/** Mali: the MMU of Arm's GPUs, and the drivers that edit it. */
export * as maliSpec from './spec/index.ts';
export * from './vm-bind/index.ts';
