/** The IPMMU-VMSA itself. */
export { IPMMU_MMU, type IpmmuConfig, type IpmmuOptions, IpmmuSchema } from './config.ts';
export { Ipmmu, LEAF_STRIDE as IPMMU_LEAF_STRIDE } from './device.ts';
