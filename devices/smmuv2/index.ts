/** SMMUv2 and MMU-500: registers as the manual has them, the device, and Linux's driver. */
export * from './device/index.ts';
export * from './driver/index.ts';
export { SMMUV2, SMMUV2_CONFIG } from './model.ts';
export * as smmuv2Spec from './spec/index.ts';
