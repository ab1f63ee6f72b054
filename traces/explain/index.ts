/** What registers, descriptors, fault lines and addresses mean, for people. */
export * from './faults/index.ts';
export * from './layout/index.ts';
export * from './structures/index.ts';
export * from './translation/index.ts';
export * from './why/index.ts';
