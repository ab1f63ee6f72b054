/** What a walk starts from: the translation registers, decoded. */
export * from './builders.ts';
export * from './regime.ts';
