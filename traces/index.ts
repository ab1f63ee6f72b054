export * from './capture/stats.ts';
export * from './event.ts';
export * from './input-error.ts';
