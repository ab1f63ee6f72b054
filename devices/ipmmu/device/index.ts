/** The IPMMU-VMSA itself. */
export { type IpmmuConfig, type IpmmuOptions, IpmmuSchema } from './config.ts';
export { Ipmmu, LEAF_STRIDE as IPMMU_LEAF_STRIDE } from './device.ts';
export { contextTag } from './regime.ts';
