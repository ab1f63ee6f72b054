export * from './address.ts';
export * from './encodings.ts';
export * from './field.ts';
export * from './layout.ts';
