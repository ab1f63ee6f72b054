/** SMMUv2 and MMU-500: registers as the manual has them, and Linux's driver. */
export * from './driver/index.ts';
export * as smmuv2Spec from './spec/index.ts';
