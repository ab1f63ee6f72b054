/** What the manual says: generations and registers. */
export * from './generation.ts';
export * from './registers.ts';
