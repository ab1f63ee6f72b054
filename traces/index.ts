export * from './access.ts';
export * from './capture/capture-reader.ts';
export * from './capture/stats.ts';
export * from './event.ts';
export * from './input-error.ts';
export * from './page-sizes.ts';
