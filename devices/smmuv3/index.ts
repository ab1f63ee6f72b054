export * from './device/index.ts';
export * from './driver/index.ts';
export { SMMUV3, SMMUV3_CONFIG } from './model.ts';
export * from './spec/index.ts';
