export * from './access-pattern.ts';
export * from './dma-master.ts';
export * from './ipmmu/index.ts';
export * from './mali/index.ts';
export * from './registers/index.ts';
export * from './smmuv2/index.ts';
export * from './smmuv3/index.ts';
