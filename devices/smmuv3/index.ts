export * from './device/index.ts';
export * from './driver/index.ts';
export * from './spec/index.ts';
