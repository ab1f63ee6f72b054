/** The IPMMU-VMSA itself. */
export { type IpmmuConfig, type IpmmuOptions, IpmmuSchema } from './config.ts';
export { IPMMU_LEAF_STRIDE, Ipmmu } from './device.ts';
export { contextTag } from './regime.ts';
