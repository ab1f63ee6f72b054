/** Layouts, registers and encodings of an SMMUv3 as the manual (Arm IHI 0070) has them. */
export * from './commands.ts';
export * from './context-descriptor.ts';
export * from './events.ts';
export * from './features.ts';
export * from './identification.ts';
export * from './page-request.ts';
export * from './registers.ts';
export * from './stream-table-entry.ts';
