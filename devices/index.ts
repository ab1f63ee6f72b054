export * from './mali/index.ts';
export * from './smmuv3/index.ts';
