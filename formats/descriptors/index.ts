export * from './lpae.ts';
export * from './mali.ts';
export * from './short.ts';
