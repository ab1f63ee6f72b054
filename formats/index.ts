export * from './config-error.ts';
export * from './ports.ts';
