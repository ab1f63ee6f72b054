/** The registers of an SMMUv2 as its manual has them: one table per register space, one per register with fields. */
export * from './address-space.ts';
export * from './context-bank.ts';
export * from './global-0.ts';
export * from './global-1.ts';
export * from './identification.ts';
