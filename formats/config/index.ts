export * from './error.ts';
export * from './issue.ts';
