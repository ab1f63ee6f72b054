/** What a walk starts from: the translation registers, decoded. */
export * from './regime.ts';
