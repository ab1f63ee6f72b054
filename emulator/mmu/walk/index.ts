/** Table walks: the machine of one stage, its decoders and permissions, the rules of a translation, and the untimed walker. */
export { remappedAttributes } from './decode-short.ts';
export { ENTRY } from './entry-attributes.ts';
export * from './fault.ts';
export * from './leaves.ts';
export * from './rules.ts';
export * from './stage-walk.ts';
export * from './walk-state.ts';
export * from './walker.ts';
